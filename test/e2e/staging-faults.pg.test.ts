import { setTimeout as sleep } from 'node:timers/promises';

import { test } from 'vitest';

import { startFaultProxy } from '../support/fault-proxy.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { testDatabase } from '../support/test-database.ts';
import { Arena, sayRound, untilMoreIsApplied } from './arena.ts';
import { faults, faultTimeoutMs, roundCount } from './faults.ts';

test(
  'the staging server suffers each fault in turn: nothing that was accepted is lost',
  { timeout: faultTimeoutMs * faults.length },
  async () => {
    await using target = await testDatabase();
    await using server = await startPostgresServer({ fsync: false });
    await using proxy = await startFaultProxy(server);
    await using arena = await Arena.open({
      targetUrl: target.url,
      stagingUrl: proxy.url(server.url()),
    });
    await arena.start();
    const workload = arena.workload({ tries: 0, replayIntervalMs: 0 });
    for (let round = 1; round <= roundCount; round += 1) {
      for (const { name, strike } of faults) {
        await sleep(500 + Math.random() * 700);
        await strike(server, proxy);
        await untilMoreIsApplied(
          workload,
          () => `${name}\n${arena.daemon.logs().slice(-4000)}`,
        );
      }
      sayRound('faults of staging', round, roundCount);
    }
    await arena.settle(workload);
  },
);
