/**
 * `oracle://user:password@host:1521/service` with libpq's TLS parameters.
 *
 * The driver speaks TLS (TCPS) to a port or it does not, and always checks the
 * certificate's chain: what libpq does besides is refused, not imitated.
 */
import { ReplicatorError } from '../../failure/failure.ts';
import { tlsAttempts, tlsParameters } from './tls.ts';
import { parseUrlAddress, type UrlAddress } from './url.ts';

export interface OracleAddress {
  readonly host: string;
  readonly port: number;
  readonly service: string;
  readonly user: string;
  readonly password: string;
  /** Null for cleartext. */
  readonly tls: OracleTls | null;
  readonly connectTimeoutMs: number;
  readonly applicationName: string;
  /** `host:port/service`, for messages: never the user's password. */
  readonly display: string;
}

export interface OracleTls {
  /** PEM: the certificates that the server's may be issued by. */
  readonly roots: string;
  /** PEM, where the server asks for a certificate. */
  readonly identity: { readonly cert: string; readonly key: string } | null;
  /** The certificate must carry the host's name. */
  readonly matchesName: boolean;
}

const form = {
  defaultPort: 1521,
  known: [...tlsParameters, 'connect_timeout', 'application_name'],
  numbers: ['connect_timeout'],
  example: 'oracle://<user>:<password>@<host>:1521/<service>',
};

/** Goes into a connect descriptor, where parentheses and `=` are syntax. */
const plainName = /^[\w.$#-]+$/;
const plainHost = /^[\w.:%-]+$/;

/**
 * Throws E5002, E5005 or E5007: an address is checked before it is used.
 * `option` is the one that holds it, for messages.
 */
export function parseOracleAddress(
  address: string,
  option: string,
): OracleAddress {
  const url = parseUrlAddress(address, option, form);
  const { host, port, user, password, path, parameters } = url;
  const [service] = path;
  if (path.length !== 1 || service === undefined || !plainName.test(service)) {
    throw new ReplicatorError('E5002', {
      detail: `the path of ${option} is not the name of one service`,
      remedy: `write ${form.example}, as in FREEPDB1`,
    });
  }
  if (!plainHost.test(host)) {
    throw new ReplicatorError('E5002', {
      detail: `the host in ${option} is not a name or an address`,
      remedy: `write ${form.example}`,
    });
  }
  return {
    host,
    port,
    service,
    user,
    password,
    tls: tlsOf(url, option),
    connectTimeoutMs: Number(parameters.get('connect_timeout') ?? 10) * 1000,
    applicationName: parameters.get('application_name') ?? 'replicator',
    display: `${host}:${port}/${service}`,
  };
}

function tlsOf({ parameters }: UrlAddress, option: string): OracleTls | null {
  const mode = parameters.get('sslmode');
  if (mode === undefined || mode === 'disable') {
    return null;
  }
  if (mode === 'allow' || mode === 'prefer') {
    throw new ReplicatorError('E5002', {
      detail: `sslmode=${mode} of ${option} leaves open whether there is TLS, and a port of an Oracle listener speaks either TLS or cleartext`,
      remedy:
        'use sslmode=verify-full with the port of the TCPS endpoint, or sslmode=disable',
    });
  }
  const [options] = tlsAttempts(parameters, option);
  if (!options || options.rejectUnauthorized !== true) {
    throw new ReplicatorError('E5007', {
      detail: `${option}: sslmode=${mode} without a root certificate takes any certificate, which the Oracle driver does not`,
      remedy:
        'use sslmode=verify-full, or verify-ca and name the CA with sslrootcert',
    });
  }
  const ca = options.ca as string | string[];
  const cert = options.cert as string | undefined;
  const key = options.key as string | undefined;
  return {
    roots: [ca].flat().join('\n'),
    identity: cert === undefined || key === undefined ? null : { cert, key },
    matchesName: mode === 'verify-full',
  };
}
