/** Compares what the target holds with what the source held. */
import type { TableHistory } from './table-history.ts';
import type { WorkloadTable } from './tables.ts';

/** A row as text, column by column; null text is SQL NULL. */
export type RowText = readonly (string | null)[];

export interface Difference {
  readonly table: string;
  readonly key: string;
  /** Null: the source has no such row. */
  readonly source: RowText | null;
  /** Null: the target has no such row. */
  readonly target: RowText | null;
}

export interface Comparison {
  readonly rowCount: number;
  readonly tableCount: number;
  readonly differenceCount: number;
  /** The first of them. */
  readonly differences: readonly Difference[];
}

const shownDifferenceCount = 10;

/** `sequence`: compare with the source right after that transaction. */
export function compareTables(
  histories: Iterable<TableHistory>,
  targetRows: ReadonlyMap<string, readonly RowText[]>,
  sequence: number,
): Comparison {
  const differences: Difference[] = [];
  let differenceCount = 0;
  let rowCount = 0;
  let tableCount = 0;
  for (const history of histories) {
    const rows = targetRows.get(history.table.name);
    if (!rows) {
      continue;
    }
    tableCount += 1;
    rowCount += rows.length;
    for (const difference of compareTable(history, rows, sequence)) {
      differenceCount += 1;
      if (differences.length < shownDifferenceCount) {
        differences.push(difference);
      }
    }
  }
  return { rowCount, tableCount, differenceCount, differences };
}

function* compareTable(
  history: TableHistory,
  rows: readonly RowText[],
  sequence: number,
): Generator<Difference> {
  const { table } = history;
  const rowByKey = new Map(rows.map((row) => [keyText(table, row), row]));
  for (const [, row] of history.stateAt(sequence)) {
    const source = row.cells.map((cell) => cell.text);
    const key = keyText(table, source);
    const target = rowByKey.get(key) ?? null;
    rowByKey.delete(key);
    if (!target || source.some((text, index) => text !== target[index])) {
      yield { table: table.name, key, source, target };
    }
  }
  for (const [key, target] of rowByKey) {
    yield { table: table.name, key, source: null, target };
  }
}

function keyText(table: WorkloadTable, row: RowText): string {
  return JSON.stringify(row.slice(0, table.keyColumnCount));
}

export function describeDifference(difference: Difference): string[] {
  const { table, key, source, target } = difference;
  const print = (row: RowText | null): string =>
    row === null ? 'no such row' : JSON.stringify(row);
  return [
    `${table} ${key}`,
    `  source: ${print(source)}`,
    `  target: ${print(target)}`,
  ];
}
