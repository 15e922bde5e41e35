/**
 * What is asked of a source differs by its version: the oldest that is
 * supported, and those around which the catalog of slots has grown.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createPublication,
  createPublicationStatement,
  createSlot,
} from '../../../../src/source/logical/server/slot-admin.ts';
import { readSlotHealth } from '../../../../src/source/logical/server/slot-health.ts';
import {
  readSlot,
  slotFailure,
} from '../../../../src/source/logical/server/slot-state.ts';
import {
  requireSource,
  sourceFindings,
} from '../../../../src/source/logical/server/source-checks.ts';
import {
  identify,
  requireContinuity,
} from '../../../../src/source/logical/server/source-identity.ts';
import { printLsn } from '../../../../src/source/logical/server/lsn.ts';
import {
  olderServersAreHere,
  type PostgresMajor,
} from '../../../support/postgres-binaries.ts';
import {
  lines,
  needs,
  startSource,
  type TestSource,
} from './source-fixture.ts';

const older: readonly PostgresMajor[] = [12, 14, 16];

describe.skipIf(!olderServersAreHere).for(older)('PostgreSQL %d', (major) => {
  let source: TestSource;
  beforeAll(async () => {
    source = await startSource(
      major < 13
        ? {}
        : {
            max_slot_wal_keep_size: '16MB',
            min_wal_size: '32MB',
            max_wal_size: '32MB',
          },
      major,
    );
    await source.run(`
      create table plain (id int primary key, twice int generated always as (id * 2) stored);
      create table keyless (a int);
      create unlogged table scratch (id int);
      create table parted (id int primary key) partition by range (id);
      create table part1 partition of parted for values from (0) to (9);
      create role low login password 'secret';`);
  });
  afterAll(() => source[Symbol.asyncDispose]());

  test('is looked at, set up and looked at again', async () => {
    await using session = await source.session();
    const making = {
      ...needs,
      willCreateSlot: true,
      willCreatePublication: true,
    };
    const before = lines(await sourceFindings(session, making));
    expect(before[0]).toMatch(new RegExp(`^ok PostgreSQL ${major}\\.`));
    expect(before.filter((line) => line.startsWith('error'))).toEqual([
      expect.stringMatching(/^error public\.keyless .* THE SOURCE WILL REFUSE/),
    ]);
    await requireSource(session, making);
    expect(
      await createPublicationStatement(session, {
        name: 'pub',
        schemas: ['public'],
      }),
    ).toBe(
      major >= 15
        ? 'create publication "pub" for tables in schema "public"'
        : `create publication "pub" for table public.keyless, public.par${major >= 13 ? 'ted' : 't1'}, public.plain`,
    );
    await createPublication(session, { name: 'pub', schemas: ['public'] });
    const lsn = await createSlot(session, {
      slotName: 'replicator',
      failover: false,
    });
    await requireSource(session, needs);
    expect(
      lines(await sourceFindings(session, needs)).filter(
        (line) => !/wal_|WAL for a slot/.test(line),
      ),
    ).toEqual([
      expect.stringContaining('answers at'),
      expect.stringContaining('names partitions by themselves'),
      expect.stringMatching(/^warn public\.scratch is unlogged/),
      expect.stringMatching(/^warn public\.keyless .* THE SOURCE REFUSES/),
      expect.stringMatching(/^warn public\.plain has generated columns/),
      expect.stringMatching(/^ok the slot replicator is free/),
    ]);
    expect(await readSlotHealth(session, 'replicator')).toMatchObject({
      active: false,
      walStatus: major < 13 ? null : 'reserved',
      confirmedLsn: lsn,
      invalidationReason: null,
    });
  });

  test('is known by any account, which hears what it lacks', async () => {
    await using session = await source.session();
    await using low = await source.session({ user: 'low' });
    const { systemId, timeline, currentLsn } = await identify(session);
    expect(await identify(low)).toMatchObject({ systemId, timeline });
    await requireContinuity(session, 'replicator', {
      systemId,
      timeline,
      lsn: printLsn(currentLsn),
    });
    expect(lines(await sourceFindings(low, needs))).toContain(
      'error the account low may not read a slot: alter role "low" replication; on Amazon RDS: grant rds_replication to "low"',
    );
    await expect(
      createSlot(low, { slotName: 'low', failover: false }),
    ).rejects.toMatchObject({ code: 'E6007' });
    await expect(low.replicate('IDENTIFY_SYSTEM')).rejects.toMatchObject({
      code: 'E6007',
    });
  });

  test('names a slot that two_phase or a failover is asked of', async () => {
    await using session = await source.session();
    await expect(
      createSlot(session, { slotName: 'kept', failover: true }),
    ).rejects.toThrow(`PostgreSQL ${major} has no failover slots`);
    if (major >= 14) {
      await source.run(
        "select pg_create_logical_replication_slot('twice', 'pgoutput', false, true)",
      );
      expect(
        slotFailure(
          'twice',
          await readSlot(session, 'twice'),
          session.database,
        ),
      ).toMatchObject({ code: 'E6007' });
      await source.run("select pg_drop_replication_slot('twice')");
    }
  });

  // PostgreSQL 12 keeps WAL for a slot without limit.
  if (major >= 13) {
    test('says when a slot is lost (E6003)', async () => {
      await using session = await source.session();
      await source.run('create table filler (id int)');
      for (let round = 0; round < 4; round++) {
        await source.run('insert into filler values (1)');
        await source.run('select pg_switch_wal()');
        await source.run('checkpoint');
      }
      const slot = await readSlot(session, 'replicator');
      expect(slotFailure('replicator', slot, session.database)).toMatchObject({
        code: 'E6003',
        message: expect.stringMatching(/is lost \((wal_removed|invalidated)\)/),
      });
      await expect(
        session.replicate(
          `START_REPLICATION SLOT replicator LOGICAL 0/0 (proto_version '1', publication_names 'pub')`,
        ),
      ).rejects.toMatchObject({ code: 'E6003' });
    });
  }
});
