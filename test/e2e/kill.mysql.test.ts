import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
import { Arena, soakKillCount, sayRound } from './arena.ts';

const killCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 8) : 4;
/** A kill, a start and what lies between take about a second and a half. */
const timeoutMs = 300_000 + killCount * 10_000;

test.for(
  MYSQL_PRODUCTS.flatMap((product) =>
    (['consistent', 'immediate'] as const).map(
      (mode) => [product, mode] as const,
    ),
  ),
)(
  'a daemon before %s in %s mode that is killed at random moments loses nothing it accepted',
  { timeout: timeoutMs },
  async ([product, mode]) => {
    await using target = await testMysqlDatabase(product);
    await using arena = await Arena.open({ targetUrl: target.url, mode });
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
      sayRound(`${product}, ${mode}: kills`, kill, killCount);
    }
    const report = await arena.settle(workload);
    expect(report.progress.failedRequests).toBeGreaterThan(0);
    expect(report.progress.transactions).toBeGreaterThan(killCount);
  },
);
