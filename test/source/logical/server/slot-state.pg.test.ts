import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  estimateLossMs,
  readSlotHealth,
} from '../../../../src/source/logical/server/slot-health.ts';
import {
  createPublication,
  createPublicationStatement,
  createSlot,
  createSlotStatement,
} from '../../../../src/source/logical/server/slot-admin.ts';
import {
  readSlot,
  slotFailure,
  type SlotState,
} from '../../../../src/source/logical/server/slot-state.ts';
import { startSource, type TestSource } from './source-fixture.ts';

let source: TestSource;
beforeAll(async () => {
  source = await startSource({
    max_slot_wal_keep_size: '16MB',
    min_wal_size: '32MB',
    max_wal_size: '32MB',
    max_prepared_transactions: 5,
  });
  await source.run('create database other');
});
afterAll(() => source[Symbol.asyncDispose]());

async function failureOf(slotName: string) {
  await using session = await source.session();
  const slot = await readSlot(session, slotName);
  return slotFailure(slotName, slot, session.database);
}

describe('a slot that cannot be read is refused with the reason', () => {
  test('missing (E6002)', async () => {
    expect(await failureOf('nowhere')).toMatchObject({
      code: 'E6002',
      disposition: 'halt',
      message: 'the source has no replication slot "nowhere"',
    });
  });

  test.each([
    [
      'physical',
      "select pg_create_physical_replication_slot('physical')",
      'a physical one',
    ],
    [
      'two_phase',
      "select pg_create_logical_replication_slot('two_phase', 'pgoutput', false, true)",
      'two_phase',
    ],
  ])('%s (E6007)', async (name, sql, reason) => {
    await source.run(sql);
    expect(await failureOf(name)).toMatchObject({
      code: 'E6007',
      message: expect.stringContaining(reason),
    });
    await source.run(`select pg_drop_replication_slot('${name}')`);
  });

  test('of another output plugin, or of a version 16 in conflict', async () => {
    await using session = await source.session();
    await createSlot(session, { slotName: 'sound', failover: false });
    const sound = (await readSlot(session, 'sound'))!;
    const codeWith = (changed: Partial<SlotState>) =>
      slotFailure('sound', { ...sound, ...changed }, session.database)?.code;
    expect(codeWith({})).toBeUndefined();
    expect(codeWith({ plugin: 'wal2json' })).toBe('E6007');
    expect(codeWith({ synced: true })).toBe('E6007');
    expect(codeWith({ conflicting: true })).toBe('E6003');
    expect(codeWith({ invalidationReason: 'idle_timeout' })).toBe('E6003');
    // Waiting makes no sense for a slot that could not be read anyway.
    expect(codeWith({ conflicting: true, active: true })).toBe('E6003');
    await source.run("select pg_drop_replication_slot('sound')");
  });

  test('of another database (E6007)', async () => {
    await source.run(
      "select pg_create_logical_replication_slot('elsewhere', 'pgoutput')",
      'other',
    );
    expect(await failureOf('elsewhere')).toMatchObject({
      code: 'E6007',
      message: expect.stringContaining('belongs to the database other'),
    });
    await source.run("select pg_drop_replication_slot('elsewhere')", 'other');
  });

  test('temporary (E6007)', async () => {
    await using holder = await source.session();
    await holder.query(
      "select pg_create_logical_replication_slot('brief', 'pgoutput', true)",
    );
    expect(await failureOf('brief')).toMatchObject({
      code: 'E6007',
      message: expect.stringContaining('temporary'),
    });
  });

  test('lost, after the source has removed its WAL (E6003)', async () => {
    await using session = await source.session();
    await createSlot(session, { slotName: 'lagging', failover: false });
    const first = await readSlotHealth(session, 'lagging');
    expect(first).toMatchObject({
      active: false,
      activePid: null,
      walStatus: 'reserved',
      safeWalSizeBytes: expect.any(BigInt),
      invalidationReason: null,
    });
    const samples = [{ atMs: 0, health: first! }];

    // 16 MiB a round, and a checkpoint to take what is beyond the limit.
    const fill = `create table if not exists filler (x text);
      insert into filler select repeat(md5(n::text), 30) from generate_series(1, 2000) n;`;
    await source.run(fill);
    const second = await readSlotHealth(session, 'lagging');
    samples.push({ atMs: 1000, health: second! });
    expect(second!.retainedBytes).toBeGreaterThan(first!.retainedBytes!);
    expect(second!.lagBytes).toBeGreaterThan(first!.lagBytes!);
    expect(estimateLossMs(samples)).toBeGreaterThan(0);

    for (let round = 0; round < 4; round++) {
      await source.run(`${fill} select pg_switch_wal();`);
      await source.run('checkpoint');
    }
    expect(await failureOf('lagging')).toMatchObject({
      code: 'E6003',
      disposition: 'halt',
      message: expect.stringContaining('"lagging" is lost (wal_removed)'),
      remedy: expect.stringContaining('create a new one'),
    });
    const last = await readSlotHealth(session, 'lagging');
    expect(last).toMatchObject({
      walStatus: 'lost',
      restartLsn: null,
      retainedBytes: null,
      invalidationReason: 'wal_removed',
    });
    expect(estimateLossMs([...samples, { atMs: 2000, health: last! }])).toBe(0);
    await source.run("select pg_drop_replication_slot('lagging')");
  });
});

