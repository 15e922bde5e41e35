/** What SQLite says, as one of our failures. */
import type { ErrorCode } from '../../failure/codes.ts';
import { type FailureDetails, ReplicatorError } from '../../failure/failure.ts';

interface SqliteError extends Error {
  /** Extended result code; the low byte is the primary one. */
  readonly errcode: number;
  readonly errstr: string;
}

/** Primary result codes: https://www.sqlite.org/rescode.html */
export const sqliteResult = {
  busy: 5,
  locked: 6,
  noMemory: 7,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
} as const;

const failureByResult = new Map<number, readonly [ErrorCode, FailureDetails]>([
  [
    sqliteResult.busy,
    ['E2007', { remedy: 'find the process that holds a lock on staging.db' }],
  ],
  [sqliteResult.locked, ['E2007', {}]],
  [sqliteResult.noMemory, ['E2007', {}]],
  [sqliteResult.readOnly, ['E2007', {}]],
  [sqliteResult.ioError, ['E2007', {}]],
  [sqliteResult.full, ['E2007', {}]],
  [sqliteResult.cannotOpen, ['E2007', {}]],
  [sqliteResult.corrupt, ['E2006', {}]],
  [sqliteResult.notADatabase, ['E2006', {}]],
]);

function isSqliteError(error: unknown): error is SqliteError {
  return (
    error instanceof Error &&
    (error as { code?: unknown }).code === 'ERR_SQLITE_ERROR'
  );
}

export function sqliteResultCode(error: unknown): number | null {
  return isSqliteError(error) ? error.errcode & 0xff : null;
}

/**
 * Whether any other call would meet the failure as well: to try them one by
 * one would halt this thread for the lock's whole timeout each time.
 */
export function concernsWholeStore(error: unknown): boolean {
  const result = sqliteResultCode(error);
  return (
    (result !== null && failureByResult.has(result)) ||
    (error instanceof ReplicatorError && error.code === 'E2007')
  );
}

/** Unknown failures halt: a data mover fails closed. */
export function sqliteFailure(error: unknown, path: string): unknown {
  const result = sqliteResultCode(error);
  if (result === null) {
    return error;
  }
  const [code, details] = failureByResult.get(result) ?? [
    'E2007',
    { disposition: 'halt' },
  ];
  const { message, errstr } = error as SqliteError;
  const reason = message === errstr ? message : `${message} (${errstr})`;
  return new ReplicatorError(code, {
    ...details,
    detail: `${path}: ${reason}`,
    cause: error,
  });
}
