/** What the reader of the log works with: its rows, and batches made of them. */
import { textHash } from '../../lib/text-hash.ts';
import {
  type Batch,
  type Mutation,
  rowOverheadBytes,
  type TableMutations,
  textLengthOf,
} from '../../mutation/mutation.ts';
import { byVersion, versionOf } from '../../mutation/row-version.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import { decodeTable } from '../../staging/batch-codec.ts';
import { encodedRows, EncodedRow } from '../../staging/encoded-rows.ts';
import { encodedTable } from '../../staging/placed-rows.ts';
import type { StagedEntry } from '../../staging/staging.ts';
import type { ApplyOrder, SchemaShape } from '../../target/target.ts';
import { alignKeys, areAligned } from './key-alignment.ts';

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

/** A row of the log, decoded or not ({@link EncodedRow}). */
export interface StagedRow {
  readonly table: string;
  /** Decoded anew each time where it is not. */
  readonly mutation: Mutation;
  readonly time: Timestamp;
  readonly cameAt?: Timestamp | undefined;
  readonly isDelete: boolean;
  /** See {@link EncodedRows.keyHashes}. */
  readonly keyHash: number;
  /** Characters of its key and of what it was and became. */
  readonly textLength: number;
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
): readonly StagedRow[] {
  const encoded = encodedRows(entry);
  if (encoded && areAligned(entry.table, encoded.keyColumns, shape)) {
    return encoded.rows;
  }
  const staged = decodeTable(entry);
  const { table, keyColumns, mutations } = alignKeys(staged, shape);
  const isShorter = keyColumns?.length !== staged.keyColumns?.length;
  const sharesKey = isShorter && !isStatementOrder;
  return mutations.map((mutation) =>
    decodedRow(
      table,
      splitsScans ? { ...mutation, time: versionOf(mutation) } : mutation,
      sharesKey,
    ),
  );
}

export function decodedRow(
  table: string,
  mutation: Mutation,
  sharesKey: boolean,
): StagedRow {
  const { time, cameAt, after, key } = mutation;
  return {
    table,
    mutation,
    time,
    cameAt,
    isDelete: after === null,
    keyHash: textHash(key),
    textLength: textLengthOf(mutation),
    sharesKey,
  };
}

/** Rows in order, at least one, as a batch that ends with the last of them. */
export function batchOf(rows: readonly StagedRow[]): Batch {
  const byTable = new Map<string, StagedRow[]>();
  let last: StagedRow[] = [];
  let table: string | null = null;
  for (const row of rows) {
    if (row.table !== table) {
      table = row.table;
      last = byTable.get(table) ?? [];
      byTable.set(table, last);
    }
    last.push(row);
  }
  return {
    through: rows.at(-1)!.time,
    complete: true,
    tables: [...byTable].map(([name, own]) => tableOf(name, own)),
    rowCount: rows.length,
    textLength: textLength(rows),
  };
}

function tableOf(table: string, rows: readonly StagedRow[]): TableMutations {
  return rows.every((row) => row instanceof EncodedRow)
    ? encodedTable(table, rows)
    : { table, mutations: rows.map(({ mutation }) => mutation) };
}

/** Ends a fragmented transaction whose rows have all been yielded. */
export function emptyBatch(through: Timestamp): Batch {
  return { through, complete: true, tables: [], rowCount: 0, textLength: 0 };
}

/** By version; of one version deletes first, where rows share a key (`sharesKey`). */
export function byRowVersion(left: StagedRow, right: StagedRow): number {
  return (
    byVersion(left, right) || Number(goesLast(left)) - Number(goesLast(right))
  );
}

function goesLast({ sharesKey, isDelete }: StagedRow): boolean {
  return sharesKey && !isDelete;
}

/** Characters of row text held: what the budget of `readBatches` counts. */
export function textLength(rows: readonly StagedRow[]): number {
  let length = 0;
  for (const row of rows) {
    length += row.textLength;
  }
  return length;
}

/** About what the rows take in memory. */
export function heldBytes(rows: readonly StagedRow[]): number {
  return textLength(rows) + rows.length * rowOverheadBytes;
}
