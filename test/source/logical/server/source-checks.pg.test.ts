import type { SourceNeeds } from '../../../../src/source/logical/server/source-needs.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSlot } from '../../../../src/source/logical/server/slot-admin.ts';
import {
  requireSource,
  sourceFindings,
} from '../../../../src/source/logical/server/source-checks.ts';
import { serverFaults } from '../../../../src/source/logical/server/source-server-checks.ts';
import { readServer } from '../../../../src/source/logical/server/source-state.ts';
import {
  lines,
  needs,
  startSource,
  type TestSource,
} from './source-fixture.ts';

async function look(
  source: TestSource,
  changed: Partial<SourceNeeds> = {},
  at: { readonly user?: string; readonly database?: string } = {},
): Promise<string[]> {
  await using session = await source.session(at);
  return lines(await sourceFindings(session, { ...needs, ...changed }));
}

describe('a source that is not set up', () => {
  let source: TestSource;
  beforeAll(async () => {
    source = await startSource({
      wal_level: 'replica',
      max_replication_slots: 1,
      max_wal_senders: 0,
      wal_sender_timeout: '8s',
      idle_replication_slot_timeout: '1d',
    });
    await source.run("create role low login password 'secret'");
    await source.run(
      "select pg_create_physical_replication_slot('standby', true)",
    );
  });
  afterAll(() => source[Symbol.asyncDispose]());

  test('has every lack named with the SQL that mends it', async () => {
    expect(
      await look(
        source,
        { willCreateSlot: true, willCreatePublication: true },
        { user: 'low' },
      ),
    ).toEqual([
      expect.stringMatching(/^ok PostgreSQL \d+\S* answers at 127\.0\.0\.1:/),
      'error wal_level is replica, so the WAL does not say which rows changed: alter system set wal_level = logical; then restart the source (Amazon RDS: rds.logical_replication = 1, Cloud SQL: cloudsql.logical_decoding = on)',
      'error the account low may not read a slot: alter role "low" replication; on Amazon RDS: grant rds_replication to "low"',
      'error all 1 replication slots of the source are in use: alter system set max_replication_slots = 6; then restart the source; or drop a slot that nobody needs: select pg_drop_replication_slot(…)',
      'warn all 0 walsenders of the source are in use: alter system set max_wal_senders = 5; then restart the source; a daemon that reads already holds one of them',
      'warn wal_sender_timeout is 8s, too short for --standbyTimeout 5s: a short pause would end the connection: alter role "low" set wal_sender_timeout = \'60000ms\', or lower --standbyTimeout',
      expect.stringMatching(/^warn max_slot_wal_keep_size is -1: .*disk/),
      expect.stringMatching(
        /^warn a slot that nobody reads for 24h is given up \(idle_replication_slot_timeout\)/,
      ),
      'error E6007 the source has no tables in public that could be published: name other schemas with --sourceSchema or --schemaMap',
      "ok there is no slot replicator yet: start makes it (select lsn::text as lsn from pg_create_logical_replication_slot('replicator', 'pgoutput'))",
    ]);
  });

  test('keeps a daemon from starting with the first of them (E6007)', async () => {
    await using session = await source.session();
    await expect(requireSource(session, needs)).rejects.toMatchObject({
      code: 'E6007',
      message: expect.stringContaining('wal_level is replica'),
      remedy: expect.stringContaining('alter system set wal_level'),
    });
  });

  test('is judged by its version', async () => {
    await using session = await source.session();
    const server = {
      ...(await readServer(session)),
      walLevel: 'logical',
      mayReplicate: true,
    };
    const faults = (
      versionNumber: number,
      changed: Partial<typeof server> = {},
      origin: 'any' | 'none' = 'any',
    ) =>
      serverFaults(
        { versionNumber },
        { ...server, ...changed },
        { willCreateSlot: false, origin },
      ).map(({ text }) => text);
    expect(faults(120_022)).toEqual([]);
    expect(faults(110_022)).toEqual(['PostgreSQL 11 is too old a source']);
    expect(faults(150_000, { inRecovery: true })).toHaveLength(1);
    expect(faults(160_000, { inRecovery: true })).toEqual([]);
    expect(faults(150_000, {}, 'none')).toHaveLength(1);
    expect(faults(160_000, {}, 'none')).toEqual([]);
  });
});

