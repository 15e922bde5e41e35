/** Opens a connection: TLS as libpq means it, and the login. */
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { Connection } from 'tedious';
import type { SqlServerAddress } from '../../../config/address/sqlserver.ts';
import { logInAsReplicationAgent } from './replication-login.ts';
import type { ServerError } from './server-message.ts';
import type { SessionOptions } from './session.ts';

/** Where the address says connect_timeout=0. */
const defaultDialLimitMs = 15_000;
/** A login takes several round trips; a busy machine needs that. */
const shortestDialLimitMs = 1_000;
/** How long a cancelled statement may take to end before the socket is cut. */
const cancelGraceMs = 5_000;
/** Large parameters in few packets; TLS records hold no more. */
const packetBytes = 16_384;

export interface Attempt {
  readonly tls: ConnectionOptions | false;
  readonly options: SessionOptions;
  readonly signal: AbortSignal | undefined;
}

export async function connect(
  address: SqlServerAddress,
  { tls, options, signal }: Attempt,
): Promise<Connection> {
  const connection = new Connection(configOf(address, tls, options));
  if (address.replication) {
    logInAsReplicationAgent(connection);
  }
  let refusal: Error | null = null;
  connection.on('errorMessage', (message: ServerError) => {
    refusal ??= asError(message);
  });
  connection.on('error', () => {});
  connection.on('secure', (socket: unknown) => {
    const problem = tls && chainProblem(tls, socket as TLSSocket);
    if (problem) {
      // Before the login is sent, so that nobody hears the password.
      refusal = problem;
      connection.close();
    }
  });
  const onAbort = (): void => connection.close();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      connection.connect((error) => {
        if (error) {
          reject(refusal ?? error);
        } else {
          resolve();
        }
      });
    });
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function configOf(
  address: SqlServerAddress,
  tls: ConnectionOptions | false,
  { applyTimeoutMs }: SessionOptions,
): ConstructorParameters<typeof Connection>[0] {
  const longestMs = address.connectTimeoutMs || defaultDialLimitMs;
  return {
    server: address.host,
    authentication: {
      type: 'default',
      options: { userName: address.user, password: address.password },
    },
    options: {
      port: address.port,
      database: address.database,
      appName: address.applicationName,
      encrypt: tls !== false,
      trustServerCertificate: tls === false || !verifiesHost(tls),
      ...(tls && {
        cryptoCredentialsDetails: {
          ...(tls.ca !== undefined && { ca: tls.ca }),
          ...(tls.cert !== undefined && { cert: tls.cert }),
          ...(tls.key !== undefined && { key: tls.key }),
        },
      }),
      connectTimeout:
        applyTimeoutMs === 0
          ? longestMs
          : Math.min(longestMs, Math.max(applyTimeoutMs, shortestDialLimitMs)),
      cancelTimeout: cancelGraceMs,
      requestTimeout: applyTimeoutMs,
      packetSize: packetBytes,
      maxRetriesOnTransientErrors: 0,
      useColumnNames: true,
      enableArithAbort: true,
    },
  };
}

function verifiesHost(tls: ConnectionOptions): boolean {
  return (
    tls.rejectUnauthorized === true && tls.checkServerIdentity === undefined
  );
}

/** tedious verifies chain and name, or nothing: the chain alone is our matter. */
function chainProblem(tls: ConnectionOptions, socket: TLSSocket): Error | null {
  const code = socket.authorizationError as unknown as
    | string
    | Error
    | undefined;
  if (!tls.rejectUnauthorized || verifiesHost(tls) || !code) {
    return null;
  }
  const text =
    code instanceof Error ? (code as NodeJS.ErrnoException).code : code;
  return text === 'ERR_TLS_CERT_ALTNAME_INVALID'
    ? null
    : Object.assign(new Error('the certificate is not accepted'), {
        code: text,
      });
}

/** Only these failures do libpq's allow and prefer answer with another way. */
export function mayWorkOtherwise(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return (
    code === 'EENCRYPT' ||
    (cause instanceof Error && /SSL|TLS/.test(cause.message))
  );
}

/** A message of the server, as the error that it is. */
export function asError(message: ServerError): Error & ServerError {
  return Object.assign(new Error(message.message), {
    number: message.number,
    ...(message.class !== undefined && { class: message.class }),
    ...(message.procName !== undefined && { procName: message.procName }),
  });
}
