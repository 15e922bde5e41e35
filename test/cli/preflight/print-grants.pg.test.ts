import { expect, test } from 'vitest';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { runCommandLine } from '../../support/captured-io.ts';
import { postgresAccount } from '../../support/granted-account.ts';
import {
  expectEachGrantNamed,
  printedGrants,
} from '../../support/mutated-grants.ts';
import { startSlotServer } from '../../support/slot-house.ts';
import {
  type TestDatabase,
  testDatabase,
} from '../../support/test-database.ts';
import pg from 'pg';

const tables = `
  create schema kinds;
  create type kinds.mood as enum ('good', 'bad');
  create domain kinds.short as text check (length(value) < 9);
  create sequence numbers;
  create table parent (id int8 primary key, feeling kinds.mood[], note kinds.short);
  create table "Child; drop table parent" (id int8 primary key, number int8 unique default nextval('numbers'),
    parent int8 references parent);
  create table counted (id int8 generated always as identity primary key, v text);
  create table parts (id int8 primary key, v text) partition by range (id);
  create table part_one partition of parts for values from (0) to (1000)`;

async function world(
  database: TestDatabase,
  grantee: string,
  accountUrl: string,
  more: readonly string[] = [],
) {
  const args = [`--targetSchema=${database.name}.public`, ...more];
  return {
    administrator: [`--targetConn=${database.url}`, ...args],
    account: [`--targetConn=${accountUrl}`, ...args],
    grantee,
    section: 'target' as const,
    run: async (sql: string) => void (await database.query(sql)),
  };
}

test('of each grant that is taken away at a PostgreSQL target preflight names the line', async () => {
  await using stack = new AsyncDisposableStack();
  const database = await testDatabase();
  const account = stack.use(
    await postgresAccount(database, {
      schemas: [schemaName([database.name, 'public'])],
    }),
  );
  stack.use(database);
  await database.query(tables);
  const before = await database.query('select count(*) from pg_class');

  const bare = await world(database, account.name, account.url, [
    '--onRowError=deadLetter',
  ]);
  const taken = await expectEachGrantNamed(bare);
  expect(taken).toContain(
    `REVOKE DELETE ON TABLE "public"."Child; drop table parent" FROM "${account.name}";`,
  );
  expect(taken.map((line) => /^REVOKE (\w+) ON (\w+)/.exec(line)![0])).toEqual([
    'REVOKE CONNECT ON DATABASE',
    'REVOKE USAGE ON SCHEMA',
    ...Array.from({ length: 4 }, () =>
      ['SELECT', 'INSERT', 'UPDATE', 'DELETE'].map(
        (privilege) => `REVOKE ${privilege} ON TABLE`,
      ),
    ).flat(),
    'REVOKE USAGE ON SEQUENCE',
    'REVOKE USAGE ON SCHEMA',
    'REVOKE CREATE ON SCHEMA',
  ]);
  const after = await database.query('select count(*) from pg_class');
  expect(after.rows).toEqual(before.rows);

  // Made by the owner: CREATE is no more asked for, and rights on them are.
  const prepared = await runCommandLine([
    'target',
    'prepare',
    `--targetConn=${database.url}`,
    `--targetSchema=${database.name}.public`,
    '--onRowError=deadLetter',
    '--yes',
  ]);
  expect(prepared).toMatchObject({ exitCode: 0, stderr: '' });
  await database.query(`revoke create on schema public from ${account.name}`);
  const own = await expectEachGrantNamed(bare);
  expect(own.join('\n')).not.toContain('CREATE');
  expect(own.filter((line) => line.includes('replicator_'))).toHaveLength(7);
});