test('a slot is made as asked, and is there at once', async () => {
  await using session = await source.session();
  const lsn = await createSlot(session, {
    slotName: 'made',
    failover: session.versionNumber >= 170_000,
  });
  const slot = await readSlot(session, 'made');
  expect(slot).toMatchObject({
    plugin: 'pgoutput',
    confirmedLsn: lsn,
    temporary: false,
    twoPhase: false,
    failover: session.versionNumber >= 170_000,
  });
  expect(slotFailure('made', slot, session.database)).toBeNull();
  // Another daemon was faster.
  await expect(
    createSlot(session, { slotName: 'made', failover: false }),
  ).rejects.toMatchObject({ code: 'E6004', disposition: 'retry' });
  await source.run("select pg_drop_replication_slot('made')");
});

test('a failover slot is refused of a version without them', () => {
  expect(() =>
    createSlotStatement(160_004, { slotName: 's', failover: true }),
  ).toThrow('PostgreSQL 16 has no failover slots');
  expect(
    createSlotStatement(160_004, { slotName: "o'", failover: false }),
  ).toBe(
    "select lsn::text as lsn from pg_create_logical_replication_slot('o''', 'pgoutput')",
  );
});

test('a daemon that is stopped while its slot waits to be made leaves none behind', async () => {
  await using writer = await source.session();
  await source.run('create table held (id int)');
  await writer.query('begin');
  await writer.query('insert into public.held values (1)');
  const stop = new AbortController();
  await using session = await source.session({ signal: stop.signal });
  const made = createSlot(session, { slotName: 'waits', failover: false });
  const refused = expect(made).rejects.toThrow('stopped');
  await expect
    .poll(async () => (await readSlot(writer, 'waits'))?.active)
    .toBe(true);
  stop.abort(new Error('stopped'));
  await refused;
  await expect.poll(() => readSlot(writer, 'waits')).toBeNull();
  await writer.query('commit');
  expect(await readSlot(writer, 'waits')).toBeNull();
});

test('a publication holds the tables of the schemas', async () => {
  await source.run(`
    create schema shop; create schema "Odd ""x";
    create table shop.orders (id int primary key);
    create table "Odd ""x".t (id int primary key);
    create unlogged table shop.scratch (id int);
    create table shop.parted (id int primary key) partition by range (id);
    create table shop.part1 partition of shop.parted for values from (0) to (9);
    create role owner login password 'secret';
    grant create on database postgres to owner;
    grant usage on schema shop, "Odd ""x" to owner;
    alter table shop.orders owner to owner;
    alter table "Odd ""x".t owner to owner;
    alter table shop.parted owner to owner;
    alter table shop.part1 owner to owner;`);
  const schemas = ['shop', 'Odd "x'];
  await using superuser = await source.session();
  expect(
    await createPublicationStatement(superuser, { name: 'Pub', schemas }),
  ).toBe('create publication "Pub" for tables in schema "shop", "Odd ""x"');
  await createPublication(superuser, { name: 'Pub', schemas });
  // Another daemon was faster.
  await createPublication(superuser, { name: 'Pub', schemas });

  await using owner = await source.session({ user: 'owner' });
  expect(
    await createPublicationStatement(owner, { name: 'mine', schemas }),
  ).toBe(
    'create publication "mine" for table "Odd ""x".t, shop.orders, shop.parted',
  );
  await createPublication(owner, { name: 'mine', schemas });
  const published = await owner.query<{ tablename: string }>(
    "select tablename from pg_publication_tables where pubname = 'mine' order by 1",
  );
  expect(published.map(({ tablename }) => tablename)).toEqual([
    'orders',
    'part1',
    't',
  ]);
  await expect(
    createPublication(owner, { name: 'none', schemas: ['nowhere'] }),
  ).rejects.toMatchObject({ code: 'E6007' });
});
