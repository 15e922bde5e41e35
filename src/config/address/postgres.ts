/**
 * `postgresql://` addresses with libpq's meaning of the TLS parameters.
 *
 * The `pg` package reads `sslmode=require` and `prefer` as verify-full and has
 * no fallback to cleartext; libpq's documented meaning is what every other
 * tool of the operator uses, so it is what counts here, for target and staging.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import type pg from 'pg';
import { tlsAttempts, tlsParameters } from './tls.ts';
import { addressParameters, decoded, notAUrl, refuseTorn } from './url.ts';

export interface PostgresAddress {
  /** Ways to connect, in the order in which libpq tries them. */
  readonly attempts: readonly (ConnectionOptions | false)[];
  readonly config: pg.ClientConfig;
  /** `host:port/database`, for messages: never the user's password. */
  readonly display: string;
}

const knownParameters = [
  'host',
  'port',
  'user',
  'password',
  'dbname',
  ...tlsParameters,
  'application_name',
  'connect_timeout',
  'options',
  'keepalives',
  'keepalives_idle',
];

/**
 * Throws E5002, E5005 or E5007: an address is checked before it is used.
 * `option` is the one that holds it, for messages.
 */
export function parsePostgresAddress(
  address: string,
  option: '--targetConn' | '--stagingConn' | '--sourceConn',
): PostgresAddress {
  refuseTorn(address, option, example);
  const url = parseUrl(address, option);
  if (!/^postgres(?:ql)?:$/.test(url.protocol)) {
    throw notAUrl(option, example);
  }
  const parameters = addressParameters(url, option, {
    known: knownParameters,
    numbers: ['port', 'connect_timeout', 'keepalives_idle'],
  });
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
    attempts: isSocket
      ? [false]
      : tlsAttempts(parameters, option, {
          root: defaultFile('root.crt'),
          certificate: defaultFile('postgresql.crt'),
          key: defaultFile('postgresql.key'),
        }),
    config,
    display: `${host}:${port}/${database || user}`,
  };
}

const example = 'postgresql://<user>:<password>@<host>:5432/<database>';

/** Only these failures do libpq's allow and prefer answer with another way. */
export function mayWorkOtherwise(error: unknown): boolean {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return (
    (code === '28000' && severity !== undefined) || /SSL/.test(String(error))
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
    throw notAUrl(option, example);
  }
}

function defaultFile(name: string): string | undefined {
  const file = join(homedir(), '.postgresql', name);
  return existsSync(file) ? file : undefined;
}
