/** Two changefeeds into one target schema, on any store. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { zeroTimestamp } from '../../src/mutation/timestamp.ts';
import { purgedMemo, type StagingStore } from '../../src/staging/staging.ts';
import { TwoFeedWorld } from '../support/two-feed-world.ts';
import { schema } from './staging-place.ts';

const which = fc.nat({ max: 1 });
const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.constant('send' as const),
      which,
      which,
      fc.nat(4),
      fc.nat(3),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constant('resolve' as const), which, which),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant('follow' as const), which) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('sweep' as const)) },
  { weight: 8, arbitrary: fc.tuple(fc.constant('step' as const), fc.nat(7)) },
);

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

async function act(world: TwoFeedWorld, step: Action): Promise<void> {
  switch (step[0]) {
    case 'send':
      return world.send(step[1], step[2], step[3], step[4]);
    case 'resolve':
      return world.resolve(step[1], step[2]);
    case 'follow':
      return world.follow(step[1]);
    case 'sweep':
      return await world.sweep();
    case 'step':
      return await world.step(step[1]);
  }
}

export function registerTwoFeedsContract(
  withStores: (
    run: (one: StagingStore, other: StagingStore) => Promise<void>,
  ) => Promise<void>,
  numRuns: number,
): void {
  test('whatever two feeds send to two daemons, each of which may be held up anywhere: a row that is acknowledged is applied, and none is both acknowledged and refused', () =>
    withStores(async (one, other) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(action, { maxLength: 60, size: 'max' }),
          async (run) => {
            await one.purge({ schema }, false);
            for (const table of ['t0', 't1']) {
              await one.setMemo(`delivered-table:${schema}:${table}`, unknown);
            }
            await one.setMemo(purgedMemo(schema), zeroTimestamp);
            const world = await TwoFeedWorld.open([one, other], schema);
            for (const step of run) {
              await act(world, step);
            }
            await world.finish();
            expect(world.wrongs).toEqual([]);
          },
        ),
        { numRuns },
      );
    }));
}

/** As `staging rescan` leaves it: a table that has delivered nothing yet. */
const unknown = JSON.stringify({
  since: null,
  isSettled: false,
  earlier: [],
  vagueThrough: zeroTimestamp,
});
