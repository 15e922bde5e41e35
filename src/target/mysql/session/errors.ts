/**
 * What the error numbers of MySQL and MariaDB and the socket's errors mean for
 * us. Data; test/target/mysql/session/errors.mysql.test.ts provokes them.
 */
import { isCertificateRefusal } from '../../../config/address/tls.ts';
import type { ErrorCode } from '../../../failure/codes.ts';
import { ReplicatorError, isAbort } from '../../../failure/failure.ts';
import { shownMessage } from '../../../failure/shown-message.ts';
import { describe, type ServerError } from './server-message.ts';

export const errorNumbers: Readonly<Record<number, ErrorCode>> = {
  // Somebody else was in the way.
  1213: 'E4003', // deadlock
  1205: 'E4003', // lock wait timeout
  1317: 'E4003', // query interrupted: KILL QUERY, ours or by hand
  3024: 'E4003', // MySQL: max_execution_time
  1969: 'E4003', // MariaDB: max_statement_time
  1020: 'E4003', // MariaDB: the record has changed since last read
  3572: 'E4003', // lock not available (nowait)
  // The server or the way to it.
  1053: 'E4002', // server shutdown in progress
  1927: 'E4002', // MariaDB: connection was killed
  4031: 'E4002', // MySQL: disconnected because of inactivity
  3169: 'E4002', // MySQL: session was killed
  1152: 'E4002', // aborted connection
  1158: 'E4002', // error reading communication packets
  1159: 'E4002', // timeout reading communication packets
  1160: 'E4002', // error writing communication packets
  1161: 'E4002', // timeout writing communication packets
  4061: 'E4002', // MySQL: the session was ended
  // Rows.
  1216: 'E4004', // no parent, told without names
  1217: 'E4004', // has children, told without names
  1451: 'E4004', // has children
  1452: 'E4004', // no parent
  3008: 'E4004', // MySQL: a cascade goes too deep
  6575: 'E4004', // MySQL 9.6: a cascade meets too many tables, or itself for ever
  1062: 'E4013', // duplicate key
  1022: 'E4013', // duplicate key, of some engines
  1586: 'E4013', // duplicate key, with its name
  1761: 'E4013', // a cascade meets a duplicate key
  1762: 'E4013', // the same, told without names
  1048: 'E4005', // column cannot be null
  1263: 'E4005', // null to a column that cannot, from a file
  1364: 'E4005', // no default
  3819: 'E4005', // MySQL: check
  4025: 'E4005', // MariaDB: check
  1644: 'E4005', // signal in a trigger
  1369: 'E4005', // with check option
  3105: 'E4011', // MySQL: value for a generated column: became one since we looked
  1906: 'E4011', // MariaDB: the same
  1748: 'E4005', // no partition for the row
  1526: 'E4005', // no partition for the value
  1264: 'E4006', // out of range
  1265: 'E4006', // data truncated
  1292: 'E4006', // incorrect value
  1366: 'E4006', // incorrect value of a type
  1367: 'E4006', // illegal value
  1406: 'E4006', // too long
  1267: 'E4006', // compared with a key that its character set cannot hold
  1300: 'E4006', // not in the character set
  1977: 'E4006', // MariaDB: cannot be converted to the character set
  3988: 'E4006', // MySQL: cannot be converted to the character set
  1411: 'E4006', // incorrect value of a function
  1416: 'E4006', // not a geometry
  1690: 'E4006', // number out of range
  1301: 'E4006', // larger than max_allowed_packet
  1153: 'E4006', // packet larger than max_allowed_packet
  1118: 'E4006', // row too large
  3140: 'E4006', // MySQL: not JSON
  3141: 'E4006', // MySQL: not JSON, in a function
  3157: 'E4006', // MySQL: JSON of more than a hundred levels
  3037: 'E4006', // MySQL: not a geometry
  3055: 'E4006', // MySQL: geometry of another byte order
  3548: 'E4006', // MySQL: no such reference system
  3616: 'E4006', // MySQL: longitude out of range
  3617: 'E4006', // MySQL: latitude out of range
  3643: 'E4006', // MySQL: the column has another reference system
  3854: 'E4006', // MySQL: geometry of another kind
  4078: 'E4006', // MariaDB: cannot be cast to the type
  4079: 'E4006', // MariaDB: illegal parameter type
  // Rights.
  1142: 'E4007', // on the table
  1143: 'E4007', // on the column
  1044: 'E4007', // on the database
  1227: 'E4007', // another privilege
  1370: 'E4007', // on a routine
  1045: 'E4015', // wrong password
  1049: 'E4015', // no such database
  1130: 'E4015', // not from this host
  1698: 'E4015', // MariaDB: not by password
  1820: 'E4015', // the password must be changed first
  1862: 'E4015', // the password has expired
  3118: 'E4015', // MySQL: account locked
  4151: 'E4015', // MariaDB: account locked
  3159: 'E4015', // MySQL: wants TLS
  1251: 'E4015', // wants another login than the client knows
  1524: 'E4015', // a plugin is not loaded
  // Room.
  1040: 'E4010', // too many connections
  1203: 'E4010', // too many connections of the user
  1226: 'E4010', // a limit of the user
  1290: 'E4010', // read_only
  1836: 'E4010', // read_only
  1792: 'E4010', // a read-only transaction
  1021: 'E4010', // disk full
  1114: 'E4010', // table or tablespace full
  1037: 'E4010', // out of memory
  1038: 'E4010', // out of sort memory
  1041: 'E4010', // out of resources
  1135: 'E4010', // cannot create a thread
  1206: 'E4010', // too many locks
  1197: 'E4010', // larger than max_binlog_cache_size
  1461: 'E4010', // max_prepared_stmt_count
  1129: 'E4010', // host blocked after many errors
  // The catalog is not what it was when the statement was written.
  1146: 'E4011', // no such table
  1054: 'E4011', // no such column
  1136: 'E4011', // another number of columns
  1412: 'E4011', // the table has changed
  1615: 'E4011', // prepared statement needs to be prepared again
  1347: 'E4011', // became a view
  1091: 'E4011', // no such key
  1932: 'E4011', // no such table in the engine
};

