import { execFile } from 'node:child_process';
import { appendFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { printLsn } from '../../../../src/source/logical/server/lsn.ts';
import { createSlot } from '../../../../src/source/logical/server/slot-admin.ts';
import {
  identify,
  readTimelineHistory,
  requireContinuity,
  type SourcePosition,
} from '../../../../src/source/logical/server/source-identity.ts';
import { sourceFindings } from '../../../../src/source/logical/server/source-checks.ts';
import {
  lines,
  needs,
  startSource,
  type TestSource,
} from './source-fixture.ts';

let source: TestSource;
beforeAll(async () => {
  source = await startSource();
  await source.run('create table t (id int)');
  await using session = await source.session();
  await createSlot(session, { slotName: 'replicator', failover: false });
});
afterAll(() => source[Symbol.asyncDispose]());

async function position(): Promise<SourcePosition> {
  await using session = await source.session();
  const { systemId, timeline, currentLsn } = await identify(session);
  return { systemId, timeline, lsn: printLsn(currentLsn) };
}

async function continuity(recorded: SourcePosition | null): Promise<unknown> {
  await using session = await source.session();
  return await requireContinuity(session, 'replicator', recorded);
}

/** Owners and modes too: the server refuses a folder that is not its own. */
async function copyFolder(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-Rp', from, to]);
}

/** The next start ends the recovery on a timeline of its own. */
async function promoteAtStart(): Promise<void> {
  const { dataDir } = source.server;
  await appendFile(
    `${dataDir}/postgresql.auto.conf`,
    "restore_command = 'false'\n",
  );
  await writeFile(`${dataDir}/recovery.signal`, '', { mode: 0o644 });
}

async function promoted(): Promise<void> {
  await expect
    .poll(async () => {
      await using session = await source.session();
      const [row] = await session.query<{ standby: boolean }>(
        'select pg_is_in_recovery() as standby',
      );
      return row!.standby;
    })
    .toBe(false);
}

async function write(): Promise<void> {
  await source.run('insert into t select generate_series(1, 1000)');
}

test('a source is known by what IDENTIFY_SYSTEM says, to any account', async () => {
  await source.run("create role reader login replication password 'secret'");
  await using session = await source.session({ user: 'reader' });
  const [said] = await session.replicate<{
    systemid: string;
    timeline: string;
    xlogpos: string;
  }>('IDENTIFY_SYSTEM');
  expect(await identify(session)).toMatchObject({
    systemId: said!.systemid,
    timeline: Number(said!.timeline),
    database: 'postgres',
  });
});

test('an account that may not read the control data knows the source too', async () => {
  await source.run(
    'revoke execute on function pg_control_system() from public',
  );
  await using session = await source.session({ user: 'reader' });
  const known = await identify(session);
  await using superuser = await source.session();
  const { systemId, timeline } = await identify(superuser);
  expect(known).toMatchObject({
    systemId,
    timeline,
    currentLsn: expect.any(BigInt),
    isStandby: false,
  });
});

test('a standby is known by its timeline, and how far it has replayed', async () => {
  const before = await position();
  const { server } = source;
  await server.stop();
  await writeFile(`${server.dataDir}/standby.signal`, '');
  await server.start();
  await using session = await source.session();
  expect(await identify(session)).toMatchObject({
    systemId: before.systemId,
    timeline: 1,
    currentLsn: expect.any(BigInt),
    isStandby: true,
  });
  expect(lines(await sourceFindings(session, needs)).join('\n')).toContain(
    'the source is a standby',
  );
  await session[Symbol.asyncDispose]();
  await server.stop();
  await rm(`${server.dataDir}/standby.signal`);
  await server.start();
  expect(await continuity(before)).toMatchObject({ timeline: 1 });
});

test('an immediate stop of the source and a restart do not matter', async () => {
  await write();
  const recorded = await position();
  await source.server.stop('immediate');
  await source.server.start();
  expect(await continuity(recorded)).toMatchObject({ timeline: 1 });
});

test('a slot that somebody else has read is refused (E6006)', async () => {
  const recorded = await position();
  await write();
  expect(await continuity(recorded)).toMatchObject({ timeline: 1 });
  await source.run(
    "select pg_replication_slot_advance('replicator', pg_current_wal_lsn())",
  );
  await expect(continuity(recorded)).rejects.toMatchObject({ code: 'E6006' });
  expect(await continuity(await position())).toMatchObject({ timeline: 1 });
});

test('a place that another daemon has noted meanwhile is taken for what it is', async () => {
  const early = await position();
  await write();
  await using session = await source.session();
  const noted = async () => {
    // Noted and confirmed by the other one, in this order.
    const late = await position();
    await source.run(
      "select pg_replication_slot_advance('replicator', pg_current_wal_lsn())",
    );
    return late;
  };
  expect(await requireContinuity(session, 'replicator', noted)).toMatchObject({
    timeline: 1,
  });
  await expect(continuity(early)).rejects.toMatchObject({ code: 'E6006' });
  expect(await continuity(null)).toMatchObject({ timeline: 1 });
});

test('another server in the place of the source is refused (E6005)', async () => {
  const recorded = await position();
  await expect(
    continuity({ ...recorded, systemId: '1' }),
  ).rejects.toMatchObject({ code: 'E6005' });
});

test('a source restored from an older copy is refused (E6005), one promoted behind it is not', async () => {
  const { server } = source;
  const copy = `${server.dataDir}-copy`;
  await server.stop();
  await copyFolder(server.dataDir, copy);
  await server.start();
  await write();
  const recorded = await position();

  await server.stop();
  await promoteAtStart();
  await server.start();
  await promoted();
  await using session = await source.session();
  const now = await identify(session);
  expect(now.timeline).toBe(2);
  const history = await readTimelineHistory(session, 2);
  expect(history).toEqual([{ timeline: 1, endLsn: expect.any(BigInt) }]);
  expect(await continuity(recorded)).toMatchObject({ timeline: 2 });
  await session[Symbol.asyncDispose]();

  await server.stop();
  await rm(server.dataDir, { recursive: true });
  await copyFolder(copy, server.dataDir);
  await server.start();
  await expect(continuity(recorded)).rejects.toMatchObject({
    code: 'E6005',
    message: expect.stringContaining('its WAL now ends before that'),
  });

  // Restored and promoted, and by now further than what was read.
  await server.stop();
  await promoteAtStart();
  await server.start();
  await promoted();
  for (let round = 0; round < 5; round++) {
    await write();
  }
  await source.run('select pg_switch_wal()');
  await expect(continuity(recorded)).rejects.toMatchObject({
    code: 'E6005',
    message: expect.stringContaining('branched off before that'),
  });

  await rm(`${server.dataDir}/pg_wal/00000002.history`);
  await expect(continuity(recorded)).rejects.toMatchObject({
    code: 'E6005',
    message: expect.stringContaining('is not known to come from there'),
  });
});

test('a slot that is gone is refused once it was read (E6002)', async () => {
  await source.run("select pg_drop_replication_slot('replicator')");
  await expect(continuity(null)).rejects.toMatchObject({ code: 'E6002' });
  await expect(continuity(await position())).rejects.toMatchObject({
    code: 'E6002',
    remedy: expect.stringContaining('load the tables again'),
  });
});
