import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { type Daemon, startDaemon } from '../support/daemon.ts';
import { testDatabase } from '../support/test-database.ts';
import { Arena, soakKillCount, sayRound } from './arena.ts';

const killCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 5) : 6;
const timeoutMs = 300_000 + killCount * 10_000;

test.for([
  ['sqlite', '--bestEffortOnly'],
  ['postgres', '--bestEffortOnly'],
  ['sqlite', '--bestEffortWindow=400ms'],
] as const)(
  'a daemon with %s staging and %s that is killed at random moments loses nothing it accepted',
  { timeout: timeoutMs },
  async ([staging, mode]) => {
    await using target = await testDatabase();
    await using stagingDatabase =
      staging === 'postgres' ? await testDatabase() : undefined;
    await using arena = await Arena.open({
      targetUrl: target.url,
      args: [mode],
      ...(stagingDatabase ? { stagingUrl: stagingDatabase.url } : {}),
    });
    await arena.start();
    // Without foreign keys nearly all tables stand alone, and transactions may
    // be seen torn: what is compared is the end.
    const workload = arena.workload({
      mode: 'immediate',
      tries: 0,
      replayIntervalMs: 0,
    });
    let aheadCount = 0;
    for (let kill = 1; kill <= killCount; kill += 1) {
      await sleep(500 + Math.random() * 1_000);
      aheadCount += Number(arena.daemon.logs().includes('best effort:'));
      await arena.kill();
      await arena.start();
      sayRound(`${staging}, ${mode}: kills`, kill, killCount);
    }
    const report = await arena.settle(workload);
    expect(report.progress.failedRequests).toBeGreaterThan(0);
    expect(aheadCount).toBeGreaterThan(0);
  },
);

test(
  'with best effort a feed that starts again and again, and a daemon that is killed, end as at the source',
  { timeout: timeoutMs },
  async () => {
    await using target = await testDatabase();
    await using arena = await Arena.open({
      targetUrl: target.url,
      args: ['--bestEffortOnly'],
    });
    await arena.start();
    const workload = arena.workload({
      mode: 'immediate',
      tries: 2,
      replayIntervalMs: 500,
    });
    for (let kill = 1; kill <= killCount; kill += 1) {
      await sleep(Math.random() * 1_500);
      await arena.kill();
      await arena.start();
    }
    const report = await arena.settle(workload);
    expect(report.progress.replays + report.progress.restarts).toBeGreaterThan(
      0,
    );
  },
);

test('rows that another daemon has staged go ahead too', async () => {
  await using target = await testDatabase();
  await using staging = await testDatabase();
  await target.query('create table t (id int8 primary key, v int8)');
  await using folder = await mkdtempDisposable(join(tmpdir(), 'ahead-'));
  const start = (name: string): Promise<Daemon> =>
    startDaemon({
      args: [
        '--disableAuthentication',
        `--targetConn=${target.url}`,
        `--stagingConn=${staging.url}`,
        '--stagingCreateSchema',
        `--stagingSchema=${staging.name}.staging`,
        '--bestEffortOnly',
      ],
      dataDir: join(folder.path, name),
      waitFor: 'listening',
    });
  await using first = await start('first');
  await using second = await start('second');
  const baseMs = Date.now();
  for (const [id, daemon] of [first, second, first, second].entries()) {
    const updated = `${baseMs + id}000000.0000000000`;
    const body = { topic: 't', updated, key: [id], after: { id, v: id } };
    const response = await fetch(`${daemon.url}/${target.name}/public`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ payload: [body], length: 1 }),
    });
    expect(response.status, await response.text()).toBe(200);
  }
  await expect
    .poll(async () => (await target.query('select id from t')).rows.length)
    .toBe(4);
});
