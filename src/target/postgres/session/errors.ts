/**
 * What PostgreSQL's SQLSTATEs and the socket's errors mean for us. Data; each
 * line is provoked on a real server in test/target/postgres/session/errors.pg.test.ts.
 */
import { isCertificateRefusal } from '../../../config/address/tls.ts';
import type { ErrorCode } from '../../../failure/codes.ts';
import { ReplicatorError, isAbort } from '../../../failure/failure.ts';
import {
  describeAnswer,
  type ServerError,
} from '../../../failure/postgres-message.ts';
import { shownMessage } from '../../../failure/shown-message.ts';

/** Whole codes first, then classes (two characters). */
export const sqlStates: Readonly<Record<string, ErrorCode>> = {
  // Somebody else was in the way; the transaction is gone, not the connection.
  '40001': 'E4003', // serialization_failure
  '40P01': 'E4003', // deadlock_detected
  '40002': 'E4005', // transaction_integrity_constraint_violation
  '40003': 'E4002', // statement_completion_unknown
  '55P03': 'E4003', // lock_not_available (lock_timeout)
  '55006': 'E4003', // object_in_use
  '57014': 'E4003', // query_canceled (statement_timeout, or by hand)
  '25P03': 'E4003', // idle_in_transaction_session_timeout
  '25P04': 'E4003', // transaction_timeout
  // The server or the way to it.
  '57P01': 'E4002', // admin_shutdown, pg_terminate_backend
  '57P02': 'E4002', // crash_shutdown
  '57P03': 'E4001', // cannot_connect_now: starting, recovering, stopping
  '57P05': 'E4002', // idle_session_timeout
  '08': 'E4002',
  '08001': 'E4001', // unable to establish
  '08004': 'E4001', // server rejected the connection
  // Rows.
  '23503': 'E4004', // foreign_key_violation
  '23001': 'E4004', // restrict_violation
  '23505': 'E4013', // unique_violation
  // Two source keys are one key here (1.0 and 1.00, a collation, citext).
  '21000': 'E4013', // cardinality_violation
  '23': 'E4005', // not_null, check, exclusion
  '44000': 'E4005', // with_check_option_violation
  P0001: 'E4005', // raise exception in a trigger
  '22': 'E4006', // data exceptions
  '54000': 'E4006', // program_limit_exceeded: index row size, too big a value
  '428C9': 'E4011', // generated_always: became so since we looked
  // Rights.
  '42501': 'E4007',
  '28': 'E4015',
  '3D000': 'E4015', // no such database
  '3F000': 'E4011', // no such schema
  // Room.
  '53': 'E4010', // insufficient resources: disk, memory, connections
  '25006': 'E4010', // read_only_sql_transaction
  '58030': 'E4010', // io_error
  // The catalog is not what it was when the statement was written.
  '42P01': 'E4011', // undefined_table
  '42P10': 'E4011', // no unique constraint matches ON CONFLICT
  '42703': 'E4011', // undefined_column
  '42704': 'E4011', // undefined_object: a type
  '42804': 'E4011', // datatype_mismatch
  '42883': 'E4011', // undefined_function: the key's operator
  '42809': 'E4011', // wrong_object_type: became a view
  '55000': 'E4011', // object_not_in_prerequisite_state: the same on some
  '0A000': 'E4011', // cached plan must not change result type
};

const socketErrors: Readonly<Record<string, ErrorCode>> = {
  ECONNREFUSED: 'E4001',
  ENOTFOUND: 'E4001',
  EAI_AGAIN: 'E4001',
  EHOSTUNREACH: 'E4001',
  ENETUNREACH: 'E4001',
  ETIMEDOUT: 'E4001',
  ENOENT: 'E4001', // of a unix socket
  EACCES: 'E4001',
  ECONNRESET: 'E4002',
  EPIPE: 'E4002',
};

/** Which step failed: the same broken socket is a dial that failed or a loss. */
export type Phase = 'connect' | 'statement' | 'commit';

