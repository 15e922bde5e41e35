/** A session of its own for tests, that shares nothing with the target but the driver. */
import oracledb from 'oracledb';

/** Every value as text. */
export type TextRow = (string | null)[];

export interface OracleSession extends AsyncDisposable {
  /** One statement, committed; its rows where it has any. */
  query(text: string): Promise<TextRow[]>;
}

export async function openOracleSession(url: string): Promise<OracleSession> {
  const { host, username, password, pathname } = new URL(url);
  const connection = await oracledb.getConnection({
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    connectString: `${host}${pathname}`,
    // A test may drop a table whose cursor is kept.
    stmtCacheSize: 0,
  });
  return {
    async query(text) {
      const { rows } = await connection.execute<TextRow>(text, [], {
        autoCommit: true,
        outFormat: oracledb.OUT_FORMAT_ARRAY,
        fetchTypeHandler: () => ({ type: oracledb.STRING }),
      });
      return rows ?? [];
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}
