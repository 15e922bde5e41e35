import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFaultProxy } from '../support/fault-proxy.ts';
import {
  type PostgresServer,
  startPostgresServer,
} from '../support/postgres-server.ts';
import { slotHouse, startSlotServer } from '../support/slot-house.ts';
import { sayRound, soakKillCount } from './arena.ts';
import { faults, lostAnswers, roundCount } from './faults.ts';
import {
  checkerSetup,
  readerOf,
  startSlotChecker,
  targetOn,
} from './slot-checker.ts';

const timeoutMs = 300_000 + roundCount * 120_000;
/**
 * An ordinary run takes of each kind the worst: those of a death, and silence.
 * Lost answers are each store's own, below.
 */
const isSoak = soakKillCount > 0;
const struck = faults.filter(({ name }) =>
  isSoak ? !/answers were lost/.test(name) : /kill|half-open/.test(name),
);
/** In staging a step is one statement, known by the place that it notes. */
const lost = {
  target: lostAnswers(/commit/i),
  staging: lostAnswers(/systemId/),
};

let source: PostgresServer;
beforeAll(async () => {
  source = await startSlotServer();
});
afterAll(() => source[Symbol.asyncDispose]());

test.for(['target', 'staging'] as const)(
  'the %s of a slot suffers deaths, silences and lost answers: nothing is lost, applied twice or torn, and the source is read on',
  { timeout: timeoutMs },
  async (place) => {
    await using server = await startPostgresServer({ fsync: false });
    await using proxy = await startFaultProxy(server);
    await using house = await slotHouse({
      server: source,
      setup: checkerSetup,
      ...(place === 'target'
        ? {
            target: await targetOn(server),
            dial: { target: (url) => proxy.url(url) },
          }
        : {
            args: [
              `--stagingConn=${proxy.url(server.url())}`,
              '--stagingCreateSchema',
            ],
          }),
    });
    const walsender = await readerOf(house);
    await using checker = await startSlotChecker({ house });
    for (let round = 1; round <= roundCount; round += 1) {
      for (const { strike } of [...struck, lost[place]]) {
        await checker.committed(30);
        await strike(server, proxy);
        await checker.moved();
      }
      sayRound(`${place} of a slot`, round, roundCount);
    }
    if (place === 'target') {
      // Whatever befell the target, the source has not noticed.
      expect(await readerOf(house)).toBe(walsender);
    }
    await checker.finish();
  },
);
