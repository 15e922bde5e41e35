import type { Batch } from '../../mutation/mutation.ts';
import { timeOfVersion, timesOfVersion } from '../../mutation/row-version.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { previousTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import { isPartEnd } from '../../staging/batch-codec.ts';
import type { EntrySummary, StagingStore } from '../../staging/staging.ts';
import type { SchemaShape } from '../../target/target.ts';
import { giantPasses, passesInOrder, untiedPasses } from './giant-passes.ts';
import { readGiant } from './read-giant.ts';
import {
  type BatchLimits,
  batchOf,
  byRowVersion,
  emptyBatch,
  heldBytes,
  rowsOf,
  type StagedRow,
  textLength,
} from './staged-rows.ts';

/**
 * So many times as much goes at once where it waits: each batch costs both sides
 * a round trip and what some hundred rows do, and waits for the commit before
 * it. Of new rows 130 000 a second were applied in batches of 1000, 170 000 in
 * those of 4000; of pgbench's, which change the same few rows, a third more.
 */
const backlogFactor = 4;

/** Smaller batches were asked for, and are kept. */
const smallestGrowing = 1_000;

/** Of fat rows no more go at once than usually: characters. */
const backlogTextLength = 1 << 20;

/**
 * Reads the log between two timestamps (after exclusive, through inclusive)
 * as batches of whole source transactions in time order.
 *
 * Entries come ordered by their first mutation, and they overlap:
 *
 *     entry 1   |t1 ······ t5|
 *     entry 2      |t2 ····· t6|
 *     entry 3            |t4 ········ t9|
 *                        ^ horizon once entry 3 is the last one read
 *
 * No unread entry starts before the horizon, so what lies before it is
 * complete and may go; the rest is held. What is held spans at most one time
 * bucket (staging.ts), save where one transaction alone is larger than the
 * limits: that one is handed on in fragments.
 *
 * A transaction may hold several versions of a row where a table was scanned
 * (mutation/row-version.ts). The log has them in their order, and where such a
 * transaction does not fit into memory it is read as if each of the times under
 * which its rows came were a transaction by itself: fragments of the one.
 *
 * Keys are in the column order of `shape` (key-alignment.ts).
 */
export async function* readBatches(
  store: StagingStore,
  schema: SchemaName,
  after: Timestamp,
  through: Timestamp,
  limits: BatchLimits,
  shape: SchemaShape,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  let cursor: EntrySummary | null = null;
  let held: StagedRow[] = [];
  /** The time of a giant transaction of which fragments have been yielded. */
  let fragmented: Timestamp | null = null;
  /** The time of a giant transaction that has been read whole on its own. */
  let passed: Timestamp | null = null;

  for (;;) {
    const entries = await store.read(
      schema,
      {
        after,
        through,
        cursor,
        limitRows: limits.scanSize,
        limitBytes: limits.readBudgetBytes,
      },
      signal,
    );
    for (const entry of entries) {
      if (isPartEnd(entry)) {
        markPartEnd(held, entry.minTime);
        continue;
      }
      for (const row of rowsOf(entry, shape, limits)) {
        const { time } = row;
        if (time > after && time <= through && time !== passed) {
          held.push(row);
        }
      }
    }
    cursor = entries.at(-1) ?? cursor;
    const exhausted = entries.length === 0;
    held.sort(byRowVersion);

    // Null once nothing is left to read: everything held is complete.
    const horizon = exhausted ? null : timeIn(limits, cursor!.minTime);
    const readyCount =
      horizon === null ? held.length : countBefore(held, horizon);
    const cut = cutBatches(held, readyCount, limits, exhausted, fragmented);
    held = held.slice(cut.consumedCount);
    if (
      fragmented !== null &&
      (horizon === null || horizon > fragmented) &&
      cut.batches[0]?.through !== fragmented
    ) {
      yield emptyBatch(fragmented);
    }
    if (horizon === null || (fragmented !== null && horizon > fragmented)) {
      fragmented = null;
    }
    yield* cut.batches;
    if (horizon === null) {
      return;
    }

    if (!mayFillBudget(held, limits)) {
      continue;
    }
    // Whole transactions go first. When one alone fills the budget and its end
    // is not in sight, a fragment of it goes ahead.
    const earlierCount = countBefore(held, horizon);
    const later = held.slice(earlierCount);
    // Versions of few rows are held on, to be folded together.
    if (
      !mayFillBudget(held, limits, mostRows(limits)) &&
      !mayFillBudget(later, limits)
    ) {
      continue;
    }
    if (earlierCount > 0) {
      yield batchOf(held.slice(0, earlierCount));
      held = later;
    }
    const giant = held.slice(0, countThrough(held, horizon));
    const passes = giantPasses(shape);
    if (
      !fillsBudget(held, limits, passes !== null) ||
      !isLarge(giant, limits)
    ) {
      continue;
    }
    if (!limits.isStatementOrder) {
      held = held.slice(giant.length);
      passed = horizon;
      if (!limits.splitsScans && giant.some(isScanned)) {
        const reader = { store, schema, shape, signal };
        yield* readScanned(reader, horizon, limits);
        continue;
      }
      const usual = passes ?? untiedPasses(shape);
      yield* readGiant(store, schema, horizon, {
        passes: passesInOrder(usual, shape, limits.giantOrder),
        limits,
        shape,
        signal,
      });
    } else {
      fragmented = horizon;
      const count = passes ? countOfParts(giant) : giant.length;
      yield { ...batchOf(held.slice(0, count)), complete: false };
      held = held.slice(count);
    }
  }
}