/** The failure in our words, without row data (postgres-message.ts). */
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
  const code = (error as Error & { code?: string }).code;
  if (isServerError(error)) {
    if (isCascadeRefusal(error)) {
      return cascadeFailure(error);
    }
    const serverCode = isGeometryRefusal(error)
      ? 'E4006'
      : sqlStateCode(error.code);
    return new ReplicatorError(serverCode, {
      detail: describeAnswer(error, serverCode),
    });
  }
  if (phase === 'connect') {
    return connectFailure(error, code, place);
  }
  if (
    code?.startsWith('ERR_') &&
    !code.startsWith('ERR_SSL') &&
    !code.startsWith('ERR_STREAM')
  ) {
    return new ReplicatorError('E4008', {
      detail: `the driver failed (${code})`,
      cause: error,
    });
  }
  return isConnectionLoss(error, code)
    ? new ReplicatorError('E4002', {
        detail: `the connection to the target was lost ${phase === 'commit' ? 'during commit' : 'in a transaction'}`,
      })
    : new ReplicatorError('E4008', {
        detail: shownMessage(error),
        cause: error,
      });
}

function sqlStateCode(sqlState: string): ErrorCode {
  return sqlStates[sqlState] ?? sqlStates[sqlState.slice(0, 2)] ?? 'E4008';
}

export function isServerError(error: unknown): error is Error & ServerError {
  return (
    error instanceof Error &&
    'severity' in error &&
    typeof (error as Error & { code?: unknown }).code === 'string'
  );
}

/** PostGIS says of any text it cannot read that it is an internal error. */
function isGeometryRefusal({ code, file }: ServerError): boolean {
  return code === 'XX000' && file?.endsWith('lwgeom_pg.c') === true;
}

/**
 * A foreign key's action was refused at the child: no fault of the row that was
 * written. PostgreSQL carries it out by a statement of its own, which is all
 * the context there is; of a trigger there would be its function as well.
 */
function isCascadeRefusal({ code, where }: ServerError): boolean {
  return (
    sqlStateCode(code) === 'E4005' &&
    where !== undefined &&
    /^[^\n]*\b(UPDATE|DELETE FROM) ONLY [^\n]*$/.test(where)
  );
}

function cascadeFailure({
  code,
  table,
  column,
  constraint,
}: ServerError): ReplicatorError {
  const place = [
    table && `table ${table}`,
    column && `column ${column}`,
    constraint && `constraint ${constraint}`,
  ].filter(Boolean);
  return new ReplicatorError('E4004', {
    detail: `a foreign key carries the change on to rows that may not have it (${[`SQLSTATE ${code}`, ...place].join(', ')})`,
    remedy:
      'let the foreign keys from that table at the target take no action and be deferrable, or its column be null, until this has been applied',
  });
}

function connectFailure(
  error: Error,
  code: string | undefined,
  place: string | undefined,
): ReplicatorError {
  const target = place === undefined ? 'the target' : `the target ${place}`;
  if (/does not support SSL/.test(error.message)) {
    return new ReplicatorError('E4001', {
      detail: `${target} has no TLS, which the sslmode in its address asks for`,
      remedy:
        'turn ssl on at the server, or accept cleartext with sslmode=prefer',
    });
  }
  if (isCertificateRefusal(error)) {
    return new ReplicatorError('E4015', {
      detail: `the certificate of the target is not accepted (${code})`,
      remedy:
        'name its CA with sslrootcert in the address, or correct the host name',
    });
  }
  if (/password|SASL|SCRAM/i.test(error.message)) {
    return new ReplicatorError('E4015', {
      detail: 'the target asks for a password that it does not get',
    });
  }
  return new ReplicatorError(socketErrors[code ?? ''] ?? 'E4001', {
    detail: `${target} cannot be reached (${code ?? error.message})`,
  });
}

function isConnectionLoss(error: Error, code: string | undefined): boolean {
  return (
    (code !== undefined && (code in socketErrors || code.startsWith('ERR_'))) ||
    /Connection terminated|not queryable|connection (is )?closed|timeout expired/i.test(
      error.message,
    )
  );
}

/** What the server says of whatever comes behind the statement that failed. */
export function isEcho(error: unknown): error is Error {
  return isServerError(error) && error.code === '25P02';
}

/** A unique key, most of all. */
export function violatesConstraint(error: unknown): boolean {
  return isServerError(error) && error.code.startsWith('23');
}

/** Of a transaction that followed another one on its connection. */
export function abandoned(): ReplicatorError {
  return new ReplicatorError('E4003', {
    detail: 'the transaction before it on its connection did not commit',
  });
}
