import { setTimeout as sleep } from 'node:timers/promises';

import { test } from 'vitest';

import { startFaultProxy } from '../support/fault-proxy.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { testDatabase } from '../support/test-database.ts';
import { Arena, sayRound } from './arena.ts';
import { faults, faultTimeoutMs, roundCount } from './faults.ts';

test.for(faults)(
  'the staging server suffers $name: nothing that was accepted is lost',
  { timeout: faultTimeoutMs },
  async ({ name, strike }) => {
    await using target = await testDatabase();
    await using server = await startPostgresServer();
    await using proxy = await startFaultProxy(server);
    await using arena = await Arena.open({
      targetUrl: target.url,
      stagingUrl: proxy.url(server.url()),
    });
    await arena.start();
    const workload = arena.workload({ tries: 0, replayIntervalMs: 0 });
    for (let round = 1; round <= roundCount; round += 1) {
      await sleep(500 + Math.random() * 700);
      await strike(server, proxy);
      sayRound(name, round, roundCount);
    }
    await sleep(500);
    await arena.settle(workload);
  },
);
