/**
 * `sqlserver://` and `mssql://` addresses, with libpq's meaning of the TLS
 * parameters.
 */
import type { ConnectionOptions } from 'node:tls';
import { ReplicatorError } from '../../failure/failure.ts';
import { tlsAttempts, tlsParameters } from './tls.ts';
import { parseUrlAddress } from './url.ts';

export interface SqlServerAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Ways to connect, in the order in which libpq tries them. */
  readonly attempts: readonly (ConnectionOptions | false)[];
  readonly applicationName: string;
  /** 0 = the driver's own limit. */
  readonly connectTimeoutMs: number;
  /**
   * Log in as a replication agent does, so that what is marked NOT FOR
   * REPLICATION holds still.
   */
  readonly replication: boolean;
  /**
   * Babelfish may be written to, although it changes texts: for tests of what
   * it can show.
   */
  readonly allowsBabelfish: boolean;
  /** `host:port/database`, for messages: never the user's password. */
  readonly display: string;
}

const example = 'sqlserver://<user>:<password>@<host>:1433/<database>';

/**
 * Throws E5002, E5005 or E5007: an address is checked before it is used.
 * `option` is the one that holds it, for messages.
 */
export function parseSqlServerAddress(
  address: string,
  option: '--targetConn',
): SqlServerAddress {
  const { host, port, user, password, path, parameters } = parseUrlAddress(
    address,
    option,
    {
      defaultPort: 1433,
      known: [
        ...tlsParameters,
        'application_name',
        'connect_timeout',
        'replication',
        'babelfish',
      ],
      numbers: ['connect_timeout'],
      example,
    },
  );
  const [database, ...rest] = path;
  if (database === undefined || rest.length > 0) {
    throw new ReplicatorError('E5002', {
      detail: `${option} must name one database`,
      remedy: `write ${example}`,
    });
  }
  return {
    host,
    port,
    user,
    password,
    database,
    attempts: tlsAttempts(parameters, option),
    applicationName: parameters.get('application_name') ?? 'replicator',
    connectTimeoutMs: Number(parameters.get('connect_timeout') ?? 10) * 1000,
    replication: switchOf('replication', parameters, {
      option,
      otherwise: true,
    }),
    allowsBabelfish: switchOf('babelfish', parameters, {
      option,
      otherwise: false,
    }),
    display: `${host}:${port}/${database}`,
  };
}

function switchOf(
  name: string,
  parameters: ReadonlyMap<string, string>,
  {
    option,
    otherwise,
  }: { readonly option: string; readonly otherwise: boolean },
): boolean {
  const text = parameters.get(name) ?? String(otherwise);
  if (text !== 'true' && text !== 'false') {
    throw new ReplicatorError('E5002', {
      detail: `the parameter "${name}" of ${option} is neither true nor false`,
      remedy: `leave it out, which means ${String(otherwise)}`,
    });
  }
  return text === 'true';
}
