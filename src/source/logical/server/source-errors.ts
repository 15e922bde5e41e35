/**
 * What the source says, over plain SQL or on a walsender's connection, as one
 * of our failures. Data; provoked on real servers in
 * test/source/logical/server/source-errors.pg.test.ts.
 */
import { isCertificateRefusal } from '../../../config/address/tls.ts';
import type { ErrorCode } from '../../../failure/codes.ts';
import {
  type FailureDetails,
  isAbort,
  ReplicatorError,
} from '../../../failure/failure.ts';
import {
  describeSourceAnswer,
  type ServerError,
} from '../../../failure/postgres-message.ts';

type Verdict = readonly [ErrorCode, FailureDetails];

const noLogin: FailureDetails = {
  remedy:
    'check user, password and database in --sourceConn, and the rules of the source of who may log in from where (pg_hba.conf)',
};

/** By SQLSTATE, else by its class (two characters). Others are E6001. */
const verdicts = new Map<string, Verdict>([
  ['08', ['E6010', {}]],
  ['28', ['E6001', noLogin]],
  ['3D000', ['E6001', noLogin]],
  ['40', ['E6010', {}]],
  // Insufficient resources: connections, walsenders, disk, memory.
  ['53', ['E6010', {}]],
  // configuration_limit_exceeded: all replication slots are in use.
  [
    '53400',
    [
      'E6007',
      {
        remedy:
          'raise max_replication_slots at the source (it needs a restart), or drop a slot that nobody needs',
      },
    ],
  ],
  ['57', ['E6010', {}]],
  // object_in_use: "replication slot … is active for PID …".
  ['55006', ['E6004', {}]],
  // duplicate_object: somebody has just created the same slot.
  ['42710', ['E6004', { remedy: 'nothing: it is there now' }]],
  // undefined_object: the slot or the publication that a command names.
  ['42704', ['E6002', {}]],
  // object_not_in_prerequisite_state: the slot can no longer be read.
  ['55000', ['E6003', {}]],
  // undefined_file: "requested WAL segment … has already been removed".
  ['58P01', ['E6003', {}]],
  [
    '42501',
    [
      'E6007',
      {
        remedy:
          'give the account what preflight names: REPLICATION (ALTER ROLE … REPLICATION; on Amazon RDS: GRANT rds_replication TO …) to read a slot, CREATE on the database and ownership of the tables to create a publication',
      },
    ],
  ],
]);

/**
 * Whatever is not an answer of the server is a failure of the connection: the
 * same thing may work in a moment. `display` is `host:port/database`.
 */
export function sourceFailure(error: unknown, display: string): Error {
  if (
    error instanceof ReplicatorError ||
    (error instanceof Error && isAbort(error))
  ) {
    return error;
  }
  const { code, severity, message } = error as {
    readonly code?: unknown;
    readonly severity?: unknown;
    readonly message: string;
  };
  if (typeof code !== 'string' || typeof severity !== 'string') {
    return connectionFailure(error as Error & { code?: string }, display);
  }
  const [verdict, details] = answerVerdict(code, message);
  return new ReplicatorError(verdict, {
    ...details,
    detail: `the source ${display} says: ${describeSourceAnswer(error as Error & ServerError, verdict)}`,
    cause: error,
  });
}

function answerVerdict(code: string, message: string): Verdict {
  if (
    code === '55000' &&
    // These words are the same in every language of the server.
    /wal_level|max_replication_slots/.test(message)
  ) {
    return ['E6007', {}];
  }
  return verdicts.get(code) ?? verdicts.get(code.slice(0, 2)) ?? ['E6001', {}];
}

function connectionFailure(
  error: Error & { readonly code?: string },
  display: string,
): ReplicatorError {
  const { code, message } = error;
  if (/does not support SSL/.test(message)) {
    return new ReplicatorError('E6001', {
      detail: `the source ${display} has no TLS, which the sslmode in its address asks for`,
      remedy:
        'turn ssl on at the server, or accept cleartext with sslmode=prefer',
    });
  }
  if (isCertificateRefusal(error)) {
    return new ReplicatorError('E6001', {
      detail: `the certificate of the source ${display} is not accepted (${code})`,
      remedy:
        'name its CA with sslrootcert in --sourceConn, or correct the host name',
    });
  }
  if (/password|SASL|SCRAM/i.test(message)) {
    return new ReplicatorError('E6001', {
      ...noLogin,
      detail: `the source ${display} asks for a password that it does not get`,
    });
  }
  return new ReplicatorError('E6010', {
    detail: `the connection to the source ${display} failed (${code ?? message})`,
    cause: error,
  });
}
