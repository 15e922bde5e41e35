/**
 * The door of `failure/`: one error class, one catalogue (codes.ts), one
 * disposition for every failure.
 */
import { type Disposition, type ErrorCode, errorCodes } from './codes.ts';
import { shownMessage } from './shown-message.ts';

export type { Disposition } from './codes.ts';

export interface FailureDetails {
  /** What happened here, in one sentence, without secrets or row data. */
  readonly detail?: string;
  readonly cause?: unknown;
  /** Overrides the catalogue's remedy where the place knows better. */
  readonly remedy?: string;
  readonly disposition?: Disposition;
}

export class ReplicatorError extends Error {
  override readonly name = 'ReplicatorError';
  readonly code: ErrorCode;
  readonly disposition: Disposition;
  readonly remedy: string;
  /** The HTTP status a webhook caller hears. */
  readonly httpStatus: number;

  constructor(code: ErrorCode, details: FailureDetails = {}) {
    const entry = errorCodes[code];
    super(
      details.detail ?? entry.meaning,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.disposition = details.disposition ?? entry.disposition;
    this.remedy = details.remedy ?? entry.remedy;
    this.httpStatus = entry.httpStatus;
  }

  /** `E1010 the row has no "updated": add WITH updated …`, for one line. */
  get line(): string {
    return `${this.code} ${this.message}: ${this.remedy}`;
  }
}

/** Aborts are not errors: they are how every wait ends at shutdown. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** Gives whatever was thrown a code; what nobody foresaw halts (E3003). */
export function asReplicatorError(error: unknown): ReplicatorError {
  return error instanceof ReplicatorError
    ? error
    : new ReplicatorError('E3003', {
        detail: shownMessage(error),
        cause: error,
      });
}
