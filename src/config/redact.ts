/** Nothing secret leaves the process in a log, a status or an error. */
import type { OptionTable } from './option-entry.ts';

export const redacted = '***';

// A value ends at a blank, a separator or a quotation mark. An apostrophe ends
// it only where a quotation does, for percent-encoding leaves it as it is. A
// placeholder of an example (`client_key=<base64>`) is to be seen.
const secretParameters =
  /([?&;\s](?:client_key|access_token|password|passwd|token|secret|sslpassword|api_key|webhook_auth_header)=)(?!<[a-z][\w-]*>(?:[&#;\s"']|$))(?:(?!'[).]*(?:[\s,;:"\\]|$))[^&#;\s"\\]|\\.)*/gi;
const authorization = /\b(Bearer|Basic)\s+[\w.~+/=-]+/g;
// Ends where a URL ends in prose or in a JSON string, whose escapes it keeps
// whole, so that JSON text stays JSON.
const urls = /\b([a-z][a-z\d+.-]*:\/\/)((?:[^\s"`<>\\]|\\.)+)/gi;

/**
 * Hides the user-info of every URL in a text, secret query parameters and
 * authorization headers. Errs on the side of hiding: a password typed with
 * unescaped `/`, `?` or `@` goes whole, even if a harmless `@` goes with it.
 */
export function redactText(text: string): string {
  let result = text;
  if (result.includes('://')) {
    result = result.replace(
      urls,
      (_, scheme: string, rest: string) => scheme + redactAfterScheme(rest),
    );
  }
  if (result.includes('=')) {
    result = result.replace(secretParameters, `$1${redacted}`);
  }
  return result.replace(authorization, `$1 ${redacted}`);
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
  return /[:@]/.test(authority) && rest.includes('@')
    ? redacted + rest.slice(rest.lastIndexOf('@'))
    : rest;
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
