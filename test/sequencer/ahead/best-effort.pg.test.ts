import { setTimeout as sleep } from 'node:timers/promises';

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplicatorError } from '../../../src/failure/failure.ts';
import type { PipelineOptions } from '../../../src/pipeline/pipeline-options.ts';
import type { Target } from '../../../src/target/target.ts';
import { type TestHouse, testHouse } from '../../support/house.ts';
import {
  createTables,
  tablesOf,
  TestSource,
  timeOf,
} from './best-effort-source.ts';
import { wrapBegin, wrapMember } from '../wrapped-target.ts';

type Chance = (below: number) => number;

/** Fails as a network does, now and then, and after the commit too. */
function faultyTarget(target: Target, hits: () => boolean): Target {
  return wrapBegin(target, async (signal) => {
    if (hits()) {
      throw new ReplicatorError('E4002', { detail: 'a fault at begin' });
    }
    const transaction = await target.begin(signal);
    return wrapMember(transaction, 'commit', async (mark) => {
      if (hits()) {
        throw new ReplicatorError('E4002', { detail: 'not committed' });
      }
      await sleep(hits() ? 5 : 0);
      await transaction.commit(mark);
      if (hits()) {
        throw new ReplicatorError('E4002', { detail: 'committed' });
      }
    });
  });
}

const modes = [
  { only: true, windowMs: 0 },
  { only: false, windowMs: 1_000 },
  { only: false, windowMs: 0 },
] as const;

async function applied(house: TestHouse, step: number): Promise<void> {
  while (!(house.pipelines.all[0]!.status.applied >= timeOf(step))) {
    await sleep(2);
  }
}

/**
 * Delivers one window as a changefeed may: per row in order, otherwise cut and
 * shuffled at will, some rows twice, now and then all of it again.
 */
async function deliver(
  house: TestHouse,
  versions: TestSource['versions'],
  chance: Chance,
): Promise<void> {
  for (let pass = chance(3) === 0 ? 2 : 1; pass > 0; pass -= 1) {
    const lanes = Map.groupBy(
      versions,
      ({ table, id }) => (table.length + id) % 3,
    );
    await Promise.all(
      [...lanes.values()].map(async (lane) => {
        for (let start = 0; start < lane.length;) {
          const size = 1 + chance(5);
          const request = tablesOf(lane.slice(start, start + size));
          const feed = (await house.pipelines.open(house.schema))!;
          await feed.accept(request);
          if (chance(6) === 0) {
            await feed.accept(request);
          }
          start += size;
        }
      }),
    );
  }
}

interface Life {
  readonly house: TestHouse;
  readonly chance: Chance;
  /** How often a look found rows beyond the resolved timestamp. */
  readonly seen: { aheadCount: number };
  /** Makes lag come and go. */
  readonly setLag: (isLagging: boolean) => void;
  readonly options: (chance: Chance) => Partial<PipelineOptions>;
}

async function live(
  source: TestSource,
  { house, chance, seen, setLag, options }: Life,
): Promise<void> {
  let resolvedStep = source.step;
  let sentCount = source.versions.length;
  const windowCount = 3 + chance(6);
  for (let window = 0; window < windowCount; window += 1) {
    for (let count = 1 + chance(6); count > 0; count -= 1) {
      source.write();
    }
    await deliver(house, source.versions.slice(sentCount), chance);
    sentCount = source.versions.length;
    setLag(chance(2) === 0);
    if (chance(3) === 0) {
      await sleep(chance(40));
    }
    if ((await source.newestShown(house)) > resolvedStep) {
      seen.aheadCount += 1;
    }
    if (chance(4) === 0) {
      await house.restart(options(chance));
    }
    if (chance(2) === 0) {
      resolvedStep = source.step;
      const feed = (await house.pipelines.open(house.schema))!;
      await feed.resolve(timeOf(resolvedStep));
      if (chance(2) === 0) {
        await applied(house, resolvedStep);
        await source.expectResolved(house, resolvedStep);
      }
    }
  }
  const feed = (await house.pipelines.open(house.schema))!;
  await feed.resolve(timeOf(source.step));
  await applied(house, source.step);
  await source.expectEqual(house);
  await source.expectNeverBack(house);
}

test.each([
  { what: 'a good target', faultOneIn: 0, sequencer: { flushSize: 7 } },
  {
    what: 'one transaction at a time',
    faultOneIn: 0,
    sequencer: { flushSize: 1, parallelism: 1 },
  },
  {
    what: 'little memory',
    faultOneIn: 0,
    sequencer: { flushSize: 4, readBudgetBytes: 2_000, scanSize: 3 },
  },
  {
    what: 'a target that fails and forgets to say that it has committed',
    faultOneIn: 25,
    sequencer: { flushSize: 5 },
  },
])(
  'with $what rows never go back, however modes and daemons change, and end as at the source',
  async ({ faultOneIn, sequencer }) => {
    let chance: Chance = () => 0;
    let isLagging = true;
    const seen = { aheadCount: 0 };
    const bestEffort = {
      maxKeys: 100_000,
      nowMs: () => (isLagging ? Date.now() : 0),
    };
    await using house = await testHouse({
      sequencer,
      bestEffort: { ...bestEffort, only: true },
      wrapTarget: (target) =>
        faultyTarget(target, () => faultOneIn > 0 && chance(faultOneIn) === 0),
    });
    await createTables(house);
    const chances = fc.infiniteStream(fc.nat({ max: 9_999_999 }));
    const source = new TestSource((below) => chance(below));
    await fc.assert(
      fc.asyncProperty(chances, async (stream) => {
        chance = (below) => (stream.next().value as number) % below;
        // One life goes on from run to run: shrinking could not repeat it.
        await live(source, {
          house,
          chance,
          seen,
          setLag: (now) => {
            isLagging = now;
          },
          options: (draw) => ({
            bestEffort: {
              ...bestEffort,
              maxKeys: draw(3) === 0 ? 3 : 100_000,
              ...modes[draw(modes.length)]!,
            },
          }),
        });
      }),
      { numRuns: 25, endOnFailure: true },
    );
    expect(seen.aheadCount).toBeGreaterThan(5);
  },
);
