import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parsePostgresAddress } from '../../../../src/config/address/postgres.ts';
import { cutClient } from '../../../../src/config/address/postgres-dial.ts';
import { createSlot } from '../../../../src/source/logical/server/slot-admin.ts';
import {
  readSlot,
  slotFailure,
} from '../../../../src/source/logical/server/slot-state.ts';
import {
  identify,
  requireContinuity,
} from '../../../../src/source/logical/server/source-identity.ts';
import { openSourceSession } from '../../../../src/source/logical/server/source-session.ts';
import { freePort } from '../../../support/postgres-server.ts';
import { startSource, type TestSource } from './source-fixture.ts';

let source: TestSource;
beforeAll(async () => {
  source = await startSource({
    max_replication_slots: 2,
    max_wal_senders: 2,
    max_slot_wal_keep_size: '16MB',
    min_wal_size: '32MB',
    max_wal_size: '32MB',
  });
  await source.run("create role low login password 'secret'");
});
afterAll(() => source[Symbol.asyncDispose]());

function dial(change: (url: URL) => void) {
  const url = new URL(source.server.url());
  change(url);
  return openSourceSession(parsePostgresAddress(url.href, '--sourceConn'));
}

const streamFrom = (slotName: string): string =>
  `START_REPLICATION SLOT "${slotName}" LOGICAL 0/0 (proto_version '1', publication_names 'pub')`;

/** Reads the slot until it is cut. */
async function reader(slotName: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: source.server.url(),
    application_name: 'stranger',
    replication: 'database',
  } as pg.ClientConfig);
  client.on('error', () => {});
  await client.connect();
  client.query(streamFrom(slotName)).catch(() => {});
  await using session = await source.session();
  await expect
    .poll(async () => (await readSlot(session, slotName))!.active)
    .toBe(true);
  return client;
}

test('who may not log in, or into what is not there, halts (E6001)', async () => {
  await expect(dial((url) => (url.password = 'hunter2'))).rejects.toMatchObject(
    {
      code: 'E6001',
      disposition: 'halt',
      message: expect.not.stringContaining('hunter2'),
      remedy: expect.stringContaining('pg_hba.conf'),
    },
  );
  await expect(dial((url) => (url.password = ''))).rejects.toMatchObject({
    code: 'E6001',
  });
  await expect(
    dial((url) => (url.pathname = '/nowhere')),
  ).rejects.toMatchObject({ code: 'E6001' });
  await expect(
    dial((url) => url.searchParams.set('sslmode', 'require')),
  ).rejects.toMatchObject({
    code: 'E6001',
    message: expect.stringContaining('has no TLS'),
  });
});

test('a source that does not answer, or goes away, is asked again (E6010)', async () => {
  const port = await freePort();
  await expect(dial((url) => (url.port = String(port)))).rejects.toMatchObject({
    code: 'E6010',
    disposition: 'retry',
    message: expect.stringContaining('ECONNREFUSED'),
  });
  await using session = await source.session();
  const asked = expect(
    session.query("select pg_sleep(600), 'forever'"),
  ).rejects.toMatchObject({ code: 'E6010' });
  await using other = await source.session();
  await expect
    .poll(() =>
      other.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%forever%' and pid <> pg_backend_pid()",
      ),
    )
    .toHaveLength(1);
  await asked;
  await expect(session.query('select 1')).rejects.toMatchObject({
    code: 'E6010',
  });
});

test('a stop in the middle of a question ends with its reason, at the source too', async () => {
  const stop = new AbortController();
  await using session = await source.session({ signal: stop.signal });
  const refused = expect(
    session.query("select pg_sleep(600), 'stopped'", [], { timeoutMs: null }),
  ).rejects.toThrow('the daemon stops');
  await using other = await source.session();
  const running = () =>
    other.query(
      "select 1 from pg_stat_activity where query like '%stopped%' and state = 'active' and pid <> pg_backend_pid()",
    );
  await expect.poll(running).toHaveLength(1);
  stop.abort(new Error('the daemon stops'));
  await refused;
  await expect.poll(running).toEqual([]);
  await expect(
    source.session({ signal: AbortSignal.abort(new Error('late')) }),
  ).rejects.toThrow('late');
});

test('an account without REPLICATION is told what it lacks (E6007)', async () => {
  await using session = await source.session({ user: 'low' });
  await expect(session.replicate('IDENTIFY_SYSTEM')).rejects.toMatchObject({
    code: 'E6007',
    remedy: expect.stringContaining('REPLICATION'),
  });
  await expect(
    createSlot(session, { slotName: 'low', failover: false }),
  ).rejects.toMatchObject({ code: 'E6007' });
});

test('a slot that is missing, taken or one too many is told apart', async () => {
  await using session = await source.session();
  await expect(session.replicate(streamFrom('gone'))).rejects.toMatchObject({
    code: 'E6002',
  });
  await createSlot(session, { slotName: 'taken', failover: false });
  await createSlot(session, { slotName: 'free', failover: false });
  await expect(
    createSlot(session, { slotName: 'third', failover: false }),
  ).rejects.toMatchObject({
    code: 'E6007',
    remedy: expect.stringContaining('max_replication_slots'),
  });

  const stranger = await reader('taken');
  const slot = await readSlot(session, 'taken');
  expect(slotFailure('taken', slot, session.database)).toMatchObject({
    code: 'E6004',
    disposition: 'retry',
    message: expect.stringMatching(
      /is read by process \d+ \(stranger at 127\.0\.0\.1\)/,
    ),
  });
  const { systemId, timeline } = await identify(session);
  // Whoever reads it may move it: that is no reason to stop (E6006).
  await expect(
    requireContinuity(session, 'taken', { systemId, timeline, lsn: '0/1' }),
  ).rejects.toMatchObject({ code: 'E6004' });
  await expect(session.replicate(streamFrom('taken'))).rejects.toMatchObject({
    code: 'E6004',
  });

  const second = await reader('free');
  await expect(session.replicate('IDENTIFY_SYSTEM')).rejects.toMatchObject({
    code: 'E6010',
  });
  cutClient(stranger);
  cutClient(second);
  for (const name of ['taken', 'free']) {
    await expect
      .poll(async () => (await readSlot(session, name))!.active)
      .toBe(false);
    await source.run(`select pg_drop_replication_slot('${name}')`);
  }
});

test('a slot whose WAL is removed says so when it is read (E6003)', async () => {
  await using session = await source.session();
  await createSlot(session, { slotName: 'late', failover: false });
  await source.run('create table filler (id int)');
  for (let round = 0; round < 4; round++) {
    await source.run('insert into filler values (1)');
    await source.run('select pg_switch_wal()');
    await source.run('checkpoint');
  }
  await expect(session.replicate(streamFrom('late'))).rejects.toMatchObject({
    code: 'E6003',
    disposition: 'halt',
  });
  await expect(requireContinuity(session, 'late', null)).rejects.toMatchObject({
    code: 'E6003',
  });
});

test('a source without logical decoding says so (E6007)', async () => {
  await using plain = await startSource({ wal_level: 'replica' });
  await using session = await plain.session();
  await expect(
    createSlot(session, { slotName: 'none', failover: false }),
  ).rejects.toMatchObject({ code: 'E6007' });
});
