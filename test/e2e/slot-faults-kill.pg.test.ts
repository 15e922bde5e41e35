import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, test } from 'vitest';
import type { PostgresServer } from '../support/postgres-server.ts';
import { slotHouse, startSlotServer } from '../support/slot-house.ts';
import { testDatabase } from '../support/test-database.ts';
import { sayRound, soakKillCount } from './arena.ts';
import { checkerSetup, startSlotChecker } from './slot-checker.ts';

const killCount = soakKillCount > 0 ? Math.ceil(soakKillCount / 4) : 4;
const timeoutMs = 300_000 + killCount * 15_000;

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test.for(['sqlite', 'postgres'] as const)(
  'a daemon behind a slot, with %s staging, that is killed at random moments loses nothing, doubles nothing and tears nothing',
  { timeout: timeoutMs },
  async (staging) => {
    await using stagingDatabase =
      staging === 'postgres' ? await testDatabase() : undefined;
    await using house = await slotHouse({
      server,
      setup: checkerSetup,
      args: stagingDatabase
        ? [
            `--stagingConn=${stagingDatabase.url}`,
            '--stagingCreateSchema',
            `--stagingSchema=${stagingDatabase.name}.staging`,
          ]
        : [],
    });
    await using checker = await startSlotChecker({ house });
    for (let kill = 1; kill <= killCount; kill += 1) {
      await sleep(Math.random() * 600);
      await house.kill();
      if (kill % 2 === 0) {
        // A start is no safer moment than any other.
        await house.start({ waitFor: 'nothing' });
        await sleep(Math.random() * 1_500);
        await house.kill();
      }
      await house.start();
      await checker.moved();
      sayRound(`${staging} behind a slot: kills`, kill, killCount);
    }
    await checker.finish();
  },
);
