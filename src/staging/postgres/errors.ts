/** What PostgreSQL or CockroachDB says as staging, as one of our failures. */
import { isCertificateRefusal } from '../../config/address/tls.ts';
import type { ErrorCode } from '../../failure/codes.ts';
import {
  type FailureDetails,
  isAbort,
  ReplicatorError,
} from '../../failure/failure.ts';
import {
  describeAnswer,
  type ServerError,
} from '../../failure/postgres-message.ts';

type Verdict = readonly [ErrorCode, FailureDetails];

const noAccess: FailureDetails = {
  disposition: 'halt',
  remedy:
    'check user, password and database in --stagingConn, and the rules of the server (pg_hba.conf)',
};
const noPrivilege: FailureDetails = {
  disposition: 'halt',
  remedy:
    'grant the account in --stagingConn the right to create and use tables in the staging schema',
};

/** By SQLSTATE, else by its class (two characters). */
const verdicts = new Map<string, Verdict>([
  ['08', ['E2001', {}]],
  ['28', ['E2001', noAccess]],
  ['40', ['E2007', {}]],
  ['53', ['E2007', {}]],
  ['53300', ['E2001', {}]],
  ['55', ['E2007', {}]],
  ['57', ['E2001', {}]],
  ['57014', ['E2007', {}]],
  ['58', ['E2007', {}]],
  ['25006', ['E2007', {}]],
  ['3D000', ['E2001', noAccess]],
  ['3F000', ['E2004', {}]],
  ['42P01', ['E2004', {}]],
  ['42501', ['E2007', noPrivilege]],
  ['XX001', ['E2006', {}]],
  ['XX002', ['E2006', {}]],
]);

/** The SQLSTATE of an error of the server, else null. */
export function sqlState(error: unknown): string | null {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && typeof severity === 'string' ? code : null;
}

/** An answer of the server leaves the connection in order, unless its last. */
export function isConnectionIntact(error: unknown): boolean {
  return (
    sqlState(error) !== null &&
    (error as { severity: string }).severity === 'ERROR'
  );
}

/**
 * Whatever is not an answer of the server is a failure of the connection,
 * before or in the middle of a statement: the same thing may work in a
 * moment, and doing it twice is harmless. An unknown answer halts.
 */
export function postgresFailure(error: unknown): unknown {
  if (error instanceof ReplicatorError || isAbort(error)) {
    return error;
  }
  const message = reasonOf(error);
  const state = sqlState(error);
  if (state === null) {
    return unreachable(error, message);
  }
  const [code, details] = verdicts.get(state) ??
    verdicts.get(state.slice(0, 2)) ?? ['E2007', { disposition: 'halt' }];
  return new ReplicatorError(code, {
    ...details,
    detail: `staging: ${describeAnswer(error as Error & ServerError, code)}`,
    cause: error,
  });
}

function unreachable(error: unknown, message: string): ReplicatorError {
  if (isCertificateRefusal(error)) {
    return new ReplicatorError('E2001', {
      disposition: 'halt',
      detail: `the certificate of staging is not accepted (${(error as { code: string }).code})`,
      remedy:
        'name its CA with sslrootcert in --stagingConn, or correct the host name',
      cause: error,
    });
  }
  if (/does not support SSL/.test(message)) {
    return new ReplicatorError('E2001', {
      disposition: 'halt',
      detail:
        'the staging server has no TLS, which the sslmode in its address asks for',
      remedy:
        'turn ssl on at the server, or accept cleartext with sslmode=prefer',
      cause: error,
    });
  }
  if (/\b(?:SASL|SCRAM)\b/.test(message)) {
    return new ReplicatorError('E2001', {
      ...noAccess,
      detail: 'staging asks for a password that it does not get',
      cause: error,
    });
  }
  return new ReplicatorError('E2001', {
    detail: `staging cannot be reached: ${message}`,
    cause: error,
  });
}

/** A refused dial of several addresses has its reasons inside. */
function reasonOf(error: unknown): string {
  const { message, errors } = error as {
    message?: string;
    errors?: readonly Error[];
  };
  return message || errors?.[0]?.message || String(error);
}
