import fc from 'fast-check';
import { expect, test } from 'vitest';

import { zeroTimestamp } from '../../../src/mutation/timestamp.ts';
import { FeedConflicts } from '../../../src/pipeline/feed/feed-conflicts.ts';
import { PipelineStatus } from '../../../src/pipeline/watching/status.ts';
import { openStaging } from '../../../src/staging/open.ts';
import type { StagingStore } from '../../../src/staging/staging.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { at, schema } from '../../contract/staging-place.ts';
import { testDatabase } from '../../support/test-database.ts';

async function stores(
  run: (stores: readonly StagingStore[]) => Promise<void>,
): Promise<void> {
  await using db = await testDatabase();
  const options = {
    stagingConn: db.url,
    stagingSchema: `${db.name}.staging`,
    createSchema: true,
    dataDir: '/nonexistent',
    shared: 'staged' as const,
    pool: {
      idleTimeMs: 60_000,
      jitterTimeMs: 15_000,
      maxLifetimeMs: 300_000,
      maxPoolSize: 4,
    },
  };
  await using one = await openStaging(options);
  await using other = await openStaging(options);
  await run([one, other]);
}

/** Whether any of the daemons tells of two feeds; each message goes to one. */
async function isTold(
  daemons: readonly StagingStore[],
  messages: readonly { readonly second: number; readonly daemon: number }[],
): Promise<boolean> {
  await daemons[0]!.purge({ schema }, false);
  await daemons[0]!.setMemo(`resolved-steps:${schema}`, '[]');
  const ears = daemons.map((store) => {
    const status = new PipelineStatus();
    const parts = {
      shared: store,
      metrics: createMetrics(),
      logger: silentLogger,
    };
    return { store, status, heard: new FeedConflicts(schema, status, parts) };
  });
  for (const { second, daemon } of messages) {
    const { store, heard } = ears[daemon]!;
    const recorded = await store.resolve(schema, at(second));
    await heard.heard(at(second), recorded, 1);
  }
  return ears.some(({ status }) => status.feedComplaint !== null);
}

test('resolved messages are numbered through, whichever daemon hears them and whether they go forward or not', () =>
  stores(async ([one, other]) => {
    const numbers: (number | null)[] = [];
    for (const [turn, second] of [3, 5, 4, 6].entries()) {
      const store = turn % 2 === 0 ? one! : other!;
      numbers.push((await store.resolve(schema, at(second))).messageNumber);
    }
    expect(numbers).toEqual([1, 2, 3, 4]);
    const together = await Promise.all(
      [one!, one!, one!, other!].map((store, turn) =>
        store.resolve(schema, at(9 - turn)),
      ),
    );
    const further = together.map(({ messageNumber }) => messageNumber!);
    expect(further.toSorted((a, b) => a - b)).toEqual([5, 6, 7, 8]);
    expect((await one!.checkpoint(schema)).resolved > zeroTimestamp).toBe(true);
  }));

test('two feeds are told, though each of two daemons hears but one of them', () =>
  stores(async (daemons) => {
    const messages = Array.from({ length: 60 }, (_, turn) => ({
      second: (turn >> 1) + (turn % 2 === 0 ? 500 : 100),
      daemon: turn % 2,
    }));
    expect(await isTold(daemons, messages)).toBe(true);
  }));

test('two feeds are told, whichever of two daemons hears what', () =>
  stores(async (daemons) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 1 }), { minLength: 60, maxLength: 60 }),
        async (balanced) => {
          const messages = balanced.map((daemon, turn) => ({
            second: (turn >> 1) + (turn % 2 === 0 ? 500 : 100),
            daemon,
          }));
          expect(await isTold(daemons, messages)).toBe(true);
        },
      ),
      { numRuns: 5 },
    );
  }));

test('one feed that starts again with every fifth message, at daemons that start again too, is not', () =>
  stores(async (daemons) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            balanced: fc.array(fc.nat({ max: 1 }), {
              minLength: 5,
              maxLength: 9,
            }),
            back: fc.nat({ max: 12 }),
          }),
          { minLength: 20, maxLength: 20 },
        ),
        async (runs) => {
          const messages: { second: number; daemon: number }[] = [];
          let now = 1000;
          let checkpoint = 1000;
          for (const { balanced, back } of runs) {
            for (const daemon of balanced) {
              now += 1;
              messages.push({ second: now, daemon });
            }
            now = checkpoint = Math.max(checkpoint, now - back);
          }
          expect(await isTold(daemons, messages)).toBe(false);
        },
      ),
      { numRuns: 5 },
    );
  }));
