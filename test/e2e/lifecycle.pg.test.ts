import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { startDaemon } from '../support/daemon.ts';
import { freePort, startPostgresServer } from '../support/postgres-server.ts';
import { testDatabase } from '../support/test-database.ts';
import { Arena, sayRound, soakKillCount, until } from './arena.ts';

const stopCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 20) : 4;

test('SIGTERM under load ends with 0 each time, and no accepted row is lost', async () => {
  await using target = await testDatabase();
  await using arena = await Arena.open({ targetUrl: target.url });
  await arena.start();
  const workload = arena.workload({ tries: 0, replayIntervalMs: 0 });
  for (let stop = 1; stop <= stopCount; stop += 1) {
    await sleep(300 + Math.random() * 700);
    arena.daemon.kill('SIGTERM');
    expect(await arena.daemon.exited, arena.daemon.logs()).toBe(0);
    await arena.start();
    sayRound('SIGTERM', stop, stopCount);
  }
  await arena.settle(workload);
});

test('a second SIGTERM ends the daemon at once, and the next one finds everything', async () => {
  await using server = await startPostgresServer({ fsync: false });
  await using arena = await Arena.open({ targetUrl: server.url() });
  await arena.start();
  const workload = arena.workload();
  await until(
    'rows were applied',
    () => (workload.progress?.appliedTransactions ?? 0) > 0,
  );
  // With its target gone the daemon has something to wait for while draining.
  await server.stop('immediate');
  await sleep(500);
  arena.daemon.kill('SIGTERM');
  await sleep(200);
  arena.daemon.kill('SIGTERM');
  const exitCode = await arena.daemon.exited;
  // Where the first was obeyed already, the second meets a process on its way out.
  const drained = / stopped\b/.test(arena.daemon.logs());
  expect(drained ? [0, null, 143] : [143]).toContain(exitCode);
  await server.start();
  await arena.start();
  await arena.settle(workload);
});

test('a second daemon on the same data directory is refused and the first goes on', async () => {
  await using target = await testDatabase();
  await using arena = await Arena.open({ targetUrl: target.url });
  await arena.start();
  const workload = arena.workload();
  const second = startDaemon({ args: arena.args, dataDir: arena.dataDir });
  await expect(second).rejects.toThrow(
    /does not become healthy:[^]*\bE\d{4}\b/,
  );
  await sleep(500);
  await arena.settle(workload);
});

test('a target that is down when the daemon starts anew delays rows but refuses none', async () => {
  await using server = await startPostgresServer({ fsync: false });
  await using arena = await Arena.open({ targetUrl: server.url() });
  await arena.start();
  const workload = arena.workload({ tries: 0, replayIntervalMs: 0 });
  await until(
    'rows were applied',
    () => (workload.progress?.appliedTransactions ?? 0) > 0,
  );
  await server.stop('fast');
  await arena.kill();
  await arena.start('listening');
  const sentAtStart = workload.progress!.sentRows;
  // The schema is known from before: what arrives is decoded and staged.
  await until(
    'rows are accepted again',
    () => workload.progress!.sentRows > sentAtStart + 200,
  );
  const health = await fetch(`${arena.daemon.metricsUrl}/_/healthz`);
  expect(health.status).toBe(500);
  expect(await health.text()).not.toBe('OK');
  const before = await workload.nextProgress();
  let after = before;
  await until('more rows are accepted', async () => {
    after = await workload.nextProgress();
    return after.sentRows > before.sentRows;
  });
  expect(after.failedRequests).toBe(before.failedRequests);
  await server.start();
  await until('the daemon is healthy', async () => {
    const again = await fetch(`${arena.daemon.metricsUrl}/_/healthz`);
    return again.ok;
  });
  await arena.settle(workload);
});

test('a target that was never seen and is down at the first start is named, and nothing is accepted', async () => {
  const port = await freePort();
  await using arena = await Arena.open({
    targetUrl: `postgresql://postgres@127.0.0.1:${port}/nowhere`,
  });
  const outcome = arena.start('listening').then(
    async (daemon) => {
      const response = await fetch(arena.url, {
        method: 'POST',
        body: '{"payload":[],"length":0}',
      });
      daemon.kill('SIGTERM');
      return { status: response.status, text: daemon.logs() };
    },
    (error: Error) => ({ status: 503, text: error.message }),
  );
  const { status, text } = await outcome;
  expect(status).not.toBe(400);
  expect(text).toMatch(/\bE4\d{3}\b|ECONNREFUSED/);
});
