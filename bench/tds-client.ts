/** The little of tedious that cases and floors of SQL Server need. */
import { type BulkLoad, Connection, Request, TYPES } from 'tedious';
import { parseSqlServerAddress } from '../src/config/address/sqlserver.ts';

export interface TdsClient extends AsyncDisposable {
  /** One batch; the rows of its last result. */
  query(sql: string): Promise<unknown[][]>;
  /** A statement that reads `@rows`. */
  queryWithRows(sql: string, rows: string): Promise<void>;
  /** INSERT BULK: `define` names the columns. */
  bulkLoad(
    table: string,
    define: (load: BulkLoad) => void,
    rows: readonly unknown[][],
  ): Promise<void>;
}

export async function openTdsClient(url: string): Promise<TdsClient> {
  const address = parseSqlServerAddress(url, '--targetConn');
  const [tls = false] = address.attempts;
  const connection = new Connection({
    server: address.host,
    authentication: {
      type: 'default',
      options: { userName: address.user, password: address.password },
    },
    options: {
      port: address.port,
      database: address.database,
      encrypt: tls !== false,
      trustServerCertificate: tls === false || tls.rejectUnauthorized === false,
      requestTimeout: 0,
    },
  });
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  const run = (
    sql: string,
    start: (request: Request) => void,
  ): Promise<unknown[][]> =>
    new Promise((resolve, reject) => {
      const rows: unknown[][] = [];
      const request = new Request(sql, (error) =>
        error ? reject(error) : resolve(rows),
      );
      request.on('row', (columns: { value: unknown }[]) =>
        rows.push(columns.map(({ value }) => value)),
      );
      start(request);
    });
  return {
    query: (sql) => run(sql, (request) => connection.execSqlBatch(request)),
    async queryWithRows(sql, rows) {
      await run(sql, (request) => {
        request.addParameter('rows', TYPES.NVarChar, rows);
        connection.execSql(request);
      });
    },
    bulkLoad: (table, define, rows) =>
      new Promise((resolve, reject) => {
        const load = connection.newBulkLoad(table, (error) =>
          error ? reject(error) : resolve(),
        );
        define(load);
        connection.execBulkLoad(load, rows);
      }),
    async [Symbol.asyncDispose]() {
      connection.close();
    },
  };
}
