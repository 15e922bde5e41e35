import { schemaName } from '../../../src/mutation/schema-name.ts';
import { openMysqlTarget } from '../../../src/target/mysql/dialect.ts';
import { defaultTargetOptions } from '../../../src/target/open-target.ts';
import type { Target } from '../../../src/target/target.ts';
import type {
  ReopenOptions,
  TargetFixture,
} from '../../contract/target-fixture.ts';
import type { MysqlProduct } from '../../support/mysql-binaries.ts';
import { makesTables, mysqlAccount } from '../../support/granted-account.ts';
import {
  type MysqlTestDatabase,
  testMysqlDatabase,
} from '../../support/mysql-test-database.ts';

export interface MysqlFixture extends TargetFixture {
  readonly database: MysqlTestDatabase;
}

/** A fresh database and a target on it. */
export async function mysqlFixture(
  product: MysqlProduct,
  {
    granted = false,
    ...tuning
  }: {
    readonly fewRows?: number;
    readonly statementCacheSize?: number;
    /** As an account that has the printed grants of the schema, and no more. */
    readonly granted?: boolean;
  } = {},
): Promise<MysqlFixture> {
  const database = await testMysqlDatabase(product);
  const schema = schemaName([database.name]);
  const account = granted
    ? await mysqlAccount(database, { schemas: [schema] })
    : null;
  await account?.grant();
  const open = async (options: ReopenOptions): Promise<Target> =>
    openMysqlTarget({
      url: options.url ?? account?.url ?? database.url,
      ...defaultTargetOptions,
      ...tuning,
      applyTimeoutMs: options.applyTimeoutMs ?? 30_000,
      pool: { ...defaultTargetOptions.pool, maxSize: options.poolSize ?? 8 },
    });
  const target = await open({});
  return {
    database,
    target,
    url: account?.url ?? database.url,
    allowDeadLetters: async (dlqTableName) => account?.grant({ dlqTableName }),
    schema,
    systemSchema: schemaName(['information_schema']),
    async sql(text) {
      await database.query(text);
      if (makesTables(text)) {
        await account?.grant();
      }
    },
    rows: (text) => database.query(text),
    quote: quoted,
    reopen: open,
    ddl: {
      integer: 'bigint',
      smallInteger: 'int',
      text: 'longtext',
      shortText: (length) => `varchar(${length}) collate utf8mb4_bin`,
      decimal: 'decimal(65,10)',
      json: 'json',
      // There is no identity that other values may not take.
      identityAlways: 'auto_increment',
      identityByDefault: 'auto_increment',
      generated: (type, expression) =>
        `${type} generated always as (${expression}) stored`,
      renameColumn: (table, from, to) =>
        `alter table ${quoted(table)} rename column ${quoted(from)} to ${quoted(to)}`,
    },
    names: {
      longest: 'x'.repeat(64),
      isPossible: (name) =>
        name.length <= 64 &&
        !/[\s\0]$/.test(name) &&
        // Names are in three bytes at most.
        !/[\u{10000}-\u{10ffff}]/u.test(name),
      // utf8mb3_general_ci, as far as the suite's names go.
      identityOf: (name) =>
        name.normalize('NFD').replace(/\p{M}/gu, '').toUpperCase(),
    },
    maxColumnCount: 1017,
    async [Symbol.asyncDispose]() {
      await target[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await account?.[Symbol.asyncDispose]();
    },
  };
}

export function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
