import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import {
  openSqlServerSession,
  type SqlServerSession,
  type TextRow,
} from './sqlserver-session.ts';

export type SqlServerProduct = 'sqlserver' | 'babelfish';

declare module 'vitest' {
  interface ProvidedContext {
    /** Provided by sqlserver-setup.ts: the shared server of the run; empty: none. */
    readonly sqlserverUrl: string;
    /** Babelfish speaks the language, and is another server all the same. */
    readonly sqlserverProduct: SqlServerProduct;
  }
}

export interface SqlServerTestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly product: SqlServerProduct;
  /** One batch; every value as text. */
  query(text: string): Promise<TextRow[]>;
  /** Another session. */
  session(): Promise<SqlServerSession>;
}

/** A fresh database on the shared server, dropped when disposed. */
export async function testSqlServerDatabase(): Promise<SqlServerTestDatabase> {
  const serverUrl = inject('sqlserverUrl');
  const product = inject('sqlserverProduct');
  const name = `test_${randomBytes(8).toString('hex')}`;
  {
    await using administrator = await openSqlServerSession(serverUrl);
    // Binary: names of objects are told apart as they are written.
    const collation =
      product === 'babelfish' ? '' : ' collate Latin1_General_100_BIN2';
    await administer(administrator, `create database ${name}${collation}`);
    if (product === 'sqlserver') {
      // Else a test that looks would wait for the transaction it looks at.
      await administrator.query(
        `alter database ${name} set read_committed_snapshot on`,
      );
    }
  }
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const session = await openSqlServerSession(url.href);
  return {
    name,
    url: url.href,
    product,
    query: (text) => session.query(text),
    session: () => openSqlServerSession(url.href),
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]();
      await using administrator = await openSqlServerSession(serverUrl);
      if (product === 'sqlserver') {
        await administrator.query(
          `alter database ${name} set single_user with rollback immediate`,
        );
      }
      await administer(administrator, `drop database if exists ${name}`);
    },
  };
}

/** Two databases that Babelfish makes or drops at once trip over its catalog. */
const trippedOver = /tuple concurrently updated|deadlock detected/;

async function administer(
  session: SqlServerSession,
  statement: string,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await session.query(statement);
      return;
    } catch (error) {
      if (tries === 10 || !trippedOver.test(String(error))) {
        throw error;
      }
    }
  }
}
