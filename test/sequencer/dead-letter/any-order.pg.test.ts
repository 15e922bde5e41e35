/** Immediate mode, when good and bad versions of rows come in any order, twice, and side by side. */
import fc from 'fast-check';
import { expect, test } from 'vitest';

import type {
  Mutation,
  TableMutations,
} from '../../../src/mutation/mutation.ts';
import type { Feed } from '../../../src/source/source.ts';
import { applied, row, rowsOf, send } from '../../support/fed-house.ts';
import { testHouse } from '../../support/house.ts';

/** Beyond it, a value is refused by the target. */
const limit = 1_000;

const version = fc.record({
  id: fc.integer({ min: 1, max: 3 }),
  step: fc.integer({ min: 11, max: 17 }),
});

/** A source changes a row once at a time, to one thing. */
const kinds = fc.array(fc.constantFrom('good', 'bad', 'bad', 'delete'), {
  minLength: 21,
  maxLength: 21,
});

const requests = fc.array(fc.array(version, { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 5,
});

const deliveries = fc.array(fc.record({ restarts: fc.boolean(), requests }), {
  minLength: 1,
  maxLength: 3,
});

/** Requests with the same bad rows side by side may refuse one another: they come again. */
async function untilAccepted(feed: Feed, part: TableMutations): Promise<void> {
  for (let isAccepted = false; !isAccepted;) {
    isAccepted = await feed.accept([part]).then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'E4005' });
        return false;
      },
    );
  }
}

test.for([
  ['as they are', 5],
  ['of a table that is scanned', 20],
] as const)(
  'in immediate mode the newest version of each row is at the target or in the letters: %s',
  async ([, resolvedBefore]) => {
    await fc.assert(
      fc.asyncProperty(kinds, deliveries, async (kindsOf, rounds) => {
        await using house = await testHouse({
          mode: 'immediate',
          sequencer: { onRowError: 'deadLetter' },
        });
        await house.database.query(
          `create table p (id int primary key, v int);
           create table t (id int primary key, v int check (v < ${limit}))`,
        );
        await send(house, [row('p', 1, 1, { v: 1 })], resolvedBefore);
        await applied(house, resolvedBefore);
        const mutationOf = (id: number, step: number): Mutation => {
          const kind = kindsOf[(id - 1) * 7 + (step - 11)];
          const v = kind === 'bad' ? limit + step : step;
          const after = kind === 'delete' ? null : { v };
          return row('t', step, id, after).mutations[0]!;
        };
        const newest = new Map<number, number>();
        for (const round of rounds) {
          if (round.restarts) {
            await house.restart();
          }
          const feed = (await house.pipelines.open(house.schema))!;
          await Promise.all(
            round.requests.map((versions) =>
              untilAccepted(feed, {
                table: 't',
                mutations: versions.map(({ id, step }) => mutationOf(id, step)),
              }),
            ),
          );
          for (const { id, step } of round.requests.flat()) {
            newest.set(id, Math.max(step, newest.get(id) ?? 0));
          }
        }
        const letters = await house.target
          .deadLetters(house.schema, 'replicator_dlq')
          .list({}, 100, null);
        const rows = await rowsOf(house, 'select id, v from t');
        for (const [id, step] of newest) {
          const { key, after, time } = mutationOf(id, step);
          const open = letters
            .filter(({ mutation }) => mutation.key === key)
            .map(({ mutation }) => [mutation.time, mutation.after]);
          const there = rows.filter((text) => `${text}`.startsWith(`${id} `));
          const isBad = after?.includes(`:${limit + step}`) === true;
          expect([id, step, open]).toEqual([
            id,
            step,
            isBad ? [[time, after]] : [],
          ]);
          if (!isBad) {
            expect([id, step, there]).toEqual([
              id,
              step,
              after === null ? [] : [`${id} ${step}`],
            ]);
          }
        }
        expect(newest.size).toBeGreaterThan(0);
      }),
      { numRuns: 15, endOnFailure: true },
    );
  },
);
