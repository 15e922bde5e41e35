import type { ReplicatorError } from '../failure/failure.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import type { ApplyOrder } from '../target/target.ts';

/** A place in the log that the sequencer has failed to get past. */
export interface Trouble {
  readonly error: ReplicatorError;
  /** Failures in a row at this place. */
  readonly failureCount: number;
  /** How far the target was; any progress makes it another place. */
  readonly applied: Timestamp;
  /** The end of the batch that failed: beyond it the trouble is over. */
  readonly through: Timestamp;
}

/** How the next sweep goes about its work. */
export interface AttemptPlan {
  readonly parallelism: number;
  /** Source timestamps in one target transaction. */
  readonly timestampLimit: number;
  readonly order: ApplyOrder;
}

/** The usual plan, and every rung below that differs from it. */
export const ladderFailures = 6;

/**
 * What to do differently after a failure.
 *
 * Folding many source transactions into one target transaction is right for
 * keys and parents, but two rows that pass a unique value between them may
 * need the order in which the source did it. So when a constraint stands in
 * the way, the work is tried again with deletes before upserts and with values
 * parked, then one source transaction at a time in each order. Any other
 * failure is simply repeated, on one connection, until the sequencer is past it.
 *
 * Every rung is safe: the applier does what the source did or refuses. So the
 * first is the one that gets past most places at once. One transaction at a
 * time would meet the next place soon, and stand back there again.
 */
export function attemptPlan(
  trouble: Trouble | null,
  usual: { readonly parallelism: number; readonly timestampLimit: number },
): AttemptPlan {
  if (trouble === null) {
    return { ...usual, order: 'upserts-first' };
  }
  const { timestampLimit } = usual;
  if (trouble.error.disposition === 'retry') {
    return { parallelism: 1, timestampLimit, order: 'upserts-first' };
  }
  const ladder: readonly AttemptPlan[] = [
    { parallelism: 1, timestampLimit, order: 'deletes-first' },
    { parallelism: 1, timestampLimit, order: 'values-parked' },
    { parallelism: 1, timestampLimit: 1, order: 'upserts-first' },
    { parallelism: 1, timestampLimit: 1, order: 'deletes-first' },
    { parallelism: 1, timestampLimit: 1, order: 'values-parked' },
    { parallelism: 1, timestampLimit, order: 'upserts-first' },
  ];
  return ladder[(trouble.failureCount - 1) % ladder.length]!;
}
