/** `mysql://` and `mariadb://` addresses, with libpq's TLS parameters. */
import type { ConnectionOptions } from 'node:tls';
import { ReplicatorError } from '../../failure/failure.ts';
import { tlsAttempts, tlsParameters } from './tls.ts';
import { parseUrlAddress } from './url.ts';

export interface MysqlAddress {
  /** Ways to connect, in the order in which libpq would try them. */
  readonly attempts: readonly (ConnectionOptions | false)[];
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly connectTimeoutMs: number;
  /** `host:port/database`, for messages: never the user's password. */
  readonly display: string;
}

const example = 'mysql://<user>:<password>@<host>:3306/<database>';

/** Throws E5002, E5005 or E5007. `option` is the one that holds the address. */
export function parseMysqlAddress(
  address: string,
  option: string,
): MysqlAddress {
  const { host, port, user, password, path, parameters } = parseUrlAddress(
    address,
    option,
    {
      defaultPort: 3306,
      known: [...tlsParameters, 'connect_timeout'],
      numbers: ['connect_timeout'],
      example,
    },
  );
  const [database, ...rest] = path;
  if (database === undefined || rest.length > 0) {
    throw new ReplicatorError('E5002', {
      detail: `${option} does not name one database`,
      remedy: `write ${example}`,
    });
  }
  return {
    attempts: tlsAttempts(parameters, option),
    host,
    port,
    user,
    password,
    database,
    // As in libpq, 0 is the longest time there is.
    connectTimeoutMs:
      Number(parameters.get('connect_timeout') ?? 10) * 1000 || 10_000,
    display: `${host}:${port}/${database}`,
  };
}
