/** Daemons whose accounts have what `preflight --print-grants` prints, and no more. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { runCommandLine } from '../support/captured-io.ts';
import { startDaemon } from '../support/daemon.ts';
import {
  type GrantedAccount,
  postgresAccount,
} from '../support/granted-account.ts';
import { printedGrants } from '../support/mutated-grants.ts';
import { slotHouse, startSlotServer } from '../support/slot-house.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';
import { until } from './arena.ts';
import { HandFeed } from './hand-feed.ts';

const tables = `
  create schema kinds;
  create type kinds.mood as enum ('good', 'bad');
  create sequence numbers;
  create table customer (id int8 primary key, email text not null unique, feeling kinds.mood,
    number int8 not null default nextval('numbers'));
  create table entry (id int8 primary key, customer int8 not null references customer, up int8 references entry,
    amount numeric check (amount < 1000))`;

interface World {
  readonly target: TestDatabase;
  readonly staging: TestDatabase;
  readonly targetAccount: GrantedAccount;
  readonly stagingAccount: GrantedAccount;
  /** Of start, as the accounts. */
  readonly args: readonly string[];
}

/** Accounts are disposed of behind their databases. */
async function openWorld(stack: AsyncDisposableStack): Promise<World> {
  const [target, staging] = [await testDatabase(), await testDatabase()];
  const targetAccount = stack.use(
    await postgresAccount(target, {
      schemas: [schemaName([target.name, 'public'])],
    }),
  );
  const stagingAccount = stack.use(
    await postgresAccount(staging, { schemas: [] }),
  );
  stack.use(target);
  stack.use(staging);
  await target.query(tables);
  const args = [
    `--targetSchema=${target.name}.public`,
    '--onRowError=deadLetter',
    `--stagingSchema=${staging.name}.staging`,
  ];
  for (const [section, database, { name }] of [
    ['target', target, targetAccount],
    ['staging', staging, stagingAccount],
  ] as const) {
    const grants = await printedGrants({
      administrator: [
        `--targetConn=${target.url}`,
        `--stagingConn=${staging.url}`,
        ...args,
      ],
      grantee: name,
    });
    for (const grant of grants.filter((each) => each.section === section)) {
      await database.query(grant.statement);
    }
  }
  return {
    target,
    staging,
    targetAccount,
    stagingAccount,
    args: [
      '--disableAuthentication',
      `--targetConn=${targetAccount.url}`,
      `--stagingConn=${stagingAccount.url}`,
      '--retireOffset=1ms',
      ...args.slice(1),
    ],
  };
}