describe('a source that decodes', () => {
  let source: TestSource;
  beforeAll(async () => {
    source = await startSource({
      max_slot_wal_keep_size: '2GB',
      wal_sender_timeout: 0,
    });
  });
  afterAll(() => source[Symbol.asyncDispose]());

  let lastDatabase = 0;
  /** What stands after the server's own lines. */
  async function found(
    sql: string,
    changed: Partial<SourceNeeds> = {},
  ): Promise<string[]> {
    const database = `d${++lastDatabase}`;
    await source.run(`create database ${database}`);
    await source.run(sql, database);
    const all = await look(
      source,
      { willCreateSlot: true, ...changed },
      { database },
    );
    return all.filter((line) => !/answers at|wal_|no slot/.test(line));
  }

  test('is told what its WAL settings mean', async () => {
    const all = await look(source);
    expect(all[1]).toMatch(
      /^warn wal_sender_timeout is 0: the source does not notice/,
    );
    expect(all[2]).toBe(
      'ok the source keeps 2GiB of WAL for a slot (max_slot_wal_keep_size): a daemon that is down while more is written loses it',
    );
  });

  test('has nothing to mend where all is published', async () => {
    expect(
      await found(
        'create table t (id int primary key); create publication pub for all tables',
      ),
    ).toEqual([]);
  });

  test('is told how to make what is missing', async () => {
    const all = await look(source, { schemas: ['public', "it's"] });
    expect(all.slice(-2)).toEqual([
      'error E6002 the source has no publication "pub": create publication "pub" for tables in schema "public", "it\'s", when every table in it has a primary key or a replica identity; or start with --createPublication',
      expect.stringMatching(
        /^error E6002 the source has no replication slot "replicator": select .*, or start with --createSlot; unless there was one before/,
      ),
    ]);
  });

  test('has the parts named that its publication leaves out', async () => {
    expect(
      await found(
        `create schema other;
         create table other.t (id int primary key);
         create table kept (id int primary key, a int, b int);
         create table missed (id int primary key);
         create table filtered (id int primary key);
         create unlogged table scratch (id int);
         create table parted (id int primary key) partition by range (id);
         create table part1 partition of parted for values from (0) to (9);
         create publication pub for table kept (id, a), filtered where (id > 5), other.t, parted
           with (publish = 'insert, update')`,
      ),
    ).toEqual([
      'warn the publication pub does not publish delete, truncate: those changes never come: alter publication "pub" set (publish = \'insert, update, delete, truncate\')',
      'ok the publication pub names partitions by themselves: the target needs a table for each, or publish_via_partition_root set (PostgreSQL 13)',
      'warn public.missed is not published: its changes never come: alter publication "pub" add table public.missed, if it is to be replicated',
      'warn other.t is published, but its schema is none of those replicated (public): name its schema with --sourceSchema or --schemaMap, or take it out of the publication: the source reads and sends its changes for nothing',
      'warn public.filtered has a row filter in pub: rows that it leaves out never come, and one that begins or ends to fit it comes as an insert or a delete: compare the table by the same filter',
      'warn public.kept has a column list that leaves out b (by pub): the target keeps its own values there: give those columns a default at the target, or publish the table without a list',
      'warn public.scratch is unlogged: its changes are not in the WAL and never come: alter table public.scratch set logged, if it is to be replicated',
    ]);
  });

  test('is told that a publication by root brings no TRUNCATE of a partition', async () => {
    expect(
      await found(
        `create table parted (id int primary key) partition by range (id);
         create table part1 partition of parted for values from (0) to (9);
         create publication pub for all tables with (publish_via_partition_root)`,
      ),
    ).toEqual([
      expect.stringContaining(
        'the TRUNCATE of a single partition does not come',
      ),
    ]);
  });

  const identities = `
    create table plain (id int primary key);
    create table keyless (a int);
    create table nothing (id int primary key); alter table nothing replica identity nothing;
    create table whole (a int); alter table whole replica identity full;
    create table indexed (id int primary key, code int not null unique);
    alter table indexed replica identity using index indexed_code_key;
    create table "Wide ""x" (id int primary key, twice int generated always as (id * 2) stored);`;

  test('has tables named whose updates and deletes it refuses, before it refuses them', async () => {
    const published = await found(
      `${identities} create publication pub for all tables`,
    );
    expect(published).toEqual([
      expect.stringMatching(
        /^warn public\.keyless has no primary key: THE SOURCE REFUSES every UPDATE and DELETE .*: add a primary key, or alter table public\.keyless replica identity full/,
      ),
      expect.stringMatching(
        /^warn public\.nothing has the replica identity nothing: THE SOURCE REFUSES .*: alter table public\.nothing replica identity default$/,
      ),
      expect.stringMatching(
        /^warn the replica identity of public\.indexed is an index without id of its primary key/,
      ),
      expect.stringMatching(
        /^warn public\.whole has no primary key: its rows are found at the target by all their columns/,
      ),
      expect.stringMatching(
        /^warn public\."Wide ""x" has generated columns that are not published: twice/,
      ),
    ]);
    const future = await found(identities, { willCreatePublication: true });
    expect(future[0]).toContain('ok there is no publication pub yet');
    expect(future.slice(1, 3)).toEqual([
      expect.stringMatching(
        /^error public\.keyless .* THE SOURCE WILL REFUSE every UPDATE and DELETE/,
      ),
      expect.stringMatching(/^error public\.nothing .* THE SOURCE WILL REFUSE/),
    ]);
  });

  test('is not told so of tables of which only inserts are published', async () => {
    const all = await found(
      `${identities} create publication pub for all tables with (publish = 'insert')`,
    );
    expect(all.join('\n')).not.toContain('REFUSE');
  });

  test('publishes generated columns where it is asked to', async () => {
    const all = await found(
      `${identities} create publication pub for all tables with (publish_generated_columns = stored)`,
    );
    expect(all.join('\n')).not.toContain('generated');
  });

  test('lets a daemon start once all is there, and says what is missing else', async () => {
    await source.run('create database ready');
    await using session = await source.session({ database: 'ready' });
    await expect(requireSource(session, needs)).rejects.toMatchObject({
      code: 'E6002',
      message: 'the source has no publication "pub"',
    });
    const making = {
      ...needs,
      willCreateSlot: true,
      willCreatePublication: true,
    };
    await requireSource(session, making);
    await session.query('create publication pub for all tables');
    await expect(requireSource(session, needs)).rejects.toMatchObject({
      code: 'E6002',
      message: 'the source has no replication slot "replicator"',
    });
    await createSlot(session, { slotName: 'replicator', failover: false });
    await requireSource(session, needs);
    expect((await look(source, {}, { database: 'ready' })).at(-1)).toMatch(
      /^ok the slot replicator is free, its WAL reserved; it holds back less than 1MiB of WAL$/,
    );
    // Of another database than the one that is looked at.
    expect((await look(source)).at(-1)).toMatch(
      /^error E6007 the replication slot "replicator" belongs to the database ready/,
    );
  });
});
