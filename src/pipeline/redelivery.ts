import type { TableMutations } from '../mutation/mutation.ts';
import { nextTimestamp, type Timestamp } from '../mutation/timestamp.ts';

/** How far the schema is when a request arrives. */
export interface Progress {
  readonly resolved: Timestamp;
  readonly applied: Timestamp;
}

export interface Sifted {
  /** What must be staged. */
  readonly fresh: TableMutations[];
  readonly freshCount: number;
  /** Rows dropped, by table. */
  readonly redelivered: ReadonlyMap<string, number>;
}

/** Since when a table that is being scanned is known; null once it is settled. */
type Marks = Record<string, Timestamp | null>;

/**
 * Drops redeliveries (design D2): by the changefeed contract every row at or
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
 * The feed does not resolve beyond R0 before the scan is over.
 */
export class RedeliveryFilter {
  readonly #marks: Map<string, Timestamp | null>;
  #revision = 0;

  constructor(marks: Marks = {}) {
    this.#marks = new Map(Object.entries(marks));
  }

  /** Grows when `toJSON` must be stored before the rows are acknowledged. */
  get revision(): number {
    return this.#revision;
  }

  toJSON(): Marks {
    return Object.fromEntries(this.#marks);
  }

  sift(tables: readonly TableMutations[], progress: Progress): Sifted {
    const fresh: TableMutations[] = [];
    const redelivered = new Map<string, number>();
    let freshCount = 0;
    for (const part of tables) {
      const kept = this.#siftTable(part, progress);
      const droppedCount = part.mutations.length - kept.mutations.length;
      if (droppedCount > 0) {
        redelivered.set(part.table, droppedCount);
      }
      if (kept.mutations.length > 0) {
        fresh.push(kept);
        freshCount += kept.mutations.length;
      }
    }
    return { fresh, freshCount, redelivered };
  }

  /** The feed has resolved this far: scans that began before are over. */
  resolved(time: Timestamp): void {
    for (const [table, mark] of this.#marks) {
      if (mark !== null && time > mark) {
        this.#marks.set(table, null);
        this.#revision += 1;
      }
    }
  }

  #siftTable(part: TableMutations, progress: Progress): TableMutations {
    const { table, mutations } = part;
    let mark = this.#marks.get(table);
    if (mark === undefined) {
      mark =
        progress.resolved > progress.applied
          ? progress.resolved
          : progress.applied;
      this.#marks.set(table, mark);
      this.#revision += 1;
    }
    if (mark !== null) {
      return { ...part, mutations: laterThan(mutations, mark) };
    }
    const { applied } = progress;
    return mutations.every(({ time }) => time > applied)
      ? part
      : { ...part, mutations: mutations.filter(({ time }) => time > applied) };
  }
}

/** The same mutations, none of them at or before the mark. */
function laterThan(
  mutations: TableMutations['mutations'],
  mark: Timestamp,
): TableMutations['mutations'] {
  if (mutations.every(({ time }) => time > mark)) {
    return mutations;
  }
  const time = nextTimestamp(mark);
  return mutations.map((mutation) =>
    mutation.time > mark ? mutation : { ...mutation, time },
  );
}
