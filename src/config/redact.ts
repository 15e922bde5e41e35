/** Nothing secret leaves the process in a log, a status or an error. */
import { hideKnownSecrets } from './known-secrets.ts';
import type { OptionTable } from './option-entry.ts';

export const redacted = '***';

// A value ends at a blank, a separator or a quotation mark. An apostrophe ends
// it only where a quotation does, for percent-encoding leaves it as it is; one
// that begins it ends it. A placeholder of an example (`client_key=<base64>`)
// is to be seen.
const secretParameters =
  /((?<![a-z\d])(?:client_key|access_token|(?:ssl|key)?password|passwd|pwd|passphrase|token|(?:client_)?secret|api_?key|webhook_auth_header)(?:=|\s+=\s+))(?!<[a-z][\w-]*>(?:[&#;\s"']|$))(?:'(?:[^'\\]|\\.|'')*(?:'|$)|(?:(?!'[).]*(?:[\s,;:"\\]|$))[^&#;\s"\\]|\\.)*)/gi;
// The same as JSON, YAML and headers have them.
const secretFields =
  /((?<![a-z\d])["']?(?:client_key|access_token|(?:ssl|key)?password|passwd|passphrase|client_secret|api_?key|webhook_auth_header|authorization|proxy-authorization|private_key)["']?\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)/gi;
const authorization = /\b(Bearer|Basic|Negotiate)\s+[\w.~+/=-]+/g;
// Also with its line ends escaped, and cut off anywhere. Base64 of the same
// begins with the same letters; a certificate in that form goes with it.
const privateKeys =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const encodedPem = /LS0tLS1CRUdJTi[\w+/%=-]*/g;
const tokens = /\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?/g;
// Ends where a URL ends in prose or in a JSON string, whose escapes it keeps
// whole, so that JSON text stays JSON.
const urls = /\b([a-z][a-z\d+.-]*:\/\/)((?:[^\s"`<>\\]|\\.)+)/gi;

/**
 * Hides the user-info of every URL in a text, secret query parameters and
 * authorization headers. Errs on the side of hiding: a password typed with
 * unescaped `/`, `?` or `@` goes whole, even if a harmless `@` goes with it.
 */
export function redactText(text: string): string {
  let result = hideKnownSecrets(text, redacted);
  if (result.includes('://')) {
    result = result.replace(
      urls,
      (_, scheme: string, rest: string) => scheme + redactAfterScheme(rest),
    );
  }
  if (result.includes('=')) {
    result = result.replace(secretParameters, `$1${redacted}`);
  }
  if (result.includes(':')) {
    result = result.replace(secretFields, redactField);
  }
  return result
    .replace(authorization, `$1 ${redacted}`)
    .replace(privateKeys, redacted)
    .replace(encodedPem, redacted)
    .replace(tokens, redacted);
}

/** Keeps the quotes, so that JSON stays JSON. */
function redactField(found: string, head: string): string {
  const quote = /^["']/.exec(found.slice(head.length))?.[0] ?? '';
  return `${head}${quote}${redacted}${quote}`;
}

/** Options and fields whose value is secret whatever it looks like. */
export const secretNames =
  /(?:conn|password|passwd|passphrase|secret|authorization|access_?token|client_?key|webhook_auth_header|api_?key)$/i;

/**
 * A text by itself, not within quotes: written as JSON its own quotation marks
 * are no end of anything, so that a URL with one in its password goes whole.
 */
function redactWhole(text: string): string {
  const hidden = hideKnownSecrets(text, redacted);
  try {
    return JSON.parse(redactText(JSON.stringify(hidden))) as string;
  } catch {
    return redactText(hidden);
  }
}

/** Every text in a value that is about to be printed as JSON. */
export function redactDeep(value: unknown, name = ''): unknown {
  if (typeof value === 'string') {
    return secretNames.test(name)
      ? redactSecretOption(value)
      : redactWhole(value);
  }
  if (Array.isArray(value)) {
    return value.map((each) => redactDeep(each, name));
  }
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(
        Object.entries(value).map(([key, each]) => [
          redactText(key),
          redactDeep(each, key),
        ]),
      )
    : value;
}

/** One URL or connection string, with `password=…` of the keyword form too. */
export function redactUrl(url: string): string {
  // Alone it needs no end to be found: even blanks and quotes belong to it.
  const match = /^([a-z][a-z\d+.-]*:\/\/)([\s\S]*)$/i.exec(url.trim());
  return match
    ? redactText(match[1]! + redactAfterScheme(match[2]!))
    : redactText(` ${url}`).slice(1);
}

/**
 * Where a password may hold anything, only the last `@` surely ends it. A
 * host without port or user-info cannot be half of one.
 */
function redactAfterScheme(rest: string): string {
  const authority = /^[^/?#]*/.exec(rest)![0];
  if (/[:@]/.test(authority) && rest.includes('@')) {
    return redacted + rest.slice(rest.lastIndexOf('@'));
  }
  // Cut off before its `@`: what stands where a port would be is none.
  const port = authority.replace(/^\[[^\]]*\]/, '');
  return /:(?!\d{0,5}(?:[^\w%]|$)|port\b)/.test(port) ? redacted : rest;
}

/** Values for the log and /_/diag: secret ones without what is secret. */
export function redactConfig(
  values: Readonly<Record<string, unknown>>,
  table: OptionTable,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value !== 'string'
        ? value
        : table[name]?.secret
          ? redactSecretOption(value)
          : redactUrl(value),
    ]),
  );
}

/** A connection string keeps its host; what is not one is hidden whole. */
function redactSecretOption(value: string): string {
  if (value === '') {
    return '';
  }
  return /^[a-z][a-z\d+.-]*:\/\//i.test(value) ? redactUrl(value) : redacted;
}
