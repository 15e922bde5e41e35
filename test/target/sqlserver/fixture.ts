import { inject } from 'vitest';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import type { Target } from '../../../src/target/target.ts';
import type {
  ReopenOptions,
  TargetFixture,
} from '../../contract/target-fixture.ts';
import {
  type SqlServerTestDatabase,
  testSqlServerDatabase,
} from '../../support/sqlserver-test-database.ts';

export interface SqlServerFixture extends TargetFixture {
  readonly database: SqlServerTestDatabase;
}

/** Whether the run has a server; missing-server-reporter.ts counts the rest. */
export const hasServer = inject('sqlserverUrl') !== '';
export const isBabelfish = inject('sqlserverProduct') === 'babelfish';

/** A fresh database, its schema `dbo`, and a target on it. */
export async function sqlserverFixture(): Promise<SqlServerFixture> {
  const database = await testSqlServerDatabase();
  const open = (options: ReopenOptions): Promise<Target> =>
    openTarget({
      url: targetUrl(options.url ?? database.url),
      ...defaultTargetOptions,
      applyTimeoutMs: options.applyTimeoutMs ?? 30_000,
      pool: { ...defaultTargetOptions.pool, maxSize: options.poolSize ?? 8 },
    });
  const target = await open({});
  const maxNameLength = isBabelfish ? 63 : 128;
  return {
    database,
    target,
    url: targetUrl(database.url),
    schema: schemaName([database.name, 'dbo']),
    systemSchema: schemaName([database.name, 'sys']),
    async sql(text) {
      await database.query(text);
    },
    rows: (text) => database.query(text),
    quote: quoted,
    reopen: open,
    ddl: {
      integer: 'bigint',
      smallInteger: 'int',
      text: 'nvarchar(max)',
      shortText: (length) => `nvarchar(${length}) collate latin1_general_bin2`,
      decimal: 'decimal(38,7)',
      identityAlways: 'identity(1,1)',
      identityByDefault: 'identity(1,1)',
      generated: (_type, expression) => `as (${expression})`,
      renameColumn: (table, from, to) =>
        `exec sp_rename '${table}.${from}', '${to}', 'COLUMN'`,
    },
    names: {
      longest: 'x'.repeat(maxNameLength),
      isPossible: (name) =>
        name.length <= maxNameLength &&
        Buffer.byteLength(name) <= (isBabelfish ? 63 : 256) &&
        !/[\s\0]$/.test(name),
      identityOf: (name) =>
        isBabelfish
          ? name.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
          : name,
    },
    maxColumnCount: 1024,
    async [Symbol.asyncDispose]() {
      await target[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Babelfish must be asked for by name. */
export function targetUrl(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  if (isBabelfish) {
    url.searchParams.set('babelfish', 'true');
  }
  return url.href;
}

export function quoted(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`;
}
