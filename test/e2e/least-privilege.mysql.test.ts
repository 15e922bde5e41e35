/** Daemons whose account has what `preflight --print-grants` prints, and no more. */
import { expect, test } from 'vitest';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { runCommandLine } from '../support/captured-io.ts';
import { startDaemon } from '../support/daemon.ts';
import { mysqlAccount } from '../support/granted-account.ts';
import {
  expectEachGrantNamed,
  printedGrants,
} from '../support/mutated-grants.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
import { until } from './arena.ts';
import { HandFeed } from './hand-feed.ts';

test.for(MYSQL_PRODUCTS)(
  'a daemon does all its work with the printed grants of %s: rows, deletes, swaps, dead letters',
  async (product) => {
    await using stack = new AsyncDisposableStack();
    const target = await testMysqlDatabase(product);
    const account = stack.use(
      await mysqlAccount(target, { schemas: [schemaName([target.name])] }),
    );
    stack.use(target);
    await target.sql(`
      create table customer (id bigint primary key, email varchar(20) collate utf8mb4_bin not null unique);
      create table entry (id bigint primary key, customer bigint not null, up bigint,
        amount decimal(20,2), foreign key (customer) references customer (id), foreign key (up) references entry (id));
      create trigger no_more before insert on entry for each row
        begin if new.amount > 1000 then signal sqlstate '45000' set message_text = 'too much'; end if; end`);
    const args = [`--targetSchema=${target.name}`, '--onRowError=deadLetter'];
    const grants = await printedGrants({
      administrator: [`--targetConn=${target.url}`, ...args],
      grantee: account.name,
    });
    expect(grants.length).toBeGreaterThan(5);
    for (const { statement } of grants) {
      await target.sql(statement);
    }
    const daemon = stack.use(
      await startDaemon({
        args: [
          '--disableAuthentication',
          `--targetConn=${account.url}`,
          ...args.slice(1),
        ],
      }),
    );
    using feed = new HandFeed(`${daemon.url}/${target.name}`);
    const customer = (id: number, email: string, at: number) => ({
      topic: 'customer',
      key: [id],
      after: { id, email },
      at,
    });
    const entry = (id: number, at: number, amount: number | null) => ({
      topic: 'entry',
      key: [id],
      after: amount === null ? null : { id, customer: 1, up: 1, amount },
      at,
    });
    expect(
      (
        await feed.rows(
          customer(1, 'a', 1),
          customer(2, 'b', 1),
          entry(1, 1, 1),
          entry(2, 1, 1),
          entry(3, 2, 5000),
          customer(1, 'b', 3),
          customer(2, 'a', 3),
          entry(2, 4, null),
          ...Array.from({ length: 200 }, (_, index) =>
            customer(100 + index, `c${index}`, 4),
          ),
        )
      ).status,
    ).toBe(200);
    await feed.resolved(5);
    const holds = async (sql: string, expected: unknown): Promise<boolean> =>
      JSON.stringify(await target.query(sql)) === JSON.stringify(expected);
    await until('the rows are there', async () =>
      holds('select id, email from customer where id < 100 order by id', [
        ['1', 'b'],
        ['2', 'a'],
      ]),
    );
    await until('the deleted one is gone', async () =>
      holds('select id from entry order by id', [['1']]),
    );
    expect(
      await holds('select epoch > 0 from replicator_checkpoint', [['1']]),
    ).toBe(true);
    await target.sql('drop trigger no_more');
    const retried = await runCommandLine([
      'dlq',
      'retry',
      `--targetConn=${account.url}`,
    ]);
    expect(retried).toMatchObject({ exitCode: 0, stderr: '' });
    expect(
      await holds('select id from entry order by id', [['1'], ['3']]),
    ).toBe(true);
    expect(daemon.logs()).not.toMatch(/denied|E4007/);
    daemon.kill('SIGTERM');
    expect(await daemon.exited).toBe(0);
  },
);

test.for(MYSQL_PRODUCTS)(
  'of each grant that is taken away at %s preflight names the line',
  async (product) => {
    await using stack = new AsyncDisposableStack();
    const target = await testMysqlDatabase(product);
    const account = stack.use(
      await mysqlAccount(target, { schemas: [schemaName([target.name])] }),
    );
    stack.use(target);
    await target.sql(
      'create table item (id bigint primary key); create table `odd ``name``; -- \n. x` (id bigint primary key)',
    );
    const args = [`--targetSchema=${target.name}`, '--onRowError=deadLetter'];
    const parts = {
      administrator: [`--targetConn=${target.url}`, ...args],
      account: [`--targetConn=${account.url}`, ...args],
      grantee: account.name,
      section: 'target' as const,
      run: (sql: string) => target.sql(sql),
    };
    const taken = await expectEachGrantNamed(parts);
    const inShort = (lines: readonly string[]): string[] =>
      lines
        .map((line) =>
          /^REVOKE ([A-Z ]+) ON [\s\S]*?(\w+|\*)`? FROM/.exec(line)!,
        )
        .map(([, privilege, object]) => `${privilege} ${object}`);
    const rows = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
    const on = (object: string, privileges: readonly string[]): string[] =>
      privileges.map((privilege) => `${privilege} ${object}`);
    expect(inShort(taken)).toEqual([
      ...on('item', [...rows, 'TRIGGER']),
      ...on('x', [...rows, 'TRIGGER']),
      'CREATE TEMPORARY TABLES *',
      ...on('replicator_checkpoint', ['CREATE', ...rows.slice(0, 3)]),
      ...on('replicator_dlq', ['CREATE', ...rows]),
      'PROCESS *',
    ]);
    const prepared = await runCommandLine([
      'target',
      'prepare',
      `--targetConn=${target.url}`,
      ...args,
      '--yes',
    ]);
    expect(prepared).toMatchObject({ exitCode: 0, stderr: '' });
    for (const table of ['replicator_checkpoint', 'replicator_dlq']) {
      await target.sql(
        `revoke create on ${target.name}.${table} from ${account.name}`,
      );
    }
    const own = await expectEachGrantNamed(parts);
    expect(inShort(own).filter((line) => line.startsWith('CREATE '))).toEqual([
      'CREATE TEMPORARY TABLES *',
    ]);
  },
);
