import { type Batch, isTruncation } from '../../mutation/mutation.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { beforeVersion } from '../../mutation/row-version.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type {
  EntrySummary,
  StagedEntry,
  StagingStore,
} from '../../staging/staging.ts';
import type { SchemaShape } from '../../target/target.ts';
import { type GiantPass, withoutLinks } from './giant-passes.ts';
import {
  type BatchLimits,
  batchOf,
  decodedRow,
  emptyBatch,
  rowsOf,
  type StagedRow,
  textLength,
} from './staged-rows.ts';

/**
 * One transaction that does not fit into memory, in as many readings of its
 * time as its foreign keys and deletes need (giant-passes.ts): all but the
 * last batch are fragments. The first reading tells which of the others have
 * rows.
 */
export async function* readGiant(
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
    after: beforeVersion(time),
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
          if (row.time === time) {
            const kind = row.isDelete ? 'deletes' : 'upserts';
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
  for (const row of deletes) {
    if (row.sharesKey) {
      const keys = shared.get(row.table) ?? new Set();
      shared.set(row.table, keys.add(row.mutation.key));
    }
  }
  if (shared.size === 0) {
    return deletes;
  }
  const { time } = deletes[0]!;
  let cursor: EntrySummary | null = null;
  for (;;) {
    const entries = await readEntries(cursor);
    if (entries.length === 0) {
      return deletes.filter(
        (row) => !row.sharesKey || shared.get(row.table)!.has(row.mutation.key),
      );
    }
    for (const entry of entries) {
      const keys = shared.get(entry.table);
      for (const row of keys ? rowsOfEntry(entry) : []) {
        if (row.time === time && !row.isDelete) {
          keys!.delete(row.mutation.key);
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
  row: StagedRow,
  { kind, tables, deletedBefore }: GiantPass,
): boolean {
  const { table, isDelete, sharesKey } = row;
  if (kind !== 'parkings') {
    return tables.has(table) && isDelete === (kind !== 'upserts');
  }
  const keeps =
    isDelete &&
    (sharesKey || isTruncation(row.mutation) || deletedBefore?.has(table));
  return tables.has(table) && !keeps;
}

function partOfPass(row: StagedRow, { links }: GiantPass): StagedRow {
  const ofTable = links.get(row.table);
  if (!ofTable || row.isDelete) {
    return row;
  }
  const { table, mutation, sharesKey } = row;
  const after = withoutLinks(mutation.after!, ofTable);
  return decodedRow(table, { ...mutation, after }, sharesKey);
}
