/**
 * The source database in miniature: tables that start empty and one
 * transaction after another, each of which leaves every foreign key whole.
 */
import type { Timestamp } from '../mutation/timestamp.ts';
import type { Clock } from './clock.ts';
import type { Random } from './random.ts';
import { type Row, TableHistory } from './table-history.ts';
import { ledgerTable, type WorkloadTable, workloadTables } from './tables.ts';
import { changeRows, type TransactionWriter } from './transaction-mix.ts';
import {
  type Cell,
  type CellMaker,
  document,
  integerCell,
  textCell,
} from './values.ts';

/** One version of one row on its way into the feed. */
export interface RowEvent {
  readonly time: Timestamp;
  readonly topic: string;
  /** The primary key as a JSON array. */
  readonly key: string;
  /** Null for a delete. */
  readonly after: string | null;
  readonly before: string | null;
}

export interface Transaction {
  /** 1, 2, 3 …: also the primary key of its row in the ledger. */
  readonly sequence: number;
  readonly time: Timestamp;
  readonly events: readonly RowEvent[];
}

export interface SourceOptions {
  /** About how many rows the tables settle at. */
  readonly tableRows: number;
  /** Makes the values of the JSON column. */
  readonly document?: CellMaker;
}

export class Source {
  readonly #histories = new Map<string, TableHistory>(
    workloadTables.map((table) => [table.name, new TableHistory(table)]),
  );
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: SourceOptions;
  #sequence = 0;

  constructor(clock: Clock, random: Random, options: SourceOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#options = options;
  }

  /** The number of the last transaction; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  get histories(): ReadonlyMap<string, TableHistory> {
    return this.#histories;
  }

  /** Commits the next transaction, of about `rowCount` rows. */
  commit(rowCount: number): Transaction {
    const sequence = this.#sequence + 1;
    const { tableRows, document: documentMaker = document } = this.#options;
    const writes = new TransactionWrites(
      this.#histories,
      sequence,
      documentMaker,
    );
    changeRows(writes, this.#random, rowCount, tableRows);
    const time = this.#clock.tick();
    writes.put(ledgerTable, [
      integerCell(sequence),
      textCell(time),
      integerCell(writes.touchedCount),
    ]);
    this.#sequence = sequence;
    return { sequence, time, events: writes.events(time) };
  }

  prune(sequence: number): void {
    for (const history of this.#histories.values()) {
      history.prune(sequence);
    }
  }
}

function keyOf(table: WorkloadTable, cells: readonly Cell[]): string {
  const parts = cells.slice(0, table.keyColumnCount).map((cell) => cell.json);
  return `[${parts.join(', ')}]`;
}

function rowOf(table: WorkloadTable, cells: readonly Cell[]): Row {
  const parts = table.columns.map(
    (column, index) => `"${column.name}": ${cells[index]!.json}`,
  );
  return { cells, json: `{${parts.join(', ')}}` };
}

class TransactionWrites implements TransactionWriter {
  readonly #histories: ReadonlyMap<string, TableHistory>;
  readonly #sequence: number;
  readonly document: CellMaker;
  readonly #touched = new Map<
    string,
    { history: TableHistory; key: string; before: Row | null }
  >();

  constructor(
    histories: ReadonlyMap<string, TableHistory>,
    sequence: number,
    documentMaker: CellMaker,
  ) {
    this.#histories = histories;
    this.#sequence = sequence;
    this.document = documentMaker;
  }

  get touchedCount(): number {
    return this.#touched.size;
  }

  history(table: WorkloadTable): TableHistory {
    return this.#histories.get(table.name)!;
  }

  put(table: WorkloadTable, cells: readonly Cell[]): void {
    this.#write(table, keyOf(table, cells), rowOf(table, cells));
  }

  delete(table: WorkloadTable, key: string): void {
    this.#write(table, key, null);
  }

  #write(table: WorkloadTable, key: string, row: Row | null): void {
    const history = this.history(table);
    const id = `${table.name} ${key}`;
    if (!this.#touched.has(id)) {
      this.#touched.set(id, { history, key, before: history.current(key) });
    }
    history.write(key, this.#sequence, row);
  }

  /**
   * One event a row, however often the transaction wrote it. A row that was
   * born and deleted in it leaves a tombstone, and the feed sends that.
   */
  events(time: Timestamp): RowEvent[] {
    return [...this.#touched.values()].map(({ history, key, before }) => ({
      time,
      topic: history.table.name,
      key,
      after: history.current(key)?.json ?? null,
      before: before?.json ?? null,
    }));
  }
}
