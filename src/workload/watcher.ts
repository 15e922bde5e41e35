/**
 * Looks at the target again and again. In consistent mode every look must
 * find a state that the source had: the ledger says after which transaction,
 * and every row of every table must be what it was right after that one.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { type Comparison, compareTables } from './comparison.ts';
import type { Source } from './source.ts';
import { ledgerTable, workloadTables } from './tables.ts';
import type { TargetReader, TargetSnapshot } from './target-reader.ts';

/** A state that the target showed and the source never had. */
export interface Violation {
  readonly reason: string;
  readonly comparison: Comparison | null;
}

export interface WatchCounts {
  looks: number;
  /** Looks that failed because the target did not answer. */
  failedLooks: number;
  /** The highest ledger entry seen at the target. */
  appliedSequence: number;
  lastFailure: string;
}

/** The ledger grows for ever: all of it is compared only at the end. */
const watchedTables = workloadTables.filter((table) => table !== ledgerTable);

export class Watcher {
  readonly counts: WatchCounts = {
    looks: 0,
    failedLooks: 0,
    appliedSequence: 0,
    lastFailure: '',
  };
  readonly #source: Source;
  readonly #reader: TargetReader;
  readonly #consistent: boolean;

  constructor(source: Source, reader: TargetReader, consistent: boolean) {
    this.#source = source;
    this.#reader = reader;
    this.#consistent = consistent;
  }

  /** Ends with the first violation, or with null when the signal aborts. */
  async run(
    intervalMs: number,
    signal: AbortSignal,
  ): Promise<Violation | null> {
    while (!signal.aborted) {
      const violation = await this.look();
      if (violation) {
        return violation;
      }
      await sleep(intervalMs, undefined, { signal }).catch(() => {});
    }
    return null;
  }

  /** A target that does not answer is no violation, only a missed look. */
  async look(): Promise<Violation | null> {
    const snapshot = await this.#read(this.#consistent ? watchedTables : []);
    if (!snapshot) {
      return null;
    }
    const previous = this.counts.appliedSequence;
    this.counts.looks += 1;
    this.counts.appliedSequence = snapshot.highestEntry;
    if (!this.#consistent) {
      this.#source.prune(this.#source.sequence);
      return null;
    }
    return (
      checkLedger(snapshot, previous, this.#source.sequence) ??
      this.#compare(snapshot)
    );
  }

  /** Reads the ledger alone, which is cheap. */
  async lookAtLedger(): Promise<void> {
    const snapshot = await this.#read([]);
    if (snapshot) {
      this.counts.appliedSequence = snapshot.highestEntry;
    }
  }

  /**
   * Every row of every table against the source as it is now; null when the
   * target did not answer.
   */
  async compareAll(): Promise<Comparison | null> {
    const snapshot = await this.#read(workloadTables);
    if (!snapshot) {
      return null;
    }
    this.counts.looks += 1;
    this.counts.appliedSequence = snapshot.highestEntry;
    return compareTables(
      this.#source.histories.values(),
      snapshot,
      this.#source.sequence,
    );
  }

  #compare(snapshot: TargetSnapshot): Violation | null {
    const sequence = snapshot.highestEntry;
    const comparison = compareTables(
      this.#source.histories.values(),
      snapshot,
      sequence,
    );
    if (comparison.differenceCount > 0) {
      return {
        reason: `the target shows transaction ${sequence} of the ledger, but its rows are not those the source had right after it`,
        comparison,
      };
    }
    this.#source.prune(sequence);
    return null;
  }

  async #read(
    tables: Parameters<TargetReader['snapshot']>[0],
  ): Promise<TargetSnapshot | null> {
    try {
      return await this.#reader.snapshot(tables);
    } catch (error) {
      this.counts.failedLooks += 1;
      this.counts.lastFailure = (error as Error).message;
      return null;
    }
  }
}

function checkLedger(
  snapshot: TargetSnapshot,
  previous: number,
  committed: number,
): Violation | null {
  const { highestEntry, entryCount } = snapshot;
  const reason =
    entryCount !== highestEntry
      ? `the ledger at the target goes up to ${highestEntry} but has ${entryCount} entries: a hole`
      : highestEntry < previous
        ? `the ledger at the target went back from ${previous} to ${highestEntry}`
        : highestEntry > committed
          ? `the ledger at the target is at ${highestEntry}, the source only at ${committed}`
          : null;
  return reason === null ? null : { reason, comparison: null };
}
