import { setTimeout as sleep } from 'node:timers/promises';

import type { JsonText, Mutation } from '../../mutation/mutation.ts';
import { type Timestamp, zeroTimestamp } from '../../mutation/timestamp.ts';
import type { TableRows, TableShape } from '../../target/target.ts';
import { VersionGuard } from '../version-guard.ts';

/** So long the sweep waits for a transaction that went ahead to end by itself. */
const patienceMs = 1_000;

/** The longest that a timer can be set for. */
const longestMs = 2 ** 31 - 1;

/** Beyond so many keys of one table the sweep claims the table as a whole. */
const maxSweptKeys = 50_000;

/** One transaction of rows that go ahead, as the sweep sees it. */
export interface AheadCrossing {
  /** Resolves when it has ended, or is in doubt. */
  readonly ended: Promise<void>;
  /** Why nobody knows whether it was committed; null while that is not so. */
  readonly doubt: unknown;
  /** Rolls it back, unless it commits already. */
  giveWay(): void;
}

interface SweptTable {
  /** Each key's newest version that a sweep has begun to write. */
  readonly keys: Map<string, Timestamp>;
  /** Of the table as a whole; null while keys are enough. */
  whole: Timestamp | null;
}

/**
 * Who may write which row: the sweep or a transaction that goes ahead of it,
 * never both at once. And which versions have gone ahead.
 *
 *     the sweep   claims a row when its batch is about to be written, and
 *                 keeps it until the watermark has passed it, however often
 *                 the sweep fails in between
 *     ahead       claims rows that nobody has claimed, all at once and never
 *                 waiting, with its connection already in hand
 *
 * So nothing that goes ahead ever waits for the sweep but at the target, and
 * the sweep waits for what goes ahead a moment at most: then that gives way.
 */
export class AheadClaims {
  readonly guard = new VersionGuard(Number.POSITIVE_INFINITY);
  readonly #swept = new Map<string, SweptTable>();
  readonly #ahead = new Map<string, Map<string, AheadCrossing>>();
  #aheadCount = 0;
  readonly #nameOf: (table: TableShape) => string;

  /** `nameOf`: what the log calls a table that the sweep writes. */
  constructor(nameOf: (table: TableShape) => string) {
    this.#nameOf = nameOf;
  }

  /** Rows that are on their way ahead. */
  get aheadCount(): number {
    return this.#aheadCount;
  }

  isFree(table: string, key: JsonText): boolean {
    const swept = this.#swept.get(table);
    return !(
      swept?.whole ||
      swept?.keys.has(key) ||
      this.#ahead.get(table)?.has(key)
    );
  }

  /** The row must be free. */
  claimAhead(table: string, key: JsonText, crossing: AheadCrossing): void {
    const keys = this.#ahead.get(table) ?? new Map<string, AheadCrossing>();
    this.#ahead.set(table, keys);
    keys.set(key, crossing);
    this.#aheadCount += 1;
  }

  releaseAhead(table: string, key: JsonText): void {
    if (this.#ahead.get(table)?.delete(key)) {
      this.#aheadCount -= 1;
    }
  }

  /**
   * Claims rows for the sweep; resolves when none of them is on its way ahead.
   * Rejects while it is in doubt whether one of them has gone.
   */
  async claimForSweep(
    tables: readonly TableRows[],
    isFreeTable: (table: string) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const blockers = new Set<AheadCrossing>();
    for (const rows of tables) {
      // Asked for its mutations a table decodes them: of most there is no need.
      const name = this.#nameOf(rows.table);
      const ahead = this.#ahead.get(name);
      for (const { key } of ahead && ahead.size > 0 ? rows.mutations : []) {
        const blocker = ahead!.get(key);
        if (blocker) {
          blockers.add(blocker);
        }
      }
      if (isFreeTable(name)) {
        this.#claimSwept(name, rows.mutations);
      }
    }
    for (const blocker of blockers) {
      await settled(blocker, signal);
    }
  }

  /** The mutations that have neither gone ahead nor been passed by later ones. */
  withoutDone(tables: readonly TableRows[]): {
    fresh: TableRows[];
    skippedCount: number;
  } {
    let skippedCount = 0;
    const fresh: TableRows[] = [];
    for (const rows of tables) {
      const { table, encoded } = rows;
      const name = this.#nameOf(table);
      if (encoded && this.guard.areFresh(name, encoded, zeroTimestamp)) {
        fresh.push(rows);
        continue;
      }
      const { mutations } = rows;
      const kept = this.guard.fresh(name, mutations, zeroTimestamp);
      skippedCount += mutations.length - kept.length;
      if (kept.length > 0) {
        fresh.push({ table, mutations: kept });
      }
    }
    return { fresh, skippedCount };
  }

  /** The watermark has passed everything at or before the time. */
  passed(time: Timestamp): void {
    for (const [name, swept] of this.#swept) {
      if (swept.whole !== null && swept.whole <= time) {
        swept.whole = null;
      }
      for (const [key, claimed] of swept.keys) {
        if (claimed <= time) {
          swept.keys.delete(key);
        }
      }
      if (swept.whole === null && swept.keys.size === 0) {
        this.#swept.delete(name);
      }
    }
  }

  /** No sweep has begun to write a row that is later and not passed. */
  get newestSwept(): Timestamp {
    let newest = zeroTimestamp;
    for (const { keys, whole } of this.#swept.values()) {
      newest = later(whole ?? newest, newest);
      for (const time of keys.values()) {
        newest = later(newest, time);
      }
    }
    return newest;
  }

  /** Everything begins anew: nothing is open, and the guard is filled again. */
  clear(): void {
    this.#swept.clear();
    this.#ahead.clear();
    this.#aheadCount = 0;
    this.guard.clear();
  }

  #claimSwept(table: string, mutations: readonly Mutation[]): void {
    const swept = this.#swept.get(table) ?? { keys: new Map(), whole: null };
    this.#swept.set(table, swept);
    for (const { key, time } of mutations) {
      if (swept.whole !== null) {
        swept.whole = later(swept.whole, time);
      } else {
        swept.keys.set(key, later(swept.keys.get(key), time));
      }
    }
    if (swept.keys.size > maxSweptKeys) {
      for (const time of swept.keys.values()) {
        swept.whole = later(swept.whole ?? undefined, time);
      }
      swept.keys.clear();
    }
  }
}

function later(left: Timestamp | undefined, right: Timestamp): Timestamp {
  return left !== undefined && left > right ? left : right;
}

async function settled(
  crossing: AheadCrossing,
  signal: AbortSignal,
): Promise<void> {
  if (!(await endsWithin(crossing, patienceMs, signal))) {
    crossing.giveWay();
    await endsWithin(crossing, longestMs, signal);
  }
  if (crossing.doubt !== null) {
    throw crossing.doubt;
  }
}

async function endsWithin(
  { ended }: AheadCrossing,
  timeMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const over = new AbortController();
  const late = sleep(timeMs, false, {
    signal: AbortSignal.any([signal, over.signal]),
  }).catch(() => false);
  const hasEnded = await Promise.race([ended.then(() => true), late]);
  over.abort();
  signal.throwIfAborted();
  return hasEnded;
}
