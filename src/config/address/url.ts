/** What the addresses of all engines have in common: they are URLs. */
import { ReplicatorError } from '../../failure/failure.ts';

/** `scheme://user:password@host:port/path?parameters`, decoded. */
export interface UrlAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Path segments; empty ones left out. */
  readonly path: readonly string[];
  readonly parameters: ReadonlyMap<string, string>;
}

export interface UrlForm {
  readonly defaultPort: number;
  /** Every parameter that the address may have. */
  readonly known: readonly string[];
  /** Those of them that are digits. */
  readonly numbers: readonly string[];
  /** For the remedy: `mysql://<user>:<password>@<host>:3306/<database>`. */
  readonly example: string;
}

/** Throws E5002. `option` is the one that holds the address, for messages. */
export function parseUrlAddress(
  address: string,
  option: string,
  form: UrlForm,
): UrlAddress {
  refuseTorn(address, option, form.example);
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw notAUrl(option, form.example);
  }
  if (url.hostname === '') {
    throw notAUrl(option, form.example);
  }
  return {
    host: decoded(url.hostname.replace(/^\[(.+)\]$/, '$1')),
    port: url.port === '' ? form.defaultPort : Number(url.port),
    user: decoded(url.username),
    password: decoded(url.password),
    path: url.pathname
      .split('/')
      .filter((segment) => segment !== '')
      .map(decoded),
    parameters: addressParameters(url, option, form),
  };
}

/**
 * A password with a bare `/`, `?` or `#` ends the authority too early: the rest
 * of it would be taken for a path or a parameter, and be shown as such. Throws
 * E5002 for a bare `@` behind the authority, which tells of that, and for `#`.
 */
export function refuseTorn(
  address: string,
  option: string,
  example: string,
): void {
  const authority = /^\s*[\w.+-]+:(?:\/\/[^/?#]*)?/.exec(address)?.[0] ?? '';
  const behind = address.slice(authority.length);
  if (/[@#]/.test(behind)) {
    throw new ReplicatorError('E5002', {
      detail: `${option} has a character that ends its user and password too early`,
      remedy: `write ${example}, and in it %2F for /, %3F for ?, %23 for # and %40 for @`,
    });
  }
}

export function notAUrl(option: string, example: string): ReplicatorError {
  return new ReplicatorError('E5002', {
    detail: `${option} is not a URL`,
    remedy: `write ${example}, special characters percent-encoded`,
  });
}

/** Throws E5002 for a parameter that is not known, or is no number. */
export function addressParameters(
  url: URL,
  option: string,
  { known, numbers }: Pick<UrlForm, 'known' | 'numbers'>,
): ReadonlyMap<string, string> {
  const parameters = new Map(url.searchParams);
  // The rest of a password with a bare `?` or `&` looks like a name too.
  const mayBeSecret = url.search.includes('@') || parameters.has('password');
  for (const [name, value] of parameters) {
    if (!known.includes(name)) {
      throw new ReplicatorError('E5002', {
        detail: `${option} has an unknown parameter${mayBeSecret ? '' : ` "${name}"`}`,
        remedy: `use ${known.join(', ')}; in a user or password write %3F for ? and %26 for &`,
      });
    }
    if (numbers.includes(name) && !/^\d{1,5}$/.test(value)) {
      throw new ReplicatorError('E5002', {
        detail: `the parameter "${name}" of ${option} is not a number`,
        remedy: 'write digits only',
      });
    }
  }
  return parameters;
}

/** A malformed percent-encoding stays as it is. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
