/**
 * The secrets that this process was given, by their values. A driver, a server
 * or a stack may say them in places that no pattern foresees; whatever leaves
 * the process is searched for them.
 */

/**
 * Shorter ones stand by chance in any text: patterns alone hide those
 * (redact.ts).
 */
const leastLength = 6;

const known = new Set<string>();
let pattern: RegExp | null = null;

/** A secret as a whole, in every spelling in which it may be met again. */
function noteSecret(secret: string): void {
  for (const form of formsOf(secret)) {
    if (form.length >= leastLength && !known.has(form)) {
      known.add(form);
      pattern = null;
    }
  }
}

/** What one run was given does not hide anything in the next (tests). */
export function forgetSecrets(): void {
  known.clear();
  pattern = null;
}

const secretParameter =
  /^(?:password|sslpassword|client_key|access_token|token|secret|api_key|webhook_auth_header)$/i;

/**
 * The secrets in the value of an option: the password and secret parameters of
 * a URL, or else the whole text where the option is a secret one. A password
 * that is also the user, the database or the host hides nothing by being
 * hidden, and would take those out of every message.
 */
export function noteSecretsOf(text: string, isSecretOption: boolean): void {
  const match = /[a-z][a-z\d+.-]*:\/\/([\s\S]*)$/i.exec(text.trim());
  if (!match) {
    if (isSecretOption) {
      noteSecret(text);
      const keyword = /\b(?:password|pwd)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)/i;
      noteSecret(keyword.exec(text)?.[1]?.replace(/^'|'$/g, '') ?? '');
    }
    return;
  }
  const rest = match[1]!;
  // Typed without encoding a password may hold anything but the last `@`.
  const host = /^[^/?#]*/.exec(rest)![0];
  const authority =
    host.includes('@') || host.includes(':')
      ? rest.slice(0, Math.max(0, rest.lastIndexOf('@')))
      : '';
  const colon = authority.indexOf(':');
  const user = colon < 0 ? authority : authority.slice(0, colon);
  const open = new Set(
    [user, ...rest.slice(authority.length).split(/[@:/?&=#]/)].map((part) =>
      decodedText(part).toLowerCase(),
    ),
  );
  const note = (secret: string): void => {
    if (!open.has(decodedText(secret).toLowerCase())) {
      noteSecret(secret);
    }
  };
  if (colon >= 0) {
    const password = authority.slice(colon + 1);
    note(password);
    noteSecret(base64Of(`${decodedText(user)}:${decodedText(password)}`));
  }
  for (const [, name, value] of rest.matchAll(/[?&]([^=&#]+)=([^&#]*)/g)) {
    if (secretParameter.test(decodedText(name!))) {
      noteSecret(value!);
    }
  }
}

/** The text without the secrets that are known. */
export function hideKnownSecrets(text: string, shown: string): string {
  if (known.size === 0) {
    return text;
  }
  pattern ??= new RegExp(
    [...known]
      // One that contains another goes whole.
      .toSorted((a, b) => b.length - a.length)
      .map((secret) => RegExp.escape(secret))
      .join('|'),
    'g',
  );
  return text.replace(pattern, shown);
}

function formsOf(secret: string): string[] {
  const plain = decodedText(secret);
  return [...new Set([secret, plain])].flatMap((each) => {
    const encoded = encodeURIComponent(each.toWellFormed());
    return [
      each,
      encoded,
      encoded.replace(/%[\dA-F]{2}/g, (hex) => hex.toLowerCase()),
      // As URL, forms, JSON and SQL write it.
      userInfoForm(each),
      encoded.replaceAll('%20', '+'),
      JSON.stringify(each).slice(1, -1),
      each.replaceAll("'", "''"),
      each.replaceAll("'", "\\'"),
      // As a shell's word.
      each.replaceAll("'", "'\\''"),
      encoded.replaceAll("'", "'\\''"),
      base64Of(each),
      encodeURIComponent(base64Of(each)),
      Buffer.from(each).toString('base64url'),
      Buffer.from(each).toString('hex'),
    ];
  });
}

/** As the URL parser spells a password. */
function userInfoForm(text: string): string {
  const url = new URL('http://h');
  url.password = text;
  return url.password;
}

/** Without the padding, so that it is found within longer texts too. */
function base64Of(text: string): string {
  return Buffer.from(text).toString('base64').replace(/=+$/, '');
}

function decodedText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