/** See {@link BatchLimits.splitsScans}. */
function timeIn({ splitsScans }: BatchLimits, version: Timestamp): Timestamp {
  return splitsScans ? version : timeOfVersion(version);
}

/** One transaction of rows that came under different times, in that order. */
async function* readScanned(
  {
    store,
    schema,
    shape,
    signal,
  }: {
    readonly store: StagingStore;
    readonly schema: SchemaName;
    readonly shape: SchemaShape;
    readonly signal: AbortSignal;
  },
  time: Timestamp,
  limits: BatchLimits,
): AsyncGenerator<Batch> {
  for await (const batch of readBatches(
    store,
    schema,
    previousTimestamp(time),
    time,
    { ...limits, splitsScans: true },
    shape,
    signal,
  )) {
    const tables = batch.tables.map(({ table, mutations }) => ({
      table,
      mutations: mutations.map((mutation) => ({
        ...mutation,
        ...timesOfVersion(mutation.time),
      })),
    }));
    yield { ...batch, tables, through: time, complete: false };
  }
  yield emptyBatch(time);
}

function isScanned({ cameAt }: StagedRow): boolean {
  return cameAt !== undefined;
}

/** Else it is not what fills the budget: a second of the source is. */
function isLarge(giant: readonly StagedRow[], limits: BatchLimits): boolean {
  return (
    giant.length >= limits.flushSize ||
    (giant.length > 0 && textLength(giant) >= limits.readBudgetBytes / 2)
  );
}

/**
 * As many has a batch at most, where they fold into fewer than flushSize. A row that
 * changes 100 000 times a second is written four times, once a resolved
 * timestamp; with one scanSize it was twelve times.
 */
function mostRows({
  scanSize,
  flushSize,
  collapseMutations,
}: BatchLimits): number {
  return Math.max(scanSize * (collapseMutations ? 4 : 1), flushSize);
}

/** False in nearly every read: then no more need be looked at. */
function mayFillBudget(
  rows: readonly StagedRow[],
  limits: BatchLimits,
  rowLimit = limits.scanSize,
): boolean {
  return rows.length >= rowLimit || heldBytes(rows) >= limits.readBudgetBytes;
}

/**
 * Rows in the order of their statements are so within a table: in the log, those
 * of a child may lie before the parents that they refer to. So where foreign
 * keys tie tables, as much is held as memory allows, to be sorted as a whole;
 * what is larger is cut between its parts, each a run of statements.
 */
function fillsBudget(
  rows: readonly StagedRow[],
  limits: BatchLimits,
  isTied: boolean,
): boolean {
  return limits.isStatementOrder && isTied
    ? heldBytes(rows) >= limits.readBudgetBytes
    : rows.length >= limits.scanSize ||
        textLength(rows) >= limits.readBudgetBytes;
}

