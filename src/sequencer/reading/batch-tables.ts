import { ReplicatorError } from '../../failure/failure.ts';
import {
  type Batch,
  type EncodedRows,
  type Mutation,
  type TableMutations,
  textLengthOf,
} from '../../mutation/mutation.ts';
import { laterTimestamp, zeroTimestamp } from '../../mutation/timestamp.ts';
import { joinedTable } from '../../staging/placed-rows.ts';
import type {
  SchemaShape,
  TableRows,
  TableShape,
} from '../../target/target.ts';

/**
 * Joins staged mutations with the target's tables as they are now. A table
 * that was there when its rows were staged and is gone halts the pipeline:
 * its rows must not be lost by looking away (E4012).
 */
export function tablesInShape(
  tables: readonly TableMutations[],
  shape: SchemaShape,
): TableRows[] {
  return tables.map((part) => {
    const { table } = part;
    const found = shape.tables.get(table);
    if (!found) {
      throw new ReplicatorError('E4012', {
        detail: `the table ${shape.name}.${table} is gone from the target, and ${part.mutations.length} staged rows need it`,
      });
    }
    return new RowsInShape(found, part);
  });
}

class RowsInShape implements TableRows {
  readonly table: TableShape;
  readonly encoded?: EncodedRows;
  readonly #part: TableMutations;

  constructor(table: TableShape, part: TableMutations) {
    this.table = table;
    if (part.encoded) {
      this.encoded = part.encoded;
    }
    this.#part = part;
  }

  get mutations(): readonly Mutation[] {
    return this.#part.mutations;
  }
}

/** For those who know a row by its object: encoded rows are decoded, once. */
export function decodedTables<Table>(
  tables: readonly {
    readonly table: Table;
    readonly mutations: readonly Mutation[];
  }[],
): { table: Table; mutations: readonly Mutation[] }[] {
  return tables.map(({ table, mutations }) => ({ table, mutations }));
}

/** Joins the tables of several requests; arrival order is kept per table. */
export function joinedBatch(parts: readonly TableMutations[]): Batch {
  let rowCount = 0;
  let textLength = 0;
  let through = zeroTimestamp;
  for (const part of parts) {
    const { encoded } = part;
    if (encoded) {
      rowCount += encoded.rowCount;
      textLength += encoded.textLength;
      through = laterTimestamp(through, encoded.newest);
      continue;
    }
    for (const mutation of part.mutations) {
      rowCount += 1;
      textLength += textLengthOf(mutation);
      through = laterTimestamp(through, mutation.time);
    }
  }
  const byTable = Map.groupBy(parts, ({ table }) => table);
  return {
    through,
    complete: true,
    tables: [...byTable].map(([table, own]) => joinedTable(table, own)),
    rowCount,
    textLength,
  };
}