const socketErrors: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'E4001',
  ENOTFOUND: 'E4001',
  EAI_AGAIN: 'E4001',
  EHOSTUNREACH: 'E4001',
  ENETUNREACH: 'E4001',
  ETIMEDOUT: 'E4001',
  EACCES: 'E4001',
  ECONNRESET: 'E4002',
  EPIPE: 'E4002',
  PROTOCOL_CONNECTION_LOST: 'E4002',
};

/** Which step failed: the same broken socket is a dial that failed or a loss. */
export type Phase = 'connect' | 'statement' | 'commit';

/** The failure in our words, without row data (server-message.ts). */
export function targetFailure(
  error: unknown,
  phase: Phase,
  /** `host:port/database`, where it was being dialled. */
  place?: string,
): Error {
  if (
    error instanceof ReplicatorError ||
    (error instanceof Error && isAbort(error))
  ) {
    return error;
  }
  if (!(error instanceof Error)) {
    return new ReplicatorError('E4008', {
      detail: 'the target failed without an error',
    });
  }
  if (isServerError(error)) {
    return serverFailure(error);
  }
  const code = (error as Error & { code?: string }).code;
  if (phase === 'connect') {
    return connectFailure(error, code, place);
  }
  if (isConnectionLoss(error, code)) {
    return new ReplicatorError('E4002', {
      detail: `the connection to the target was lost ${phase === 'commit' ? 'during commit' : 'in a transaction'}`,
    });
  }
  return new ReplicatorError('E4008', {
    detail: `the driver failed (${code ?? error.name}: ${shownMessage(error)})`,
    cause: error,
  });
}

/** Also for a warning: LOAD DATA LOCAL makes warnings of errors. */
export function serverFailure(error: ServerError): ReplicatorError {
  const code = errorNumberCode(error.errno);
  return new ReplicatorError(code, { detail: describe(error, code) });
}

/** Numbers below 1000 are of the server's files and memory. */
function errorNumberCode(errno: number): ErrorCode {
  return errorNumbers[errno] ?? (errno < 1000 ? 'E4010' : 'E4008');
}

export function isServerError(error: unknown): error is Error & ServerError {
  const { errno, sqlState } = (error ?? {}) as {
    errno?: unknown;
    sqlState?: unknown;
  };
  return (
    error instanceof Error &&
    typeof errno === 'number' &&
    errno > 0 &&
    typeof sqlState === 'string'
  );
}

/** Only these failures do libpq's allow and prefer answer with another way. */
export function mayWorkOtherwise(error: unknown, wasTls: boolean): boolean {
  const { code } = error as { code?: unknown };
  return wasTls
    ? code === 'HANDSHAKE_NO_SSL_SUPPORT' || code === 'HANDSHAKE_SSL_ERROR'
    : // An account that wants TLS is refused like one with a wrong password.
      isServerError(error) && [1045, 3159].includes(error.errno);
}

function connectFailure(
  error: Error,
  code: string | undefined,
  place: string | undefined,
): ReplicatorError {
  const target = place === undefined ? 'the target' : `the target ${place}`;
  if (code === 'HANDSHAKE_NO_SSL_SUPPORT') {
    return new ReplicatorError('E4001', {
      detail: `${target} has no TLS, which the sslmode in its address asks for`,
      remedy:
        'turn TLS on at the server, or accept cleartext with sslmode=prefer',
    });
  }
  // mysql2 puts a code of its own over Node's.
  const isRefused =
    code === 'HANDSHAKE_SSL_ERROR' &&
    /certificate|altnames/i.test(error.message);
  if (isRefused || isCertificateRefusal(error)) {
    return new ReplicatorError('E4015', {
      detail: `the certificate of the target is not accepted (${error.message.replace(/[:.](?: |$)[\s\S]*/, '')})`,
      remedy:
        'name its CA with sslrootcert in the address, or correct the host name',
    });
  }
  if (/auth|plugin|password/i.test(error.message)) {
    return new ReplicatorError('E4015', {
      detail: 'the target asks for a login that the driver does not know',
    });
  }
  return new ReplicatorError(socketErrors[code ?? ''] ?? 'E4001', {
    detail: `${target} cannot be reached (${code ?? error.message})`,
  });
}

function isConnectionLoss(error: Error, code: string | undefined): boolean {
  return (
    (error as { fatal?: boolean }).fatal === true ||
    (code !== undefined &&
      (code in socketErrors || /^ERR_(STREAM|SSL|SOCKET)/.test(code))) ||
    /closed state|connection/i.test(error.message)
  );
}