/** The rows in front of it that are of its transaction were read before. */
function markPartEnd(held: readonly StagedRow[], time: Timestamp): void {
  const last = held.at(-1);
  if (last?.time === time) {
    last.endsPart = true;
  }
}

/** How many of the rows lie in whole parts; all where that is none. */
function countOfParts(rows: readonly StagedRow[]): number {
  const last = rows.findLastIndex((row) => row.endsPart);
  return last < 0 ? rows.length : last + 1;
}

/**
 * Cuts the ready rows at source timestamps, close to flushSize rows each, and
 * behind `cutAfter`, the transaction that earlier fragments began. A row that
 * changes a thousand times is one row, but what is held for it is bounded.
 */
function cutBatches(
  rows: readonly StagedRow[],
  readyCount: number,
  limits: BatchLimits,
  cutRemainder: boolean,
  cutAfter: Timestamp | null,
): { batches: Batch[]; consumedCount: number } {
  const batches: Batch[] = [];
  const { flushSize, timestampLimit } = aimOf(readyCount, limits);
  const counted = new CountedRows(limits.collapseMutations);
  const rowLimit = mostRows(limits);
  let length = 0;
  let start = 0;
  let countBeforeTimestamp = 0;
  let timestampCount = 0;
  for (let index = 0; index < readyCount; index += 1) {
    const row = rows[index]!;
    const { time } = row;
    counted.add(row);
    length += row.textLength;
    const endsTimestamp =
      index + 1 === readyCount || rows[index + 1]!.time !== time;
    if (!endsTimestamp) {
      continue;
    }
    if (counted.count > countBeforeTimestamp) {
      timestampCount += 1;
      countBeforeTimestamp = counted.count;
    }
    if (
      counted.count >= flushSize ||
      (counted.count >= limits.flushSize && length >= backlogTextLength) ||
      timestampCount >= timestampLimit ||
      index + 1 - start >= rowLimit ||
      time === cutAfter ||
      (cutRemainder && index + 1 === readyCount)
    ) {
      batches.push(batchOf(rows.slice(start, index + 1)));
      start = index + 1;
      counted.clear();
      length = 0;
      countBeforeTimestamp = 0;
      timestampCount = 0;
    }
  }
  return { batches, consumedCount: start };
}

function aimOf(
  readyCount: number,
  { flushSize, timestampLimit }: BatchLimits,
): Pick<BatchLimits, 'flushSize' | 'timestampLimit'> {
  // One transaction by itself is asked for where it must be.
  const grows =
    flushSize >= smallestGrowing &&
    timestampLimit > 1 &&
    readyCount >= backlogFactor * flushSize;
  const factor = grows ? backlogFactor : 1;
  return {
    flushSize: factor * flushSize,
    timestampLimit: factor * timestampLimit,
  };
}

/** How many rows folding leaves of a batch, but for keys whose hashes meet. */
class CountedRows {
  readonly #collapses: boolean;
  readonly #keys = new Map<string, Set<number>>();
  #table = '';
  #tableKeys: Set<number> | undefined;
  count = 0;

  constructor(collapses: boolean) {
    this.#collapses = collapses;
  }

  add({ table, keyHash }: StagedRow): void {
    if (!this.#collapses) {
      this.count += 1;
      return;
    }
    if (this.#tableKeys === undefined || table !== this.#table) {
      this.#table = table;
      this.#tableKeys = this.#keys.get(table) ?? new Set();
      this.#keys.set(table, this.#tableKeys);
    }
    const sizeBefore = this.#tableKeys.size;
    this.#tableKeys.add(keyHash);
    this.count += this.#tableKeys.size - sizeBefore;
  }

  clear(): void {
    this.#keys.clear();
    this.#tableKeys = undefined;
    this.count = 0;
  }
}

/** How many of the sorted rows lie before the time. */
function countBefore(rows: readonly StagedRow[], time: Timestamp): number {
  return lowerBound(rows, (row) => row.time >= time);
}

/** How many of the sorted rows lie at or before the time. */
function countThrough(rows: readonly StagedRow[], time: Timestamp): number {
  return lowerBound(rows, (row) => row.time > time);
}

function lowerBound(
  rows: readonly StagedRow[],
  reached: (row: StagedRow) => boolean,
): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (reached(rows[middle]!)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