test('several daemons do all their work with the printed grants: rows, deletes, swaps, dead letters, leases, staging', async () => {
  await using stack = new AsyncDisposableStack();
  const world = await openWorld(stack);
  const { target, staging } = world;
  const rowsOf = async (sql: string): Promise<unknown[]> =>
    (await target.query(sql)).rows;
  const first = stack.use(await startDaemon({ args: world.args }));
  const second = stack.use(await startDaemon({ args: world.args }));
  using feed = new HandFeed(`${second.url}/${target.name}/public`);
  const customer = (id: number, email: string, at: number) => ({
    topic: 'customer',
    key: [id],
    after: { id, email, feeling: 'good' },
    at,
  });
  const entry = (
    id: number,
    at: number,
    after: { customer: number; up: number | null; amount: number } | null,
  ) => ({
    topic: 'entry',
    key: [id],
    after: after && { id, ...after },
    at,
  });
  for (const answer of [
    await feed.rows(
      customer(1, 'a', 1),
      customer(2, 'b', 1),
      entry(1, 1, { customer: 1, up: null, amount: 1 }),
      entry(2, 1, { customer: 1, up: 1, amount: 1 }),
      // Of a constraint that the source does not have.
      entry(3, 2, { customer: 2, up: null, amount: 5000 }),
      // The two swap what is unique and may not be null.
      customer(1, 'b', 3),
      customer(2, 'a', 3),
      entry(2, 4, null),
    ),
    await feed.resolved(5),
  ]) {
    expect(answer.status).toBe(200);
  }
  await until('the rows are there', async () => {
    const found = await rowsOf('select id, email from customer order by id');
    return (
      JSON.stringify(found) ===
      JSON.stringify([
        { id: '1', email: 'b' },
        { id: '2', email: 'a' },
      ])
    );
  });
  await until('the row that was deleted is gone', async () => {
    const found = await rowsOf('select id from entry order by id');
    return JSON.stringify(found) === JSON.stringify([{ id: '1' }]);
  });
  // Once, and with the watermark in the target.
  expect(
    await rowsOf('select epoch > 0 as marked from replicator_checkpoint'),
  ).toEqual([{ marked: true }]);

  const dlq = (...words: string[]) =>
    runCommandLine([
      'dlq',
      ...words,
      `--targetConn=${world.targetAccount.url}`,
    ]);
  const listed = await dlq('list');
  expect(listed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(listed.stdout).toContain('E4005');
  await target.query('alter table entry drop constraint entry_amount_check');
  expect(await dlq('retry')).toMatchObject({
    exitCode: 0,
    stderr: '',
  });
  expect(await rowsOf('select id from entry order by id')).toEqual([
    { id: '1' },
    { id: '3' },
  ]);

  // The leader goes, and what it held: both by privileges of the account.
  first.kill('SIGKILL');
  await feed.rows(customer(3, 'c', 6));
  await feed.resolved(7);
  await until(
    'the other daemon leads',
    async () =>
      (await rowsOf('select id from customer where id = 3')).length === 1,
    60_000,
  );
  const look = (...words: string[]) =>
    runCommandLine([
      'staging',
      ...words,
      `--stagingConn=${world.stagingAccount.url}`,
      `--stagingSchema=${staging.name}.staging`,
    ]);
  expect(await look('list')).toMatchObject({ exitCode: 0, stderr: '' });
  second.kill('SIGTERM');
  expect(await second.exited).toBe(0);

  // CREATE is for the first start alone.
  await target.query(
    `revoke create on schema public from ${world.targetAccount.name}`,
  );
  await staging.query(
    `revoke create on schema staging from ${world.stagingAccount.name}`,
  );
  const third = stack.use(await startDaemon({ args: world.args }));
  using later = new HandFeed(`${third.url}/${target.name}/public`);
  expect((await later.rows(customer(4, 'd', 8))).status).toBe(200);
  await later.resolved(9);
  await until(
    'rows come behind CREATE that was revoked',
    async () =>
      (await rowsOf('select id from customer where id = 4')).length === 1,
  );
  expect(
    await look('purge', `--schema=${target.name}.public`, '--yes'),
  ).toMatchObject({
    stderr: '',
  });
  expect(third.logs()).not.toMatch(/permission denied|E4007|E2007/);
});

test('tables of ours that their owner made are enough: no CREATE at any time', async () => {
  await using stack = new AsyncDisposableStack();
  const target = await testDatabase();
  const account = stack.use(
    await postgresAccount(target, {
      schemas: [schemaName([target.name, 'public'])],
    }),
  );
  stack.use(target);
  await target.query(tables);
  const prepared = await runCommandLine([
    'target',
    'prepare',
    `--targetConn=${target.url}`,
    `--targetSchema=${target.name}.public`,
    '--onRowError=deadLetter',
    '--yes',
  ]);
  expect(prepared).toMatchObject({ exitCode: 0, stderr: '' });
  await account.grant();
  const daemon = stack.use(
    await startDaemon({
      args: [
        '--disableAuthentication',
        `--targetConn=${account.url}`,
        '--onRowError=deadLetter',
      ],
    }),
  );
  using feed = new HandFeed(`${daemon.url}/${target.name}/public`);
  await feed.rows(
    {
      topic: 'customer',
      key: [1],
      after: { id: 1, email: 'a', feeling: 'sad' },
      at: 1,
    },
    { topic: 'customer', key: [2], after: { id: 2, email: 'b' }, at: 1 },
  );
  await feed.resolved(2);
  await until('one is there and one set aside', async () => {
    const { rows } = await target.query(
      `select (select count(*)::int from customer) as there, (select count(*)::int from replicator_dlq) as aside,
           (select count(*)::int from replicator_checkpoint) as marks`,
    );
    return JSON.stringify(rows) === '[{"there":1,"aside":1,"marks":1}]';
  });
  const { rows } = await target.query(
    `select has_schema_privilege('${account.name}', 'public', 'create') as may`,
  );
  expect(rows).toEqual([{ may: false }]);
});

test('pglogical reads the slot and empties tables with the printed grants of source and target', async () => {
  await using server = await startSlotServer();
  const as = (url: string, name: string): string => {
    const changed = new URL(url);
    changed.username = name;
    changed.password = 'reader-1';
    return changed.href;
  };
  const role = `reader_${process.pid}_${Date.now() % 100_000}`;
  const ofRole = `create role ${role} login password 'reader-1'`;
  await using house = await slotHouse({
    server,
    setup: `
        create table item (id int8 primary key, v text);
        create table log (n int8, note text);
        create table counted (id int8 generated by default as identity primary key, v text)`,
    sourceSetup: `alter table log replica identity full; ${ofRole};
        revoke all on schema public from public`,
    targetSetup: `${ofRole}; revoke all on schema public from public`,
    dial: {
      source: (url) => as(url, role),
      target: (url) => as(url, role),
    },
    waitFor: 'nothing',
  });
  await house.stop();
  const query = async (url: string, sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  try {
    const grants = await printedGrants({
      administrator: [
        `--sourceConn=${house.source.url}`,
        `--targetConn=${house.target.url}`,
        '--publicationName=changes',
        `--slotName=${house.slotName}`,
        `--targetSchema=${house.target.schema}`,
      ],
      grantee: role,
    });
    for (const { section, statement } of grants) {
      await query(
        section === 'source' ? house.source.url : house.target.url,
        statement,
      );
    }
    await house.start({ waitFor: 'healthy' });
    await house.source.sql(`
        insert into item select g, 'x' from generate_series(1, 50) g;
        insert into log values (1, 'a'), (1, 'a'), (2, 'b');
        insert into counted (v) values ('x'), ('y')`);
    await house.settle();
    await house.source.sql(
      `update item set id = id + 100 where id < 5; delete from item where id > 40;
         delete from log where n = 1; truncate counted restart identity`,
    );
    await house.source.sql(`truncate item; insert into item values (7, 'z')`);
    await house.settle();
    expect(house.daemon.logs()).not.toMatch(/permission denied/);
  } finally {
    await house.stop();
    await query(house.target.url, `drop owned by ${role}; drop role ${role}`);
    await query(house.source.url, `drop owned by ${role}; drop role ${role}`);
  }
});
