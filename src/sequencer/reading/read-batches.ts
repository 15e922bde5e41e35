import {
  type Batch,
  isTruncation,
  type Mutation,
  rowBytes,
  type TableMutations,
  textLengthOf,
} from '../../mutation/mutation.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { previousTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import { decodeTable, isPartEnd } from '../../staging/batch-codec.ts';
import type {
  EntrySummary,
  StagedEntry,
  StagingStore,
} from '../../staging/staging.ts';
import type { ApplyOrder, SchemaShape } from '../../target/target.ts';
import {
  type GiantPass,
  giantPasses,
  passesInOrder,
  untiedPasses,
  withoutLinks,
} from './giant-passes.ts';
import { alignKeys } from './key-alignment.ts';

export interface BatchLimits {
  /**
   * Rows of one time lie in the log in the order in which they happened, and
   * several may be of one row of the table (a slot); else in any (a changefeed).
   */
  readonly isStatementOrder: boolean;
  /** Rows in a batch, of each key one; it ends at the source timestamp. */
  readonly flushSize: number;
  /** Timestamps that bring a row of another key than those before. */
  readonly timestampLimit: number;
  /** False: every version of a row counts, as each is written. */
  readonly collapseMutations: boolean;
  readonly scanSize: number;
  readonly readBudgetBytes: number;
  /** In which order a transaction goes that does not fit into memory. */
  readonly giantOrder?: ApplyOrder;
}

