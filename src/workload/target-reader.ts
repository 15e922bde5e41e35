/** Reads the workload's tables from the target, as text. */
import pLimit from 'p-limit';
import { Client } from 'pg';

import type { RowText } from './comparison.ts';
import {
  createStatements,
  dropStatements,
  ledgerTable,
  type WorkloadTable,
  workloadTables,
} from './tables.ts';

export interface TargetSnapshot {
  /** The highest entry of the ledger; 0 when it is empty. */
  readonly highestEntry: number;
  readonly entryCount: number;
  /** Every row of the tables asked for. */
  readonly rows: ReadonlyMap<string, readonly RowText[]>;
}

/** Nothing the daemon does may depend on how long we wait for the target. */
const connectTimeoutMs = 5000;
const statementTimeoutMs = 60_000;

export class TargetReader implements AsyncDisposable {
  readonly #url: string;
  readonly #schema: string;
  #client: Client | null = null;
  /** One connection: a second look waits for the first to end. */
  readonly #inTurn = pLimit(1);

  constructor(url: string, schema: string) {
    this.#url = url;
    this.#schema = schema;
  }

  /** Replaces the workload's tables by empty ones. */
  async createTables(withForeignKeys: boolean): Promise<void> {
    const client = await this.#connected();
    await client.query('begin');
    const statements = [
      ...dropStatements(),
      ...createStatements(withForeignKeys),
    ];
    for (const statement of statements) {
      await client.query(statement);
    }
    await client.query('commit');
  }

  /** One consistent look at the ledger and at every row of `tables`. */
  snapshot(
    tables: readonly WorkloadTable[] = workloadTables,
  ): Promise<TargetSnapshot> {
    return this.#inTurn(() => this.#snapshot(tables));
  }

  async #snapshot(tables: readonly WorkloadTable[]): Promise<TargetSnapshot> {
    const client = await this.#connected();
    try {
      await client.query('begin isolation level repeatable read read only');
      const ledger = await client.query<{ highest: string; count: string }>(
        `select coalesce(max(entry), 0) as highest, count(*) as count from ${ledgerTable.name}`,
      );
      const rows = new Map<string, RowText[]>();
      for (const table of tables) {
        rows.set(table.name, await readTable(client, table));
      }
      await client.query('commit');
      const { highest, count } = ledger.rows[0]!;
      return {
        highestEntry: Number(highest),
        entryCount: Number(count),
        rows,
      };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Drops the connection; the next question opens another. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #connected(): Promise<Client> {
    if (this.#client) {
      return this.#client;
    }
    const client = new Client({
      connectionString: this.#url,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: statementTimeoutMs,
      application_name: 'replicator workload',
    });
    // A target that goes away between two questions is found by the next.
    client.on('error', () => {
      if (this.#client === client) {
        this.#client = null;
      }
    });
    try {
      await client.connect();
      // The forms in which values.ts writes down what it expects.
      await client.query(
        `set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set bytea_output = 'hex'; set extra_float_digits = 1; set search_path = "${this.#schema.replaceAll('"', '""')}"`,
      );
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    this.#client = client;
    return client;
  }
}

async function readTable(
  client: Client,
  table: WorkloadTable,
): Promise<RowText[]> {
  const columns = table.columns.map((column) => `${column.name}::text`);
  const result = await client.query<(string | null)[]>({
    text: `select ${columns.join(', ')} from ${table.name}`,
    rowMode: 'array',
  });
  return result.rows;
}
