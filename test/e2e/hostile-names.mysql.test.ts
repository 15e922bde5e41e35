import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { runCommandLine } from '../support/captured-io.ts';
import { mysqlAccount } from '../support/granted-account.ts';
import { hostileNames } from '../support/hostile-names.ts';
import { parsedGrants } from '../support/mutated-grants.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
import { expectOnlyNames } from './hostile-house.ts';

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

test.for(MYSQL_PRODUCTS)(
  'any name of %s is only a name: rows, dead letters, parked values, staging, commands, metrics, grants',
  async (product) => {
    await using stack = new AsyncDisposableStack();
    const target = await testMysqlDatabase(product);
    const database = `${target.name} q"u\`o'te; -- %s $1`;
    const account = stack.use(
      await mysqlAccount(target, { schemas: [schemaName([database])] }),
    );
    stack.use(target);
    await target.sql(
      `create database ${quote(database)} character set utf8mb4`,
    );
    stack.defer(async () => {
      await target.sql(`drop database ${quote(database)}`);
    });
    const dataDir = await mkdtemp(join(tmpdir(), 'hostile-'));
    stack.defer(() => rm(dataDir, { recursive: true }));
    const at = (url: string): string => {
      const changed = new URL(url);
      changed.pathname = `/${encodeURIComponent(database)}`;
      return changed.href;
    };
    await expectOnlyNames({
      names: hostileNames({
        longestCharacters: 64,
        isPossible: (name) =>
          name.length <= 64 &&
          !/\s$/.test(name) &&
          !/[\u{10000}-\u{10ffff}]/u.test(name),
      }),
      identityOf: (name) =>
        name.normalize('NFD').replace(/\p{M}/gu, '').toUpperCase(),
      quote,
      tableName: (name) => `${quote(database)}.${quote(name)}`,
      integer: 'bigint',
      text: 'varchar(80) character set utf8mb4 collate utf8mb4_bin',
      sql: (text) => target.sql(text),
      rows: (text) => target.query(text),
      async grant() {
        const { stdout } = await runCommandLine([
          'preflight',
          '--print-grants',
          `--targetConn=${at(target.url)}`,
          `--grantee=${account.name}`,
          '--onRowError=deadLetter',
        ]);
        for (const { statement } of parsedGrants(stdout)) {
          await target.sql(statement);
        }
      },
      targetConn: at(account.url),
      stagingArgs: [`--dataDir=${dataDir}`],
      path: `/${encodeURIComponent(database)}`,
    });
  },
);
