import { expect, test } from 'vitest';

import { createClock } from '../../src/workload/clock.ts';
import { Feed } from '../../src/workload/feed.ts';
import { createRandom } from '../../src/workload/random.ts';
import { openSender, parseSinkUrl } from '../../src/workload/sender.ts';
import { runCommandLine } from '../support/captured-io.ts';
import { testDatabase } from '../support/test-database.ts';
import { Arena, until, webhookPath } from './arena.ts';
import { Fleet, type Member } from './fleet.ts';
import { HandFeed } from './hand-feed.ts';

async function health(arena: Arena): Promise<string> {
  const answer = await fetch(`${arena.daemon.metricsUrl}/_/healthz`);
  return `${answer.status} ${await answer.text()}`;
}

async function conflicts(arena: Arena): Promise<number> {
  const answer = await fetch(`${arena.daemon.metricsUrl}/_/varz`);
  const found = /^replicator_feed_conflicts_total\{[^}]*\} (\d+)/m.exec(
    await answer.text(),
  );
  return Number(found?.[1] ?? 0);
}

/** A changefeed of one table, a minute behind, until it is refused. */
async function laggingFeed(url: string, table: string): Promise<Feed> {
  const clock = createClock(() => Date.now() - 60_000);
  using sender = openSender(parseSinkUrl(url), {
    concurrentRequests: 2,
    requestTimeoutMs: 10_000,
    gzip: false,
  });
  const feed = new Feed(
    {
      concurrentRequests: 2,
      batchSize: 5,
      resolvedIntervalMs: 100,
      tries: 2,
      retryMinMs: 10,
      retryMaxMs: 100,
      failFast: false,
      diff: false,
    },
    sender,
    clock,
    createRandom(5),
  );
  const stop = new AbortController();
  const running = feed.run(stop.signal);
  let sequence = 0;
  await until('the second changefeed is refused', () => {
    sequence += 1;
    const time = clock.tick();
    const event = {
      time,
      topic: table,
      key: `[${sequence}]`,
      after: `{"id": ${sequence}}`,
      before: null,
    };
    feed.publish({ sequence, time, events: [event] });
    return feed.counts.lastFailure?.includes('E1029') ?? false;
  });
  stop.abort();
  await running;
  return feed;
}

test('a second changefeed of other tables that lags behind is refused and told, and does the first one no harm', async () => {
  await using db = await testDatabase();
  await db.query('create table other (id int8 primary key)');
  await using arena = await Arena.open({ targetUrl: db.url });
  await arena.start();
  const workload = arena.workload();
  await workload.nextProgress();
  const isThere = async (query: string): Promise<boolean> =>
    (await db.query(query)).rows.length > 0;
  await until(
    'rows of the first changefeed are applied',
    async () =>
      (await isThere(
        "select 1 from pg_class where relname = 'workload_ledger'",
      )) && (await isThere('select 1 from workload_ledger limit 1')),
  );
  expect(await health(arena)).toMatch(/^200/);
  const { counts } = await laggingFeed(arena.url, 'other');
  expect(counts.lastFailure).toMatch(/^409 E1029 .*second changefeed/);
  expect(await health(arena)).toMatch(/^500 [^]*E1029/);
  expect(await conflicts(arena)).toBeGreaterThan(0);
  expect((await workload.finish()).verified).toBe(true);
});

test('two changefeeds of the same rows that keep no pace are told by their resolved timestamps, and nothing is lost', async () => {
  await using db = await testDatabase();
  await db.query('create table item (id int8 primary key, v text)');
  await using arena = await Arena.open({ targetUrl: db.url });
  await arena.start();
  using ahead = new HandFeed(arena.url);
  using behind = new HandFeed(arena.url);
  const item = (at: number) => ({
    key: [at],
    after: { id: at, v: 'x' },
    at,
  });
  for (let at = 10; at < 40; at += 1) {
    expect(await ahead.rows(item(at))).toMatchObject({ status: 200 });
    expect(await ahead.resolved(at)).toMatchObject({ status: 200 });
    if (at >= 15) {
      const row = item(at - 5);
      expect(await behind.rows(row)).toMatchObject({ status: 200 });
      expect(await behind.resolved(at - 5)).toMatchObject({ status: 200 });
    }
  }
  expect(await health(arena)).toMatch(/^500 [^]*E1030/);
  expect(arena.daemon.logs()).toContain('E1030');
  await until(
    'all rows are there',
    async () => (await db.query('select 1 from item')).rows.length === 30,
  );
});

test(
  'two changefeeds, each of which reaches a daemon of its own, are told by their resolved timestamps',
  { timeout: 600_000 },
  async () => {
    await using fleet = await Fleet.open();
    const { path } = webhookPath(fleet.target.url);
    const feedTo = ({ daemon }: Member): HandFeed =>
      new HandFeed(`http://127.0.0.1:${daemon.port}${path}`, 120_000);
    using ahead = feedTo(fleet.members[0]!);
    using behind = feedTo(fleet.members[1]!);
    for (let at = 100; at < 120; at += 1) {
      expect(await ahead.resolved(at)).toMatchObject({ status: 200 });
      expect(await behind.resolved(at - 50)).toMatchObject({ status: 200 });
    }
    const { metricsUrl } = fleet.members[1]!.daemon;
    const answer = await fetch(`${metricsUrl}/_/healthz`);
    expect([answer.status, await answer.text()]).toEqual([
      500,
      expect.stringContaining('E1030'),
    ]);
  },
);

test('a table that was taken out and is added again with a scan is refused until a person says that it is scanned anew', async () => {
  await using db = await testDatabase();
  await db.query('create table item (id int8 primary key, v text)');
  await using arena = await Arena.open({ targetUrl: db.url });
  await arena.start();
  using feed = new HandFeed(arena.url);
  await feed.rows({ key: [1], after: { id: 1, v: 'a' }, at: 10 });
  await feed.resolved(20);
  const scanned = [
    { key: [1], after: { id: 1, v: 'b' }, at: 20 },
    { key: [2], after: { id: 2, v: 'b' }, at: 20 },
  ];
  const refused = await feed.rows(...scanned);
  expect(refused).toMatchObject({ status: 409 });
  const command = /staging rescan --schema '([^']+)' --table 'item'/.exec(
    refused.body,
  );
  const rescan = await runCommandLine([
    'staging',
    'rescan',
    '--schema',
    command![1]!,
    '--table',
    'item',
    '--yes',
    '--dataDir',
    arena.dataDir,
  ]);
  expect(rescan).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await feed.rows(...scanned)).toMatchObject({ status: 200 });
  await feed.resolved(30);
  await until(
    'the scan is applied',
    async () =>
      (await db.query("select 1 from item where v = 'b'")).rows.length === 2,
  );
  // And from here on its rows are redeliveries like any others.
  expect(await feed.rows(...scanned)).toMatchObject({ status: 200 });
});
