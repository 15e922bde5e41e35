import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { startFaultProxy } from '../support/fault-proxy.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { Arena, sayRound, untilMoreIsApplied } from './arena.ts';
import { faults, faultTimeoutMs, roundCount } from './faults.ts';

test.for(faults)(
  'the target suffers $name: nothing is lost, applied twice or half visible',
  { timeout: faultTimeoutMs },
  async ({ name, strike }) => {
    await using server = await startPostgresServer();
    await using proxy = await startFaultProxy(server);
    await using arena = await Arena.open({
      targetUrl: proxy.url(server.url()),
      directTargetUrl: server.url(),
    });
    await arena.start();
    const workload = arena.workload();
    // Until the daemon knows the tables it must ask the target for them.
    await untilMoreIsApplied(workload, () => arena.daemon.logs());
    for (let round = 1; round <= roundCount; round += 1) {
      await sleep(500 + Math.random() * 700);
      await strike(server, proxy);
      sayRound(name, round, roundCount);
    }
    await sleep(500);
    const report = await arena.settle(workload);
    // Staging goes on accepting whatever befalls the target.
    expect(report.progress.restarts, report.progress.lastFailure).toBe(0);
  },
);

test.for(faults)(
  'in immediate mode the target suffers $name: every accepted row is there, none older than it was',
  { timeout: faultTimeoutMs },
  async ({ name, strike }) => {
    await using server = await startPostgresServer();
    await using proxy = await startFaultProxy(server);
    await using arena = await Arena.open({
      targetUrl: proxy.url(server.url()),
      directTargetUrl: server.url(),
      mode: 'immediate',
    });
    await arena.start();
    const workload = arena.workload();
    // Until the daemon knows the tables it must ask the target for them.
    await untilMoreIsApplied(workload, () => arena.daemon.logs());
    for (let round = 1; round <= roundCount; round += 1) {
      await sleep(500 + Math.random() * 700);
      await strike(server, proxy);
      sayRound(name, round, roundCount);
    }
    await sleep(500);
    await arena.settle(workload);
  },
);
