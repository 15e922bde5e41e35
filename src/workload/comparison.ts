/** Compares what the target holds with what the source held. */
import type { Row, TableHistory } from './table-history.ts';
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

/** What a target holds, and how it would print what the source holds. */
export interface TargetRows {
  readonly rows: ReadonlyMap<string, readonly RowText[]>;
  readonly expected: (table: WorkloadTable, row: Row) => RowText;
}

const shownDifferenceCount = 10;

/** `sequence`: compare with the source right after that transaction. */
export function compareTables(
  histories: Iterable<TableHistory>,
  target: TargetRows,
  sequence: number,
): Comparison {
  const differences: Difference[] = [];
  let differenceCount = 0;
  let rowCount = 0;
  let tableCount = 0;
  for (const history of histories) {
    const rows = target.rows.get(history.table.name);
    if (!rows) {
      continue;
    }
    tableCount += 1;
    rowCount += rows.length;
    const source = stateAt(history, sequence, target.expected);
    for (const difference of compareTable(history.table, source, rows)) {
      differenceCount += 1;
      if (differences.length < shownDifferenceCount) {
        differences.push(difference);
      }
    }
  }
  return { rowCount, tableCount, differenceCount, differences };
}

function* stateAt(
  history: TableHistory,
  sequence: number,
  expected: TargetRows['expected'],
): Generator<RowText> {
  for (const [, row] of history.stateAt(sequence)) {
    yield expected(history.table, row);
  }
}

function* compareTable(
  table: WorkloadTable,
  sourceRows: Iterable<RowText>,
  targetRows: readonly RowText[],
): Generator<Difference> {
  const rowByKey = new Map(targetRows.map((row) => [keyText(table, row), row]));
  for (const source of sourceRows) {
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
