import { randomBytes } from 'node:crypto';
import mysql from 'mysql2/promise';
import { inject } from 'vitest';
import type { MysqlProduct } from './mysql-binaries.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Provided by mysql-setup.ts: the shared servers of the run. */
    readonly mysqlUrl: string;
    readonly mariadbUrl: string;
  }
}

/** A row's values as the server writes them; bytes as `0x00ff`. */
export type TextRow = (string | null)[];

export interface MysqlTestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly product: MysqlProduct;
  /** One statement; `?` stands for a parameter. Rows of a select, else none. */
  query(sql: string, parameters?: readonly unknown[]): Promise<TextRow[]>;
  /** Statements separated by semicolons. */
  sql(script: string): Promise<void>;
}

export const MYSQL_PRODUCTS: readonly MysqlProduct[] = ['mysql', 'mariadb'];

/** A fresh database on the shared server, dropped when disposed. */
export async function testMysqlDatabase(
  product: MysqlProduct,
): Promise<MysqlTestDatabase> {
  const serverUrl = inject(product === 'mysql' ? 'mysqlUrl' : 'mariadbUrl');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(serverUrl, async (client) => {
    await client.query(`create database ${name} character set utf8mb4`);
  });
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = mysql.createPool({
    ...clientOptions(url.href),
    connectionLimit: 4,
    multipleStatements: true,
  });
  return {
    name,
    url: url.href,
    product,
    async query(sql, parameters = []) {
      const [rows] = await pool.query<mysql.RowDataPacket[][]>(sql, [
        ...parameters,
      ]);
      return Array.isArray(rows) ? (rows as unknown as TextRow[]) : [];
    },
    async sql(script) {
      await pool.query(script);
    },
    async [Symbol.asyncDispose]() {
      await pool.end();
      await administer(serverUrl, async (client) => {
        await drop(client, name);
      });
    },
  };
}

/**
 * A session left over would make the drop wait for its locks. Not asked of the
 * information_schema: MySQL 9.7 fails there ("Cannot convert string") where
 * another session's statement is cut within an emoji.
 */
async function drop(client: mysql.Connection, name: string): Promise<void> {
  const [sessions] =
    await client.query<mysql.RowDataPacket[]>('show processlist');
  for (const session of sessions) {
    const [id, , , database] = session as unknown as TextRow;
    if (database === name) {
      // It may have ended by itself.
      await client.query(`kill ${id}`).catch(() => {});
    }
  }
  await client.query(`drop database if exists ${name}`);
}

async function administer(
  serverUrl: string,
  work: (client: mysql.Connection) => Promise<void>,
): Promise<void> {
  const client = await mysql.createConnection(clientOptions(serverUrl));
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function clientOptions(uri: string): mysql.ConnectionOptions {
  return {
    uri,
    charset: 'utf8mb4',
    timezone: 'Z',
    jsonStrings: true,
    rowsAsArray: true,
    // mysql2 would put it into the session's sql_mode.
    flags: ['-IGNORE_SPACE'],
    typeCast: (field, next) => {
      if (BINARY.test(field.type)) return hex(field.buffer());
      if (!CHARACTERS.test(field.type)) return field.string('utf8');
      const value = next() as string | Buffer | null;
      return Buffer.isBuffer(value) ? hex(value) : value;
    },
  };
}

const BINARY = /^(BIT|GEOMETRY|VECTOR)$/;
/** Text or bytes: which of the two, mysql2 knows by the character set. */
const CHARACTERS = /CHAR|STRING|BLOB|ENUM|SET/;

function hex(bytes: Buffer | null): string | null {
  return bytes === null ? null : `0x${bytes.toString('hex')}`;
}
