/**
 * `postgresql://` addresses with libpq's meaning of the TLS parameters.
 *
 * The `pg` package reads `sslmode=require` and `prefer` as verify-full and has
 * no fallback to cleartext; libpq's documented meaning is what every other
 * tool of the operator uses, so it is what counts here, for target and staging.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, getCACertificates } from 'node:tls';
import type pg from 'pg';
import { ReplicatorError } from '../failure/failure.ts';

export interface PostgresAddress {
  /** Ways to connect, in the order in which libpq tries them. */
  readonly attempts: readonly (ConnectionOptions | false)[];
  readonly config: pg.ClientConfig;
  /** `host:port/database`, for messages: never the user's password. */
  readonly display: string;
}

const sslModes = [
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
] as const;
type SslMode = (typeof sslModes)[number];

const knownParameters = new Set([
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'application_name',
  'connect_timeout',
  'options',
  'keepalives',
  'keepalives_idle',
]);

/**
 * Throws E5002, E5005 or E5007: an address is checked before it is used.
 * `option` is the one that holds it, for messages.
 */
export function parsePostgresAddress(
  address: string,
  option: '--targetConn' | '--stagingConn',
): PostgresAddress {
  const url = parseUrl(address, option);
  const parameters = readParameters(url, option);
  const text = (name: string): string | undefined => parameters.get(name);
  const host = decoded(
    text('host') ?? (url.hostname.replace(/^\[(.+)\]$/, '$1') || 'localhost'),
  );
  const port = Number(text('port') ?? (url.port || '5432'));
  const user = text('user') ?? decoded(url.username);
  const password = text('password') ?? decoded(url.password);
  const database = text('dbname') ?? decoded(url.pathname.slice(1));
  const isSocket = host.startsWith('/');
  const config: pg.ClientConfig = {
    host,
    port,
    ...(user && { user }),
    // An empty password, not undefined, which would make pg look for ~/.pgpass.
    password: password || process.env['PGPASSWORD'] || '',
    ...(database && { database }),
    application_name: text('application_name') ?? 'replicator',
    connectionTimeoutMillis: Number(text('connect_timeout') ?? 10) * 1000,
    keepAlive: text('keepalives') !== '0',
    keepAliveInitialDelayMillis: Number(text('keepalives_idle') ?? 10) * 1000,
    ...(text('options') !== undefined && { options: text('options')! }),
  };
  return {
    attempts: isSocket ? [false] : tlsAttempts(parameters, option),
    config,
    display: `${host}:${port}/${database || user}`,
  };
}

/** Only these failures do libpq's allow and prefer answer with another way. */
export function mayWorkOtherwise(error: unknown): boolean {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return (
    (code === '28000' && severity !== undefined) || /SSL/.test(String(error))
  );
}

/** Node's verdict on the certificate of the server. */
export function isCertificateRefusal(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return (
    typeof code === 'string' &&
    /^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME)/.test(code)
  );
}

function parseUrl(address: string, option: string): URL {
  try {
    // `postgresql:///db?host=/run/postgresql` and friends have no host.
    return new URL(
      address.replace(
        /^(postgres(?:ql)?:\/\/(?:[^@/]*@)?)(?=\/|\?|$)/,
        '$1localhost',
      ),
    );
  } catch {
    throw new ReplicatorError('E5002', {
      detail: `${option} is not a URL`,
      remedy:
        'write postgresql://<user>:<password>@<host>:5432/<database>, special characters percent-encoded',
    });
  }
}

function readParameters(url: URL, option: string): ReadonlyMap<string, string> {
  const parameters = new Map(url.searchParams);
  for (const name of parameters.keys()) {
    if (!knownParameters.has(name)) {
      throw new ReplicatorError('E5002', {
        detail: `${option} has an unknown parameter "${name}"`,
        remedy: `use ${[...knownParameters].join(', ')}`,
      });
    }
  }
  for (const name of ['port', 'connect_timeout', 'keepalives_idle']) {
    const value = parameters.get(name);
    if (value !== undefined && !/^\d{1,5}$/.test(value)) {
      throw new ReplicatorError('E5002', {
        detail: `the parameter "${name}" of ${option} is not a number`,
        remedy: 'write digits only',
      });
    }
  }
  return parameters;
}

function tlsAttempts(
  parameters: ReadonlyMap<string, string>,
  option: string,
): (ConnectionOptions | false)[] {
  const mode = (parameters.get('sslmode') ?? 'prefer') as SslMode;
  switch (mode) {
    case 'disable':
      return [false];
    case 'allow':
      return [false, tlsOptions(mode, parameters, option)];
    case 'prefer':
      return [tlsOptions(mode, parameters, option), false];
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return [tlsOptions(mode, parameters, option)];
    default:
      throw new ReplicatorError('E5002', {
        detail: `sslmode "${String(mode)}" of ${option} is not known`,
        remedy: `use one of ${sslModes.join(', ')}`,
      });
  }
}

function tlsOptions(
  mode: SslMode,
  parameters: ReadonlyMap<string, string>,
  option: string,
): ConnectionOptions {
  const rootFile = parameters.get('sslrootcert') ?? defaultFile('root.crt');
  const certificateFile =
    parameters.get('sslcert') ?? defaultFile('postgresql.crt');
  const keyFile = parameters.get('sslkey') ?? defaultFile('postgresql.key');
  // libpq: with a root certificate, `require` verifies the chain too.
  const verifiesChain =
    mode === 'verify-full' ||
    mode === 'verify-ca' ||
    (mode === 'require' && rootFile !== undefined);
  if (
    verifiesChain &&
    mode !== 'verify-full' &&
    (rootFile === undefined || rootFile === 'system')
  ) {
    throw new ReplicatorError('E5007', {
      detail: `${option}: sslmode=${mode} without a root certificate of one's own trusts every holder of a public certificate`,
      remedy: 'use sslmode=verify-full, or name the CA with sslrootcert',
    });
  }
  return {
    rejectUnauthorized: verifiesChain,
    ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
    ...(verifiesChain && { ca: trustedRoots(rootFile, option) }),
    ...(certificateFile &&
      keyFile && {
        cert: readPem(certificateFile, option),
        key: readPem(keyFile, option),
      }),
  };
}

/** Without a file, what Node and the operating system trust. */
function trustedRoots(
  rootFile: string | undefined,
  option: string,
): string | string[] {
  return rootFile === undefined || rootFile === 'system'
    ? [...getCACertificates('default'), ...getCACertificates('system')]
    : readPem(rootFile, option);
}

function defaultFile(name: string): string | undefined {
  const file = join(homedir(), '.postgresql', name);
  return existsSync(file) ? file : undefined;
}

function readPem(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ReplicatorError('E5005', {
      detail: `${option} names the certificate file ${file}, which cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      cause,
    });
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
