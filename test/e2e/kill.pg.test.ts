import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { testDatabase } from '../support/test-database.ts';
import { Arena, soakKillCount, sayRound } from './arena.ts';

const killCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 5) : 6;
/** A kill, a start and what lies between take about a second and a half. */
const timeoutMs = 300_000 + killCount * 10_000;

test.for([
  ['sqlite', 'consistent'],
  ['postgres', 'consistent'],
  ['sqlite', 'immediate'],
  ['postgres', 'immediate'],
] as const)(
  'a daemon with %s staging in %s mode that is killed at random moments loses nothing it accepted',
  { timeout: timeoutMs },
  async ([staging, mode]) => {
    await using target = await testDatabase();
    await using stagingDatabase =
      staging === 'postgres' ? await testDatabase() : undefined;
    await using arena = await Arena.open({
      targetUrl: target.url,
      mode,
      ...(stagingDatabase ? { stagingUrl: stagingDatabase.url } : {}),
    });
    await arena.start();
    // `tries: 0`: whatever was accepted is never sent again, so that only the
    // daemon can bring it to the target.
    const workload = arena.workload({ tries: 0, replayIntervalMs: 0 });
    for (let kill = 1; kill <= killCount; kill += 1) {
      await sleep(Math.random() * 1000);
      await arena.kill();
      if (kill % 4 === 0) {
        // A start is no safer moment than any other.
        await arena.start('nothing');
        await sleep(Math.random() * 800);
        await arena.kill();
      }
      await arena.start();
      sayRound(`${staging}, ${mode}: kills`, kill, killCount);
    }
    const report = await arena.settle(workload);
    expect(report.progress.failedRequests).toBeGreaterThan(0);
    expect(report.progress.transactions).toBeGreaterThan(killCount);
  },
);

test(
  'a daemon that is killed while the feed starts again and again shows no state the source never had',
  { timeout: timeoutMs },
  async () => {
    await using target = await testDatabase();
    await using arena = await Arena.open({ targetUrl: target.url });
    await arena.start();
    const workload = arena.workload({ tries: 2, replayIntervalMs: 500 });
    for (let kill = 1; kill <= killCount; kill += 1) {
      await sleep(Math.random() * 1500);
      await arena.kill();
      await arena.start();
      sayRound('kills under replays', kill, killCount);
    }
    const report = await arena.settle(workload);
    expect(report.progress.replays + report.progress.restarts).toBeGreaterThan(
      0,
    );
  },
);