test('a slot is asked for TRUNCATE too, and the account of the source for REPLICATION alone', async () => {
  await using server = await startSlotServer();
  const admin = new pg.Client({ connectionString: server.url() });
  await admin.connect();
  await admin.query(`create database "so urce"; `.trim());
  await admin.end();
  const sourceUrl = server.url('so urce');
  const source = new pg.Client({ connectionString: sourceUrl });
  await source.connect();
  try {
    await source.query(`
      create table item (id int8 primary key, v text);
      create publication shop for table item;
      create role reader login password 'reader';
      revoke all on database "so urce" from public;
      revoke all on schema public from public`);
    await source.query(
      `select pg_create_logical_replication_slot('replicator', 'pgoutput')`,
    );
    const readerUrl = new URL(sourceUrl);
    readerUrl.username = 'reader';
    readerUrl.password = 'reader';
    await using stack = new AsyncDisposableStack();
    const database = await testDatabase();
    const account = stack.use(
      await postgresAccount(database, {
        schemas: [schemaName([database.name, 'public'])],
      }),
    );
    stack.use(database);
    await database.query('create table item (id int8 primary key, v text)');
    await database.query(`create role reader nologin`).catch(() => {});
    const slot = [
      '--publicationName=shop',
      `--targetSchema=${database.name}.public`,
    ];
    const administrator = [
      `--sourceConn=${sourceUrl}`,
      `--targetConn=${database.url}`,
      ...slot,
    ];
    const ofTarget = await printedGrants({
      administrator,
      grantee: account.name,
    });
    expect(ofTarget.map(({ statement }) => statement)).toContain(
      `GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLE "public"."item" TO "${account.name}";`,
    );
    for (const { section, statement } of ofTarget) {
      if (section === 'target') {
        await database.query(statement);
      }
    }
    const ofSource = (
      await printedGrants({ administrator, grantee: 'reader' })
    ).filter(({ section }) => section === 'source');
    expect(ofSource).toEqual([
      {
        section: 'source',
        statement: 'GRANT CONNECT ON DATABASE "so urce" TO "reader";',
      },
      { section: 'source', statement: 'alter role "reader" replication;' },
    ]);
    const look = async (): Promise<string> =>
      (
        await runCommandLine([
          'preflight',
          `--sourceConn=${readerUrl.href}`,
          `--targetConn=${account.url}`,
          ...slot,
        ])
      ).stdout;
    expect(await look()).toContain(ofSource[0]!.statement);
    await source.query(ofSource[0]!.statement);
    expect(await look()).toContain(ofSource[1]!.statement);
    await source.query(ofSource[1]!.statement);
    expect(await look()).not.toMatch(/^error/m);
    await database.query(`revoke truncate on item from ${account.name}`);
    expect(await look()).toContain(
      'the account lacks TRUNCATE on public.item: what the source empties at once is deleted row by row: GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLE "public"."item"',
    );
  } finally {
    await source.end();
  }
});

test('without the source the script is that of the target alone, for one psql, TRUNCATE and all', async () => {
  await using database = await testDatabase();
  await database.query('create table orders (id int8 primary key)');
  const { stdout, exitCode } = await runCommandLine([
    'preflight',
    '--print-grants',
    '--publicationName=shop',
    `--targetConn=${database.url}`,
    `--targetSchema=${database.name}.public`,
    '--grantee=feeder',
  ]);
  expect(exitCode).toBe(0);
  expect(stdout.match(/^-- \w+/gm)).toEqual(['-- target']);
  expect(stdout).toContain(
    'GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLE "public"."orders" TO "feeder";',
  );
});

test('of each grant that is taken away at staging preflight names the line', async () => {
  await using stack = new AsyncDisposableStack();
  await using target = await testDatabase();
  await target.query('create table item (id int8 primary key)');
  const staging = await testDatabase();
  const account = stack.use(await postgresAccount(staging, { schemas: [] }));
  stack.use(staging);
  const args = [
    `--targetConn=${target.url}`,
    `--stagingSchema=${schemaName([staging.name, 'Odd "schema"; --'])}`,
  ];
  const parts = {
    administrator: [`--stagingConn=${staging.url}`, ...args],
    account: [`--stagingConn=${account.url}`, ...args],
    grantee: account.name,
    section: 'staging' as const,
    run: async (sql: string) => void (await staging.query(sql)),
  };
  const named = await expectEachGrantNamed(parts);
  expect(named.map((line) => line.split(' ON ')[0])).toEqual([
    'REVOKE CONNECT',
    'REVOKE USAGE',
    'REVOKE CREATE',
  ]);
});

test('row-level security that holds for the account is an error: it would hide rows in silence', async () => {
  await using stack = new AsyncDisposableStack();
  const database = await testDatabase();
  const account = stack.use(
    await postgresAccount(database, {
      schemas: [schemaName([database.name, 'public'])],
    }),
  );
  stack.use(database);
  await database.query(`
    create table item (id int8 primary key);
    alter table item enable row level security`);
  await account.grant();
  const { exitCode, stdout } = await runCommandLine([
    'preflight',
    '--tlsSelfSigned',
    '--disableAuthentication',
    `--targetConn=${account.url}`,
  ]);
  expect(exitCode).toBe(1);
  expect(stdout).toContain(
    'error target  row-level security of public.item holds for the account',
  );
});

test('what immediate mode and a computed key would make of the target is told before a start', async () => {
  await using database = await testDatabase();
  await database.query(`
    create table parent (id int8 primary key);
    create table child (id int8 primary key, parent int8 references parent);
    create table computed (n int8, id int8 generated always as (n * 2) stored primary key)`);
  const run = (...argv: string[]) =>
    runCommandLine([
      'preflight',
      '--tlsSelfSigned',
      '--disableAuthentication',
      `--targetConn=${database.url}`,
      `--targetSchema=${database.name}.public`,
      ...argv,
    ]);
  const consistent = await run();
  expect(consistent.exitCode).toBe(0);
  expect(consistent.stdout).toMatch(/^warn {2}target {2}E4022 .*computed/m);
  expect(consistent.stdout).not.toContain('E3010');
  const immediate = await run('--immediate');
  expect(immediate.exitCode).toBe(1);
  expect(immediate.stdout).toMatch(
    /^error target {2}E3010 .*foreign keys link child, parent/m,
  );
  expect((await run('--immediate', '--immediateForeignKeys')).exitCode).toBe(0);
});
