/** Reads the workload's tables from the target, as text. */
import pLimit from 'p-limit';

import { ReplicatorError } from '../failure/failure.ts';
import { shownMessage } from '../failure/shown-message.ts';
import type { RowText, TargetRows } from './comparison.ts';
import type { Engine, EngineSession, ValueCell } from './engines/engine.ts';
import type { Row } from './table-history.ts';
import {
  createTableStatement,
  ledgerTable,
  type WorkloadTable,
  workloadTables,
} from './tables.ts';

/** `rows`: every row of the tables asked for. */
export interface TargetSnapshot extends TargetRows {
  /** The highest entry of the ledger; 0 when it is empty. */
  readonly highestEntry: number;
  readonly entryCount: number;
}

export interface TargetAddress {
  /** `--targetConn`. */
  readonly url: string;
  /** What qualifies a table's name: a schema, or MySQL's database. */
  readonly schema: string;
}

export class TargetReader implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #address: TargetAddress;
  #session: EngineSession | null = null;
  /** A row is looked at many times and never changes. */
  readonly #expectedByRow = new WeakMap<Row, RowText>();
  /** One connection: a second look waits for the first to end. */
  readonly #inTurn = pLimit(1);

  constructor(engine: Engine, address: TargetAddress) {
    this.#engine = engine;
    this.#address = address;
  }

  /** Rejects with E4001 when the target does not let us in. */
  async reach(): Promise<void> {
    try {
      await this.#connected();
    } catch (error) {
      if (error instanceof ReplicatorError) {
        throw error;
      }
      throw new ReplicatorError('E4001', {
        detail: `the target cannot be reached (${shownMessage(error)})`,
        cause: error,
      });
    }
  }

  /** Replaces the workload's tables by empty ones. */
  async createTables(withForeignKeys: boolean): Promise<void> {
    await this.reach();
    const session = await this.#connected();
    const quote = (name: string): string => this.#engine.quote(name);
    const spelling = {
      quote,
      tableName: (name: string) => this.#tableName(name),
      sqlTypeOf: (column: WorkloadTable['columns'][number]) =>
        this.#engine.forms[column.kind].sqlType,
      tableOptions: session.tableOptions,
    };
    await session.execute([
      // Children first, so that nothing refers to what is dropped.
      ...workloadTables
        .toReversed()
        .map(({ name }) => session.dropTable(this.#tableName(name))),
      ...workloadTables.map((table) =>
        createTableStatement(table, spelling, withForeignKeys),
      ),
    ]);
  }

  /** One consistent look at the ledger and at every row of `tables`. */
  snapshot(
    tables: readonly WorkloadTable[] = workloadTables,
  ): Promise<TargetSnapshot> {
    return this.#inTurn(() => this.#snapshot(tables));
  }

  async #snapshot(tables: readonly WorkloadTable[]): Promise<TargetSnapshot> {
    const session = await this.#connected();
    try {
      const [ledger, ...found] = await session.look([
        this.#ledgerQuery(),
        ...tables.map((table) => this.#rowsQuery(table)),
      ]);
      const [highest, count] = ledger![0]!;
      return {
        highestEntry: Number(highest),
        entryCount: Number(count),
        expected: (table, row) => this.#expected(table, row),
        rows: new Map(
          tables.map((table, index) => [
            table.name,
            this.#normalised(table, found[index]!),
          ]),
        ),
      };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  #tableName(name: string): string {
    const { quote } = this.#engine;
    return `${quote(this.#address.schema)}.${quote(name)}`;
  }

  #ledgerQuery(): string {
    const entry = this.#engine.quote('entry');
    return `select coalesce(max(${entry}), 0), count(*) from ${this.#tableName(ledgerTable.name)}`;
  }

  #rowsQuery(table: WorkloadTable): string {
    const { forms, quote } = this.#engine;
    const items = table.columns.map(({ name, kind }) => {
      const column = quote(name);
      return forms[kind].read?.(column) ?? column;
    });
    return `select ${items.join(', ')} from ${this.#tableName(table.name)}`;
  }

  #normalised(
    { columns }: WorkloadTable,
    rows: readonly RowText[],
  ): readonly RowText[] {
    const normalisers = columns.map(
      ({ kind }) => this.#engine.forms[kind].normalised,
    );
    if (normalisers.every((normalise) => normalise === undefined)) {
      return rows;
    }
    return rows.map((row) =>
      row.map((text, index) => {
        const normalise = normalisers[index];
        return text === null || !normalise ? text : normalise(text);
      }),
    );
  }

  #expected({ columns }: WorkloadTable, row: Row): RowText {
    let texts = this.#expectedByRow.get(row);
    if (!texts) {
      texts = columns.map(({ kind }, index) => {
        const cell = row.cells[index]!;
        return cell.text === null
          ? null
          : this.#engine.forms[kind].expected(cell as ValueCell);
      });
      this.#expectedByRow.set(row, texts);
    }
    return texts;
  }

  /** Drops the connection; the next question opens another. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #connected(): Promise<EngineSession> {
    if (this.#session) {
      return this.#session;
    }
    let isLost = false;
    let session: EngineSession | null = null;
    session = await this.#engine.connect({
      url: this.#address.url,
      // A target that goes away between two questions is found by the next.
      onLost: () => {
        isLost = true;
        if (this.#session === session) {
          this.#session = null;
        }
      },
    });
    this.#session = isLost ? null : session;
    return session;
  }
}
