/** Which columns rows carry or lack, and their keys laid out by column. */
import { ReplicatorError } from '../failure/failure.ts';
import {
  arrayElements,
  scanObject,
  skipBlank,
  unescape,
} from '../mutation/json-text.ts';
import type { JsonText, Mutation } from '../mutation/mutation.ts';
import type { ColumnShape, KeyMoves, KeyRows, TableShape } from './target.ts';

/** Tells whether a row carries every column that the target does not compute. */
export function wholeRowTest(table: TableShape): (after: JsonText) => boolean {
  const needed = table.columns.filter(({ generated }) => !generated).length;
  return (after) => {
    const names = new Set<string>();
    scanObject(after, skipBlank(after, 0), (start, end) => {
      const column = table.columnByName.get(unescape(after, start, end));
      if (column && !column.generated) {
        names.add(column.name);
      }
    });
    return names.size === needed;
  };
}

/** Whether one of the versions lacks columns, and is no delete. */
export function anySparse(
  table: TableShape,
  versions: readonly Pick<Mutation, 'after'>[],
): boolean {
  const isWhole = wholeRowTest(table);
  return versions.some(({ after }) => after !== null && !isWhole(after));
}

/** A row that is new would lack what it must have. */
export function lacksNeeded(
  table: TableShape,
  columns: readonly ColumnShape[],
): boolean {
  return table.columns.some(
    (column) =>
      !column.nullable &&
      !column.hasDefault &&
      !column.generated &&
      !columns.includes(column),
  );
}

/** Throws E4011 for a key of another width. */
export function requireKeyWidth(table: TableShape, width: number): void {
  const { length } = table.primaryKey;
  if (width !== length) {
    throw new ReplicatorError('E4011', {
      detail: `a key of table ${table.schema}.${table.name} has ${width} columns, the primary key ${length}`,
    });
  }
}

/** The keys of rows, laid out by key column. */
export function keyRows(table: TableShape, keys: readonly JsonText[]): KeyRows {
  const columns = table.primaryKey.map(() => [] as JsonText[]);
  for (const key of keys) {
    const elements = arrayElements(key);
    requireKeyWidth(table, elements.length);
    for (let ordinal = 0; ordinal < columns.length; ordinal++) {
      columns[ordinal]!.push(elements[ordinal]!);
    }
  }
  return { table, keys: columns, rowCount: keys.length };
}

export interface KeyMove {
  readonly from: JsonText;
  readonly to: JsonText;
}

/** The keys of moves, laid out by key column. */
export function keyMoves(
  table: TableShape,
  moves: readonly KeyMove[],
): KeyMoves {
  return {
    table,
    from: keyRows(
      table,
      moves.map(({ from }) => from),
    ).keys,
    to: keyRows(
      table,
      moves.map(({ to }) => to),
    ).keys,
    rowCount: moves.length,
  };
}
