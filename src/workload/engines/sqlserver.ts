/** SQL Server and Azure SQL. */
import { Connection, Request } from 'tedious';

import {
  parseSqlServerAddress,
  type SqlServerAddress,
} from '../../config/address/sqlserver.ts';
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

/** Everything is read as text: tedious makes doubles of decimals. */
function printed(style?: number): (column: string) => string {
  return (column) =>
    `convert(nvarchar(max), ${column}${style === undefined ? '' : `, ${style}`})`;
}

/** Compares code points. */
const collation = 'collate Latin1_General_100_BIN2';

const json: ColumnForm = {
  sqlType: `nvarchar(max) ${collation}`,
  expected: canonicalJsonOf,
  normalised: canonicalJson,
};

const forms: ColumnForms = {
  int4: { sqlType: 'int', read: printed(), expected: sameText },
  int8: { sqlType: 'bigint', read: printed(), expected: sameText },
  decimal: {
    sqlType: `decimal(${decimalPrecision}, ${decimalScale})`,
    read: printed(),
    expected: scaledDecimal,
  },
  float8: {
    sqlType: 'float(53)',
    // 17 digits in scientific notation, which no other style gives.
    read: printed(3),
    expected: withoutMinusZero,
    normalised: (text) => `${Number(text) + 0}`,
  },
  bool: { sqlType: 'bit', read: printed(), expected: zeroOrOne },
  'short text': { sqlType: `nvarchar(100) ${collation}`, expected: sameText },
  text: { sqlType: `nvarchar(max) ${collation}`, expected: sameText },
  date: { sqlType: 'date', read: printed(23), expected: sameText },
  instant: {
    sqlType: 'datetimeoffset(6)',
    read: printed(121),
    expected: (cell) => `${utcMicroseconds(cell)} +00:00`,
    // Babelfish leaves zeros at the end out.
    normalised: (text) =>
      text.replace(
        /^(\S+ [\d:]+)(?:\.(\d+))? /,
        (_, seconds: string, fraction = '') =>
          `${seconds}.${`${fraction}`.padEnd(6, '0')} `,
      ),
  },
  bytes: { sqlType: 'varbinary(max)', expected: upperHex },
  json,
  uuid: {
    sqlType: 'uniqueidentifier',
    read: (column) => `lower(${printed()(column)})`,
    expected: sameText,
  },
  'int8 array': json,
  'text array': json,
};

export const sqlserverEngine: Engine = {
  forms,
  exactJsonNumbers: true,
  quote: (name) => `[${name.replaceAll(']', ']]')}]`,
  async connect(options) {
    const session = new SqlServerSession(await dial(options));
    await session.prepare();
    return session;
  },
};

class SqlServerSession implements EngineSession {
  readonly tableOptions = '';
  readonly #connection: Connection;
  /** Readers without row versions wait for writers, and both may deadlock. */
  #isolation: 'snapshot' | 'serializable' = 'serializable';

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async prepare(): Promise<void> {
    const [[state] = []] = await this.#query(
      'select convert(nvarchar(max), snapshot_isolation_state) from sys.databases where name = db_name()',
    );
    if (state === '1') {
      this.#isolation = 'snapshot';
    }
    await this.#query('set lock_timeout 30000');
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
    await this.#query(`set transaction isolation level ${this.#isolation}`);
    await this.#query('begin transaction');
    const found: RowText[][] = [];
    for (const sql of queries) {
      found.push(await this.#query(sql));
    }
    await this.#query('commit');
    return found;
  }

  #query(sql: string): Promise<RowText[]> {
    const { promise, resolve, reject } = Promise.withResolvers<RowText[]>();
    const rows: RowText[] = [];
    const request = new Request(sql, (error) =>
      error ? reject(error) : resolve(rows),
    );
    request.on('row', (columns: { value: DriverValue }[]) => {
      rows.push(columns.map(({ value }) => textOf(value)));
    });
    this.#connection.execSqlBatch(request);
    return promise;
  }

  async close(): Promise<void> {
    this.#connection.close();
  }
}

/** What tedious makes of the columns that are read. */
type DriverValue = string | number | Buffer | null;

function textOf(value: DriverValue): string | null {
  return Buffer.isBuffer(value)
    ? value.toString('hex').toUpperCase()
    : value === null
      ? null
      : `${value}`;
}

async function dial({ url, onLost }: ConnectOptions): Promise<Connection> {
  const address = parseSqlServerAddress(url, '--targetConn');
  let failure: unknown;
  for (const tls of address.attempts) {
    const connection = connectionTo(address, tls);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    connection.on('error', onLost);
    connection.connect((error) => (error ? reject(error) : resolve()));
    try {
      await promise;
      connection.on('end', onLost);
      return connection;
    } catch (error) {
      connection.close();
      failure = error;
    }
  }
  throw failure;
}

function connectionTo(
  { host, port, user, password, database }: SqlServerAddress,
  tls: SqlServerAddress['attempts'][number],
): Connection {
  return new Connection({
    server: host,
    authentication: {
      type: 'default',
      options: { userName: user, password },
    },
    options: {
      port,
      database,
      encrypt: tls !== false,
      trustServerCertificate: tls === false || tls.rejectUnauthorized === false,
      ...(tls === false ? {} : { cryptoCredentialsDetails: tls }),
      connectTimeout: connectTimeoutMs,
      requestTimeout: statementTimeoutMs,
      appName: 'replicator workload',
    },
  });
}
