import {
  type Mutation,
  oldestTime,
  oldestTimeOf,
  type TableMutations,
  withMutations,
} from '../../mutation/mutation.ts';
import { nextTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import type { TableMark } from './table-marks.ts';

/** How far the schema is when a request arrives. */
export interface Progress {
  readonly resolved: Timestamp;
  readonly applied: Timestamp;
}

export interface Sifted {
  /** What must be staged. */
  readonly fresh: readonly TableMutations[];
  readonly freshCount: number;
  /**
   * The oldest of the rows that count as new because they are later than what
   * is known to be resolved; null where there is none. It must still be so
   * when they are staged.
   */
  readonly oldestNew: Timestamp | null;
  /** Rows dropped, by table. */
  readonly redelivered: ReadonlyMap<string, number>;
}

/**
 * Drops redeliveries: by the changefeed contract every row at or
 * below the applied watermark was delivered, staged and applied before, so it
 * can only be a redelivery. This is true for ever and costs no memory.
 *
 * With one exception: `ALTER CHANGEFEED … ADD t WITH initial_scan` sends the
 * rows of the added table with the time at which the feed stood, which may be
 * the watermark itself. A table that has never delivered cannot redeliver, so
 * its rows are kept, with the first time that is not resolved yet:
 *
 *     resolved R0 ── t is seen first ── its rows ≤ R0 count as R0 + 1 tick
 *                 ── resolved R > R0 ── t is settled: rows ≤ watermark drop
 *
 * Under which time such a row came is kept: of several versions of one row it
 * tells the newest, in whatever order they come (row-version.ts).
 *
 * The feed does not resolve beyond R0 before the scan is over. Since when a
 * table is known says its mark, which all daemons share (table-marks.ts).
 */
export function siftRows(
  tables: readonly (readonly [TableMutations, TableMark])[],
  { applied, resolved }: Progress,
): Sifted {
  const fresh: TableMutations[] = [];
  const redelivered = new Map<string, number>();
  let freshCount = 0;
  for (const [part, mark] of tables) {
    const kept = mark.isSettled
      ? without(part, applied)
      : withMutations(part, laterThan(part.mutations, mark.since));
    const droppedCount = part.mutations.length - kept.mutations.length;
    if (droppedCount > 0) {
      redelivered.set(part.table, droppedCount);
    }
    if (kept.mutations.length > 0) {
      fresh.push(kept);
      freshCount += kept.mutations.length;
    }
  }
  const oldestNew = oldestTimeOf(fresh, resolved);
  return { fresh, freshCount, oldestNew, redelivered };
}

/** Of tables of which no row can have come before, from the oldest on. */
export function allNew(
  tables: readonly TableMutations[],
  oldest: Timestamp,
): Sifted {
  return {
    fresh: tables,
    freshCount: tables.reduce(
      (count, { mutations }) => count + mutations.length,
      0,
    ),
    oldestNew: oldest,
    redelivered: new Map(),
  };
}

function areAllLater(mutations: readonly Mutation[], mark: Timestamp): boolean {
  const oldest = oldestTime(mutations);
  return oldest === null || oldest > mark;
}

function without(part: TableMutations, applied: Timestamp): TableMutations {
  const { mutations } = part;
  return areAllLater(mutations, applied)
    ? part
    : withMutations(
        part,
        mutations.filter(({ time }) => time > applied),
      );
}

/** The same mutations, none of them at or before the mark. */
function laterThan(
  mutations: TableMutations['mutations'],
  mark: Timestamp,
): TableMutations['mutations'] {
  if (areAllLater(mutations, mark)) {
    return mutations;
  }
  const time = nextTimestamp(mark);
  return mutations.map((mutation) =>
    mutation.time > mark
      ? mutation
      : { ...mutation, time, cameAt: mutation.time },
  );
}
