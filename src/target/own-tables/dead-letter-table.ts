/** The dead letters of one schema (dead-letters.ts), the same for every engine. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import {
  byId,
  type DeadLetterDialect,
  type DeadLetterRow,
  DeadLetterSql,
  type DeadLetterStatement,
  letterOf,
  ownColumns,
  peerColumns,
  timeOf,
} from './dead-letter-sql.ts';
import type {
  DeadLetter,
  DeadLetterBox,
  DeadLetterFilter,
  DeadLetters,
  NewDeadLetter,
} from '../dead-letters.ts';

/** Runs a statement; of one that is no query the rows are none. */
export type RunStatement = (
  statement: DeadLetterStatement,
) => Promise<readonly DeadLetterRow[]>;

/** Lends a connection outside any transaction. */
export type UseConnection = <T>(
  signal: AbortSignal | undefined,
  work: (run: RunStatement) => Promise<T>,
) => Promise<T>;

export interface DeadLetterTableOptions {
  readonly dialect: DeadLetterDialect;
  readonly schema: SchemaName;
  readonly tableName: string;
}

export class DeadLetterTable implements DeadLetters {
  readonly #options: DeadLetterTableOptions;
  readonly #sql: DeadLetterSql;
  readonly #use: UseConnection;

  constructor(options: DeadLetterTableOptions, use: UseConnection) {
    this.#options = options;
    this.#sql = new DeadLetterSql(
      options.dialect,
      options.schema,
      options.tableName,
    );
    this.#use = use;
  }

  async prepare(signal?: AbortSignal): Promise<void> {
    const { dialect } = this.#options;
    await this.#use(signal, async (run) => {
      let columns = await this.#columns(run);
      if (columns.size === 0) {
        try {
          await run(bare(dialect.createStatement(this.#sql.table)));
        } catch (error) {
          if (dialect.mayNotCreate(error)) {
            throw this.#notCreated();
          }
          // Two daemons that create it at once: one of them hears of the other.
          if (!dialect.isAlreadyThere(error)) {
            throw error;
          }
        }
        columns = await this.#columns(run);
      }
      this.#requireColumns(columns);
    });
  }

  async openKeys(
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, ReadonlySet<JsonText>>> {
    const keys = new Map<string, Set<JsonText>>();
    for (const row of await this.#read(this.#sql.openKeys(), signal)) {
      const table = row['table_name'] as string;
      const known = keys.get(table) ?? new Set();
      keys.set(table, known.add(row['row_key'] as JsonText));
    }
    return keys;
  }

  async count(filter: DeadLetterFilter, signal?: AbortSignal): Promise<number> {
    const [row] = await this.#read(this.#sql.count(filter), signal);
    return Number(row?.['letters'] ?? 0);
  }

  async list(
    filter: DeadLetterFilter,
    limit: number,
    after: string | null,
    signal?: AbortSignal,
  ): Promise<DeadLetter[]> {
    const statement = this.#sql.list(filter, limit, after);
    const letters = (await this.#read(statement, signal)).map(letterOf);
    return letters.filter(
      ({ mutation }) => filter.key === undefined || mutation.key === filter.key,
    );
  }

  /** No rows where there is no table, or one that never had a letter of ours. */
  async #read(
    statement: DeadLetterStatement,
    signal: AbortSignal | undefined,
  ): Promise<readonly DeadLetterRow[]> {
    return await this.#use(signal, async (run) => {
      try {
        return await run(statement);
      } catch (error) {
        if (this.#options.dialect.isMissingTable(error)) {
          return [];
        }
        throw error;
      }
    });
  }

  /** By name: whether its type serves. */
  async #columns(run: RunStatement): Promise<Map<string, boolean>> {
    const { dialect, schema, tableName } = this.#options;
    const rows = await run(dialect.columnsStatement(schema, tableName));
    return new Map(
      rows.map((row) => [
        String(row['name']).toLowerCase(),
        String(row['fits']) === '1',
      ]),
    );
  }

  #requireColumns(columns: ReadonlyMap<string, boolean>): void {
    const { dialect } = this.#options;
    const { table } = this.#sql;
    if (columns.size === 0) {
      throw new ReplicatorError('E4019', {
        detail: `the table ${table} is there, and the account may not use it`,
        remedy: `grant SELECT, INSERT, UPDATE and DELETE on ${table} to the account in --targetConn`,
      });
    }
    const unfit = peerColumns.filter((name) => columns.get(name) !== true);
    if (unfit.length > 0) {
      throw new ReplicatorError('E4019', {
        detail: `the table ${table} is no dead-letter table: ${unfit.join(', ')} missing or of another type`,
        remedy: `rename it, or give another --dlqTableName; the daemon creates the table, or run as its owner:\n${dialect.createStatement(table)};`,
      });
    }
    const missing = ownColumns.filter((name) => columns.get(name) !== true);
    if (missing.length > 0) {
      throw new ReplicatorError('E4019', {
        detail: `the table ${table} lacks ${missing.join(', ')}`,
        remedy: `run at the target, or give another --dlqTableName:\n${dialect.alterStatements(table, missing)}`,
      });
    }
  }

  #notCreated(): ReplicatorError {
    const { table, dialect } = this.#sql;
    return new ReplicatorError('E4019', {
      detail: `the account may not create ${table}`,
      remedy: `run at the target, then grant SELECT, INSERT, UPDATE and DELETE on it to the account in --targetConn:\n${dialect.createStatement(table)};`,
    });
  }
}

/** Inside a transaction; all statements of one call are given over at once. */
export class TransactionDeadLetters implements DeadLetterBox {
  readonly #sql: DeadLetterSql;
  readonly #run: RunStatement;

  constructor(
    { dialect, schema, tableName }: DeadLetterTableOptions,
    run: RunStatement,
  ) {
    this.#sql = new DeadLetterSql(dialect, schema, tableName);
    this.#run = run;
  }

  async add(letters: readonly NewDeadLetter[]): Promise<void> {
    await this.#runAll(this.#sql.insert(letters));
  }

  async lockKeys(
    table: string,
    keys: readonly JsonText[],
  ): Promise<ReadonlyMap<JsonText, Timestamp>> {
    const rows = await this.#runAll(this.#sql.lock(table, keys));
    const asked = new Set(keys);
    const open = new Map<JsonText, Timestamp>();
    for (const row of rows) {
      const key = row['row_key'] as JsonText;
      const time = timeOf(row);
      const known = open.get(key);
      if (asked.has(key) && (known === undefined || known < time)) {
        open.set(key, time);
      }
    }
    return open;
  }

  async supersedeTable(table: string): Promise<void> {
    await this.#run(this.#sql.supersedeTable(table));
  }

  async supersede(table: string, keys: readonly JsonText[]): Promise<void> {
    await this.#runAll(this.#sql.supersede(table, keys));
  }

  async take(ids: readonly string[]): Promise<DeadLetter[]> {
    const rows = await this.#runAll(this.#sql.take(ids));
    return rows.map(letterOf).toSorted((a, b) => byId(a.id, b.id));
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#runAll(this.#sql.remove(ids));
  }

  async explain(
    ids: readonly string[],
    why: Pick<NewDeadLetter, 'code' | 'cause'>,
  ): Promise<void> {
    await this.#runAll(this.#sql.explain(ids, why));
  }

  async #runAll(
    statements: readonly DeadLetterStatement[],
  ): Promise<DeadLetterRow[]> {
    return (await Promise.all(statements.map(this.#run))).flat();
  }
}

function bare(text: string): DeadLetterStatement {
  return { text, values: [], kinds: [] };
}
