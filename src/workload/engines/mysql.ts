/** MySQL and MariaDB. */
import mysql from 'mysql2/promise';

import { parseMysqlAddress } from '../../config/address/mysql.ts';
import type { RowText } from '../comparison.ts';
import {
  type ColumnForm,
  type ColumnForms,
  connectTimeoutMs,
  type ConnectOptions,
  type Engine,
  type EngineSession,
  statementTimeoutMs,
} from './engine.ts';
import {
  canonicalJson,
  canonicalJsonOf,
  decimalPrecision,
  decimalScale,
  sameText,
  scaledDecimal,
  upperHex,
  utcMicroseconds,
  withoutMinusZero,
  zeroOrOne,
} from './printed-values.ts';

/** MySQL's own type; an alias of longtext with a check in MariaDB. */
const json: ColumnForm = {
  sqlType: 'json',
  expected: canonicalJsonOf,
  normalised: canonicalJson,
};

const forms: ColumnForms = {
  int4: { sqlType: 'int', expected: sameText },
  int8: { sqlType: 'bigint', expected: sameText },
  decimal: {
    sqlType: `decimal(${decimalPrecision}, ${decimalScale})`,
    expected: scaledDecimal,
  },
  float8: { sqlType: 'double', expected: sameText },
  bool: { sqlType: 'tinyint(1)', expected: zeroOrOne },
  // A key may have 3072 bytes, and a character four of them.
  'short text': { sqlType: 'varchar(100)', expected: sameText },
  text: { sqlType: 'longtext', expected: sameText },
  date: { sqlType: 'date', expected: sameText },
  // Not timestamp, which ends in 2038.
  instant: { sqlType: 'datetime(6)', expected: utcMicroseconds },
  bytes: {
    sqlType: 'longblob',
    read: (column) => `hex(${column})`,
    expected: upperHex,
  },
  json,
  uuid: { sqlType: 'char(36)', expected: sameText },
  'int8 array': json,
  'text array': json,
};

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

export const mysqlEngine: Engine = {
  forms,
  // What its JSON does not hold as a 64-bit integer becomes a double.
  exactJsonNumbers: false,
  quote,
  connect: openSession,
};

export const mariadbEngine: Engine = {
  // It prints minus zero as 0.
  forms: { ...forms, float8: { ...forms.float8, expected: withoutMinusZero } },
  exactJsonNumbers: true,
  quote,
  connect: openSession,
};

async function openSession(options: ConnectOptions): Promise<EngineSession> {
  const connection = await dial(options);
  try {
    const [rows] = await connection.query('select version()');
    await connection.query(
      'set session transaction isolation level repeatable read',
    );
    // Of both products the one that compares bytes and pads nothing.
    const collation = /mariadb/i.test(`${(rows as RowText[])[0]?.[0]}`)
      ? 'utf8mb4_nopad_bin'
      : 'utf8mb4_0900_bin';
    return new MysqlSession(connection, collation);
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

class MysqlSession implements EngineSession {
  readonly tableOptions: string;
  readonly #connection: mysql.Connection;

  constructor(connection: mysql.Connection, collation: string) {
    this.#connection = connection;
    this.tableOptions = `engine = InnoDB default charset = utf8mb4 collate = ${collation}`;
  }

  dropTable(table: string): string {
    return `drop table if exists ${table}`;
  }

  async execute(statements: readonly string[]): Promise<void> {
    for (const statement of statements) {
      await this.#query(statement);
    }
  }

  async look(queries: readonly string[]): Promise<RowText[][]> {
    await this.#query('start transaction with consistent snapshot, read only');
    const found: RowText[][] = [];
    for (const sql of queries) {
      found.push((await this.#query(sql)) as RowText[]);
    }
    await this.#query('commit');
    return found;
  }

  async #query(sql: string): Promise<unknown> {
    const [rows] = await this.#connection.query({
      sql,
      timeout: statementTimeoutMs,
    });
    return rows;
  }

  async close(): Promise<void> {
    // A server that does not answer would never let it end politely.
    this.#connection.destroy();
  }
}

async function dial({
  url,
  onLost,
}: ConnectOptions): Promise<mysql.Connection> {
  const { host, port, user, password, attempts } = parseMysqlAddress(
    url,
    '--targetConn',
  );
  let failure: unknown;
  for (const tls of attempts) {
    try {
      const connection = await mysql.createConnection({
        host,
        port,
        user,
        password,
        ...(tls === false ? {} : { ssl: tls as mysql.SslOptions }),
        connectTimeout: connectTimeoutMs,
        charset: 'utf8mb4',
        rowsAsArray: true,
        // As the server prints it: no number or date of JavaScript's.
        typeCast: (field) => field.string('utf8'),
      });
      connection.on('error', onLost);
      return connection;
    } catch (error) {
      failure = error;
      if (!offersNoTls(error)) {
        break;
      }
    }
  }
  throw failure;
}

function offersNoTls(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'HANDSHAKE_NO_SSL_SUPPORT';
}
