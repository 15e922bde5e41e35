import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import {
  type PostgresServer,
  startPostgresServer,
} from '../support/postgres-server.ts';
import { testDatabase } from '../support/test-database.ts';
import { Arena, sayRound, soakKillCount } from './arena.ts';

const roundCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 25) : 2;
const timeoutMs = 120_000 + roundCount * 60_000;

/** What befalls a PostgreSQL server, or the way to it, while rows flow. */
interface Fault {
  readonly name: string;
  readonly strike: (server: PostgresServer, proxy: FaultProxy) => Promise<void>;
}

const isCommit = (chunk: Buffer): boolean =>
  chunk.toString('latin1').toLowerCase().includes('commit');

const faults: readonly Fault[] = [
  {
    name: 'a fast restart',
    async strike(server) {
      await server.stop('fast');
      await sleep(Math.random() * 1000);
      await server.start();
    },
  },
  {
    name: 'an immediate restart',
    async strike(server) {
      await server.stop('immediate');
      await server.start();
    },
  },
  {
    name: 'kill -9',
    async strike(server) {
      await server.kill();
      await sleep(Math.random() * 1000);
      await server.start();
    },
  },
  {
    name: 'cut connections',
    async strike(_server, proxy) {
      for (let cut = 0; cut < 10; cut += 1) {
        proxy.cut();
        await sleep(Math.random() * 150);
      }
    },
  },
  {
    name: 'a server that cannot be reached for a while',
    async strike(_server, proxy) {
      await proxy.refuse();
      proxy.cut();
      await sleep(1500);
      await proxy.resume();
    },
  },
  {
    name: 'half-open connections',
    async strike(_server, proxy) {
      proxy.hold();
      await sleep(2000);
      // What was held up is lost, as when a firewall forgets a connection.
      proxy.cut();
      await proxy.resume();
    },
  },
  {
    name: 'commits that were done and whose answers were lost',
    async strike(_server, proxy) {
      let lostCount = 0;
      for (let round = 0; round < 5; round += 1) {
        const lost = proxy.dropAnswerAfter(isCommit).then(() => 1);
        lostCount += await Promise.race([lost, sleep(3000, 0)]);
      }
      expect(lostCount).toBeGreaterThan(0);
    },
  },
];

test.for(faults)(
  'the target suffers $name: nothing is lost, applied twice or half visible',
  { timeout: timeoutMs },
  async ({ name, strike }) => {
    await using server = await startPostgresServer();
    await using proxy = await startFaultProxy(server);
    await using arena = await Arena.open({
      targetUrl: proxy.url(server.url()),
      directTargetUrl: server.url(),
    });
    await arena.start();
    const workload = arena.workload();
    for (let round = 1; round <= roundCount; round += 1) {
      await sleep(500 + Math.random() * 700);
      await strike(server, proxy);
      sayRound(name, round, roundCount);
    }
    await sleep(500);
    const report = await arena.settle(workload);
    // Staging goes on accepting whatever befalls the target.
    expect(report.progress.restarts).toBe(0);
  },
);

test.for(faults)(
  'the staging server suffers $name: nothing that was accepted is lost',
  { timeout: timeoutMs },
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
