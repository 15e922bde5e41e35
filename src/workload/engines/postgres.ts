import type { Client } from 'pg';

import { dialPostgres } from '../../config/address/postgres-dial.ts';
import { parsePostgresAddress } from '../../config/address/postgres.ts';
import type { RowText } from '../comparison.ts';
import {
  columnKinds,
  type ColumnForms,
  type ColumnKind,
  connectTimeoutMs,
  type ConnectOptions,
  type Engine,
  type EngineSession,
  statementTimeoutMs,
} from './engine.ts';

const sqlTypes: Readonly<Record<ColumnKind, string>> = {
  int4: 'int4',
  int8: 'int8',
  decimal: 'numeric',
  float8: 'float8',
  bool: 'bool',
  'short text': 'text',
  text: 'text',
  date: 'date',
  instant: 'timestamptz',
  bytes: 'bytea',
  json: 'jsonb',
  uuid: 'uuid',
  'int8 array': 'int8[]',
  'text array': 'text[]',
};

/** The text of a cell is what PostgreSQL prints. */
const forms = Object.fromEntries(
  columnKinds.map((kind) => [
    kind,
    {
      sqlType: sqlTypes[kind],
      read: (column: string) => `${column}::text`,
      expected: (cell: { readonly text: string }) => cell.text,
    },
  ]),
) as unknown as ColumnForms;

export const postgresEngine: Engine = {
  forms,
  exactJsonNumbers: true,
  quote: (name) => `"${name.replaceAll('"', '""')}"`,
  async connect(options) {
    const client = await dial(options);
    try {
      // The forms in which values.ts writes down what it expects.
      await client.query(
        `set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set bytea_output = 'hex'; set extra_float_digits = 1`,
      );
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    return new PostgresSession(client);
  },
};

async function dial({ url, onLost }: ConnectOptions): Promise<Client> {
  const address = parsePostgresAddress(url, '--targetConn');
  const client = await dialPostgres(address, {
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: statementTimeoutMs,
    application_name: 'replicator workload',
  });
  client.on('error', onLost);
  return client;
}

class PostgresSession implements EngineSession {
  readonly tableOptions = '';
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  dropTable(table: string): string {
    return `drop table if exists ${table}`;
  }

  async execute(statements: readonly string[]): Promise<void> {
    await this.#client.query(['begin', ...statements, 'commit'].join('; '));
  }

  async look(queries: readonly string[]): Promise<RowText[][]> {
    await this.#client.query('begin isolation level repeatable read read only');
    const found: RowText[][] = [];
    for (const text of queries) {
      const result = await this.#client.query<(string | null)[]>({
        text,
        rowMode: 'array',
      });
      found.push(result.rows);
    }
    await this.#client.query('commit');
    return found;
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => {});
  }
}