interface StagedRow {
  readonly table: string;
  readonly mutation: Mutation;
  /**
   * Its key has lost a column, so that another row of the source may share it:
   * of two rows of one transaction the deleted one must not win. Where rows
   * come in the order of their statements, that order is right as it is.
   */
  readonly sharesKey: boolean;
  /** Behind it a part of its transaction ends (batch-codec.ts `partEnd`). */
  endsPart?: boolean;
}

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
 * limits: that one is handed on in fragments (design D6).
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
        const { time } = row.mutation;
        if (time > after && time <= through && time !== passed) {
          held.push(row);
        }
      }
    }
    cursor = entries.at(-1) ?? cursor;
    const exhausted = entries.length === 0;
    held.sort(byTime);

    // Null once nothing is left to read: everything held is complete.
    const horizon = exhausted ? null : cursor!.minTime;
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
    if (earlierCount > 0) {
      yield batchOf(held.slice(0, earlierCount));
      held = held.slice(earlierCount);
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

/** Else it is not what fills the budget: a second of the source is. */
function isLarge(giant: readonly StagedRow[], limits: BatchLimits): boolean {
  return (
    giant.length >= limits.flushSize ||
    (giant.length > 0 && textLength(giant) >= limits.readBudgetBytes / 2)
  );
}

/** False in nearly every read: then no more need be looked at. */
function mayFillBudget(
  rows: readonly StagedRow[],
  limits: BatchLimits,
): boolean {
  return (
    rows.length >= limits.scanSize ||
    rows.reduce((sum, { mutation }) => sum + rowBytes(mutation), 0) >=
      limits.readBudgetBytes
  );
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
    ? rows.reduce((sum, { mutation }) => sum + rowBytes(mutation), 0) >=
        limits.readBudgetBytes
    : rows.length >= limits.scanSize ||
        textLength(rows) >= limits.readBudgetBytes;
}

/** The rows in front of it that are of its transaction were read before. */
function markPartEnd(held: readonly StagedRow[], time: Timestamp): void {
  const last = held.at(-1);
  if (last?.mutation.time === time) {
    last.endsPart = true;
  }
}

/** How many of the rows lie in whole parts; all where that is none. */
function countOfParts(rows: readonly StagedRow[]): number {
  const last = rows.findLastIndex((row) => row.endsPart);
  return last < 0 ? rows.length : last + 1;
}

/**
 * One transaction that does not fit into memory, in as many readings of its
 * time as its foreign keys and deletes need (giant-passes.ts): all but the
 * last batch are fragments. The first reading tells which of the others have
 * rows.
 */
async function* readGiant(
  store: StagingStore,
  schema: SchemaName,
  time: Timestamp,
  {
    passes,
    limits,
    shape,
    signal,
  }: {
    readonly passes: readonly GiantPass[];
    readonly limits: BatchLimits;
    readonly shape: SchemaShape;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<Batch> {
  const window = {
    after: previousTimestamp(time),
    through: time,
    limitRows: limits.scanSize,
    limitBytes: limits.readBudgetBytes,
  };
  const present = { upserts: new Set<string>(), deletes: new Set<string>() };
  const readEntries = (cursor: EntrySummary | null): Promise<StagedEntry[]> =>
    store.read(schema, { ...window, cursor }, signal);
  for (const pass of passes) {
    const isFirst = pass === passes[0];
    // Unique values that nobody writes are in nobody's way.
    const presentKind =
      pass.kind === 'deletes' || pass.kind === 'unlinks'
        ? 'deletes'
        : 'upserts';
    if (!isFirst && pass.tables.isDisjointFrom(present[presentKind])) {
      continue;
    }
    let held: StagedRow[] = [];
    let cursor: EntrySummary | null = null;
    for (;;) {
      const entries = await readEntries(cursor);
      for (const entry of entries) {
        if (!isFirst && !pass.tables.has(entry.table)) {
          continue;
        }
        for (const row of rowsOf(entry, shape, limits)) {
          const { time: rowTime, after } = row.mutation;
          if (rowTime === time) {
            const kind = after === null ? 'deletes' : 'upserts';
            present[kind].add(row.table);
            if (
              shape.tables.has(row.table)
                ? isOfPass(row, pass)
                : // Whoever applies it refuses it: it must not be left out.
                  isFirst
            ) {
              held.push(partOfPass(row, pass));
            }
          }
        }
      }
      cursor = entries.at(-1) ?? cursor;
      const isLast = entries.length === 0;
      // Deletes that have to be looked up come in as few parts as may be.
      const isLookedUp =
        presentKind === 'deletes' && held[0]?.sharesKey === true;
      if (
        (held.length >= limits.scanSize && !isLookedUp) ||
        textLength(held) >= limits.readBudgetBytes ||
        (isLast && held.length > 0)
      ) {
        const part =
          presentKind === 'deletes'
            ? await withoutWritten(held, readEntries, (entry) =>
                rowsOf(entry, shape, limits),
              )
            : held;
        if (part.length > 0) {
          yield {
            ...batchOf(part),
            complete: false,
            ...(pass.kind === 'unlinks' && { onlyUnlinks: true }),
            ...(limits.giantOrder === 'values-parked' && {
              parking: pass.kind === 'parkings' ? 'only' : 'done',
            }),
          };
        }
        held = [];
      }
      if (isLast) {
        break;
      }
    }
  }
  yield emptyBatch(time);
}

/**
 * Of deletes of one transaction those that do not share their key with a row
 * that it writes.
 */
async function withoutWritten(
  deletes: readonly StagedRow[],
  readEntries: (cursor: EntrySummary | null) => Promise<StagedEntry[]>,
  rowsOfEntry: (entry: StagedEntry) => readonly StagedRow[],
): Promise<readonly StagedRow[]> {
  const shared = new Map<string, Set<string>>();
  for (const { table, mutation, sharesKey } of deletes) {
    if (sharesKey) {
      const keys = shared.get(table) ?? new Set();
      shared.set(table, keys.add(mutation.key));
    }
  }
  if (shared.size === 0) {
    return deletes;
  }
  const { time } = deletes[0]!.mutation;
  let cursor: EntrySummary | null = null;
  for (;;) {
    const entries = await readEntries(cursor);
    if (entries.length === 0) {
      return deletes.filter(
        ({ table, mutation, sharesKey }) =>
          !sharesKey || shared.get(table)!.has(mutation.key),
      );
    }
    for (const entry of entries) {
      const keys = shared.get(entry.table);
      for (const { mutation } of keys ? rowsOfEntry(entry) : []) {
        if (mutation.time === time && mutation.after !== null) {
          keys!.delete(mutation.key);
        }
      }
    }
    cursor = entries.at(-1)!;
  }
}

/**
 * A deleted row whose key another one may share that is written, and may not
 * carry all columns, keeps its values: it would not get them back.
 */
function isOfPass(
  { table, mutation, sharesKey }: StagedRow,
  { kind, tables, deletedBefore }: GiantPass,
): boolean {
  const isDelete = mutation.after === null;
  if (kind !== 'parkings') {
    return tables.has(table) && isDelete === (kind !== 'upserts');
  }
  const keeps =
    isDelete &&
    (sharesKey || isTruncation(mutation) || deletedBefore?.has(table));
  return tables.has(table) && !keeps;
}

function partOfPass(row: StagedRow, { links }: GiantPass): StagedRow {
  const ofTable = links.get(row.table);
  const { after } = row.mutation;
  return ofTable && after !== null
    ? {
        ...row,
        mutation: { ...row.mutation, after: withoutLinks(after, ofTable) },
      }
    : row;
}

function rowsOf(
  entry: StagedEntry,
  shape: SchemaShape,
  { isStatementOrder }: BatchLimits,
): StagedRow[] {
  const staged = decodeTable(entry);
  const { table, keyColumns, mutations } = alignKeys(staged, shape);
  const isShorter = keyColumns?.length !== staged.keyColumns?.length;
  return mutations.map((mutation) => ({
    table,
    mutation,
    sharesKey: isShorter && !isStatementOrder,
  }));
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
  const counted = new CountedRows(limits.collapseMutations);
  let start = 0;
  let countBeforeTimestamp = 0;
  let timestampCount = 0;
  for (let index = 0; index < readyCount; index += 1) {
    const row = rows[index]!;
    const { time } = row.mutation;
    counted.add(row);
    const endsTimestamp =
      index + 1 === readyCount || rows[index + 1]!.mutation.time !== time;
    if (!endsTimestamp) {
      continue;
    }
    if (counted.count > countBeforeTimestamp) {
      timestampCount += 1;
      countBeforeTimestamp = counted.count;
    }
    if (
      counted.count >= limits.flushSize ||
      timestampCount >= limits.timestampLimit ||
      index + 1 - start >= Math.max(limits.scanSize, limits.flushSize) ||
      time === cutAfter ||
      (cutRemainder && index + 1 === readyCount)
    ) {
      batches.push(batchOf(rows.slice(start, index + 1)));
      start = index + 1;
      counted.clear();
      countBeforeTimestamp = 0;
      timestampCount = 0;
    }
  }
  return { batches, consumedCount: start };
}

/** How many rows folding leaves of a batch, at most. */
class CountedRows {
  readonly #collapses: boolean;
  readonly #keys = new Map<string, Set<string>>();
  #table = '';
  #tableKeys: Set<string> | undefined;
  count = 0;

  constructor(collapses: boolean) {
    this.#collapses = collapses;
  }

  add({ table, mutation }: StagedRow): void {
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
    this.#tableKeys.add(mutation.key);
    this.count += this.#tableKeys.size - sizeBefore;
  }

  clear(): void {
    this.#keys.clear();
    this.#tableKeys = undefined;
    this.count = 0;
  }
}

function batchOf(rows: readonly StagedRow[]): Batch {
  const byTable = new Map<string, Mutation[]>();
  for (const { table, mutation } of rows) {
    const mutations = byTable.get(table);
    if (mutations) {
      mutations.push(mutation);
    } else {
      byTable.set(table, [mutation]);
    }
  }
  const tables: TableMutations[] = [...byTable].map(([table, mutations]) => ({
    table,
    mutations,
  }));
  return {
    through: rows.at(-1)!.mutation.time,
    complete: true,
    tables,
    rowCount: rows.length,
    textLength: textLength(rows),
  };
}

/** Ends a fragmented transaction whose rows have all been yielded. */
function emptyBatch(through: Timestamp): Batch {
  return { through, complete: true, tables: [], rowCount: 0, textLength: 0 };
}

function byTime(left: StagedRow, right: StagedRow): number {
  const leftTime = left.mutation.time;
  const rightTime = right.mutation.time;
  return leftTime < rightTime
    ? -1
    : leftTime > rightTime
      ? 1
      : Number(goesLast(left)) - Number(goesLast(right));
}

function goesLast({ sharesKey, mutation }: StagedRow): boolean {
  return sharesKey && mutation.after !== null;
}

/** How many of the sorted rows lie before the time. */
function countBefore(rows: readonly StagedRow[], time: Timestamp): number {
  return lowerBound(rows, (row) => row.mutation.time >= time);
}

/** How many of the sorted rows lie at or before the time. */
function countThrough(rows: readonly StagedRow[], time: Timestamp): number {
  return lowerBound(rows, (row) => row.mutation.time > time);
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

/** Characters of row text held: what the budget of `readBatches` counts. */
function textLength(rows: readonly StagedRow[]): number {
  let length = 0;
  for (const { mutation } of rows) {
    length += textLengthOf(mutation);
  }
  return length;
}
