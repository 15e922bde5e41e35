/** What the reader of the log works with: its rows, and batches made of them. */
import {
  type Batch,
  type Mutation,
  type TableMutations,
  textLengthOf,
} from '../../mutation/mutation.ts';
import { byVersion, versionOf } from '../../mutation/row-version.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import { decodeTable } from '../../staging/batch-codec.ts';
import type { StagedEntry } from '../../staging/staging.ts';
import type { ApplyOrder, SchemaShape } from '../../target/target.ts';
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
  /** The times of rows are their versions (mutation/row-version.ts). */
  readonly splitsScans?: true;
}

export interface StagedRow {
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

/** The rows of an entry, keys in the order of the target; throws E2006 and E4018. */
export function rowsOf(
  entry: StagedEntry,
  shape: SchemaShape,
  { isStatementOrder, splitsScans }: BatchLimits,
): StagedRow[] {
  const staged = decodeTable(entry);
  const { table, keyColumns, mutations } = alignKeys(staged, shape);
  const isShorter = keyColumns?.length !== staged.keyColumns?.length;
  return mutations.map((mutation) => ({
    table,
    mutation: splitsScans
      ? { ...mutation, time: versionOf(mutation) }
      : mutation,
    sharesKey: isShorter && !isStatementOrder,
  }));
}

/** Rows in order, at least one, as a batch that ends with the last of them. */
export function batchOf(rows: readonly StagedRow[]): Batch {
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
export function emptyBatch(through: Timestamp): Batch {
  return { through, complete: true, tables: [], rowCount: 0, textLength: 0 };
}

/** By version; of one version deletes first, where rows share a key (`sharesKey`). */
export function byRowVersion(left: StagedRow, right: StagedRow): number {
  return (
    byVersion(left.mutation, right.mutation) ||
    Number(goesLast(left)) - Number(goesLast(right))
  );
}

function goesLast({ sharesKey, mutation }: StagedRow): boolean {
  return sharesKey && mutation.after !== null;
}

/** Characters of row text held: what the budget of `readBatches` counts. */
export function textLength(rows: readonly StagedRow[]): number {
  let length = 0;
  for (const { mutation } of rows) {
    length += textLengthOf(mutation);
  }
  return length;
}
