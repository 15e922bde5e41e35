import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import {
  type SlotHouse,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';
import { sayRound, soakKillCount, until } from './arena.ts';
import { checkerSetup, startSlotChecker } from './slot-checker.ts';

const roundCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 20) : 1;
const timeoutMs = 300_000 + roundCount * 60_000;

interface Stage {
  readonly server: PostgresServer;
  readonly proxy: FaultProxy;
  readonly house: SlotHouse;
}

const faults: readonly {
  readonly name: string;
  readonly strike: (stage: Stage) => Promise<void>;
}[] = [
  {
    name: 'a fast restart, an immediate one and kill -9',
    async strike({ server }) {
      // Fast: it waits for us to confirm all it has sent, and must get that.
      await server.stop('fast');
      await sleep(Math.random() * 300);
      await server.start();
      await sleep(Math.random() * 500);
      await server.stop('immediate');
      await server.start();
      await sleep(Math.random() * 500);
      await server.kill();
      await sleep(Math.random() * 300);
      await server.start();
    },
  },
  {
    name: 'cut connections',
    async strike({ proxy }) {
      for (let cut = 0; cut < 10; cut += 1) {
        proxy.cut();
        await sleep(Math.random() * 200);
      }
    },
  },
  {
    name: 'a network that is slow, and cut in the middle of a transaction',
    async strike({ proxy, house }) {
      proxy.slow({ bytesPerSecond: 400_000, delayMs: 3 });
      await house.source.sql(
        `insert into half_a select -id, 1 from generate_series(1, 3000) id on conflict (id) do update set v = half_a.v + 1;
         insert into half_b select -id, 1, repeat('x', 200) from generate_series(1, 3000) id
         on conflict (id) do update set v = half_b.v + 1`,
      );
      await sleep(Math.random() * 600);
      proxy.cut();
      await sleep(Math.random() * 600);
      proxy.cut();
      await proxy.resume();
    },
  },
  {
    name: 'connections that are half-open',
    async strike({ proxy, house }) {
      proxy.hold();
      // Nobody closes anything: only its own clock tells the daemon.
      await until(
        'the daemon knows',
        () => /silent|source retrying|E6010/.test(house.daemon.logs()),
        60_000,
      );
      proxy.cut();
      await proxy.resume();
    },
  },
];

test.for(faults)(
  'the source suffers $name: nothing is lost, applied twice or torn',
  { timeout: timeoutMs },
  async ({ name, strike }) => {
    await using server = await startSlotServer({ fsync: true });
    await using proxy = await startFaultProxy(server);
    await using house = await slotHouse({
      server,
      setup: checkerSetup,
      args: ['--standbyTimeout=150ms'],
      dial: { source: (url) => proxy.url(url) },
    });
    await using checker = await startSlotChecker({ house });
    for (let round = 1; round <= roundCount; round += 1) {
      await checker.committed(40);
      await strike({ server, proxy, house });
      await checker.moved();
      sayRound(name, round, roundCount);
    }
    await checker.finish();
  },
);
