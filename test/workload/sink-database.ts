/** Where the direct sink (direct-sink.ts) writes: one statement a row. */
import mysql from 'mysql2/promise';
import pg from 'pg';

import {
  type WorkloadTable,
  workloadTables,
} from '../../src/workload/tables.ts';

export interface SinkRow {
  readonly topic: string;
  readonly key: string;
  readonly updated: string;
  /** Numbers in it are raw JSON: see keepDigits. */
  readonly after: Record<string, unknown> | null;
}

export interface SinkDatabase {
  /** In one transaction, with no foreign key looked at. */
  apply(rows: readonly SinkRow[]): Promise<void>;
  query(sql: string): Promise<void>;
  close(): Promise<void>;
}

export async function openSinkDatabase(url: string): Promise<SinkDatabase> {
  return /^(mysql|mariadb):/.test(url) ? openMysql(url) : openPostgres(url);
}

async function openPostgres(url: string): Promise<SinkDatabase> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();

  async function applyRow(row: SinkRow): Promise<void> {
    const { topic, key, after } = row;
    const keyValues = JSON.parse(key, keepDigits) as unknown[];
    const where = keyColumns(tableOf(topic))
      .map(({ name }, index) => `${name}::text = $${index + 1}`)
      .join(' and ');
    await client.query(
      `delete from ${topic} where ${where}`,
      keyValues.map((value) =>
        typeof value === 'string' ? value : JSON.stringify(value),
      ),
    );
    if (after) {
      // PostgreSQL reads the row itself, digits, arrays and all.
      await client.query(
        `insert into ${topic} select * from json_populate_record(null::${topic}, $1)`,
        [JSON.stringify(after)],
      );
    }
  }

  return {
    async apply(rows) {
      await client.query('begin');
      await client.query("set local session_replication_role = 'replica'");
      for (const row of rows) {
        await applyRow(row);
      }
      await client.query('commit');
    },
    async query(sql) {
      await client.query(sql);
    },
    close: () => client.end(),
  };
}

async function openMysql(url: string): Promise<SinkDatabase> {
  const client = await mysql.createConnection({
    uri: url,
    charset: 'utf8mb4',
    timezone: 'Z',
  });
  await client.query('set foreign_key_checks = 0');

  async function applyRow({ topic, key, after }: SinkRow): Promise<void> {
    const table = tableOf(topic);
    const keyValues = JSON.parse(key, keepDigits) as unknown[];
    const where = keyColumns(table).map(({ name }) => `\`${name}\` = ?`);
    await client.query(
      `delete from ${topic} where ${where.join(' and ')}`,
      keyValues.map((value) =>
        typeof value === 'string' ? value : JSON.stringify(value),
      ),
    );
    if (after) {
      await client.query(
        `insert into ${topic} values (${table.columns.map(() => '?').join(', ')})`,
        table.columns.map(({ name, kind }) => mysqlText(kind, after[name])),
      );
    }
  }

  return {
    async apply(rows) {
      await client.query('start transaction');
      for (const row of rows) {
        await applyRow(row);
      }
      await client.query('commit');
    },
    async query(sql) {
      await client.query(sql);
    },
    close: () => client.end(),
  };
}

function mysqlText(
  kind: WorkloadTable['columns'][number]['kind'],
  value: unknown,
): string | number | Buffer | null {
  if (value === null || value === undefined) {
    return null;
  }
  if (typeof value === 'boolean') {
    return value ? 1 : 0;
  }
  if (typeof value !== 'string') {
    return JSON.stringify(value);
  }
  if (kind === 'instant') {
    return value.replace('T', ' ').replace('Z', '');
  }
  return kind === 'bytes' ? Buffer.from(value.slice(2), 'hex') : value;
}

function tableOf(topic: string): WorkloadTable {
  return workloadTables.find(({ name }) => name === topic)!;
}

function keyColumns(table: WorkloadTable): WorkloadTable['columns'] {
  return table.columns.slice(0, table.keyColumnCount);
}

/** Numbers stay the text they were sent as. */
export function keepDigits(
  this: unknown,
  _key: string,
  value: unknown,
  context?: { source?: string },
): unknown {
  return typeof value === 'number'
    ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(
        context!.source!,
      )
    : value;
}
