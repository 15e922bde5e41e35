/** The part of the staging contract for those who append while others resolve. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Timestamp } from '../../src/mutation/timestamp.ts';
import { encodeEntries } from '../../src/staging/batch-codec.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import {
  at,
  entriesOf,
  keys,
  otherSchema,
  readAll,
  row,
  schema,
  type StagingPlace,
  withStore as withStoreAt,
} from './staging-place.ts';

/** Who appends and resolves at the same time, from two stores. */
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant('append' as const),
      store: fc.nat(1),
      second: fc.integer({ min: 1, max: 30 }),
    }),
  },
  fc.record({
    does: fc.constant('resolve' as const),
    store: fc.nat(1),
    second: fc.integer({ min: 1, max: 30 }),
  }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export function registerGuardContract(
  name: string,
  place: () => Promise<StagingPlace>,
): void {
  const withStore = (
    run: (store: StagingStore, here: StagingPlace) => Promise<void>,
  ): Promise<void> => withStoreAt(place, run);
  const above = (second: number) => ({ guard: { schema, above: at(second) } });

  describe(`${name}: appending under a guard`, () => {
    test('goes on while nothing at or beyond it is resolved, and then leaves nothing behind', () =>
      withStore(async (store) => {
        const append = (second: number, key: string): Promise<boolean> =>
          store.append(entriesOf(row(at(second), key)), above(second));
        expect(await append(5, 'never resolved')).toBe(true);
        await store.resolve(schema, at(9));
        expect(await append(10, 'later')).toBe(true);
        expect(await append(9, 'at')).toBe(false);
        expect(await append(4, 'before')).toBe(false);
        const unguarded = entriesOf(row(at(5), 'never resolved'));
        expect(await store.append(unguarded)).toBe(true);
        expect(await keys(store)).toEqual([
          '["never resolved"]',
          '["never resolved"]',
          '["later"]',
        ]);
      }));

    test('speaks for its call and its schema alone', () =>
      withStore(async (store) => {
        await store.resolve(schema, at(9));
        const elsewhere = encodeEntries(otherSchema, [
          { table: 'orders', mutations: [row(at(1), 'elsewhere')] },
        ]);
        const outcomes = await Promise.all([
          store.append(entriesOf(row(at(10), 'a')), above(10)),
          store.append(
            entriesOf(row(at(3), 'late'), row(at(11), 'late')),
            above(3),
          ),
          store.append(elsewhere, {
            guard: { schema: otherSchema, above: at(1) },
          }),
          store.append(entriesOf(row(at(12), 'b')), above(12)),
        ]);
        expect(outcomes).toEqual([true, false, true, true]);
        expect(await keys(store)).toEqual(['["a"]', '["b"]']);
        expect(await store.size(otherSchema)).toMatchObject({ rowCount: 1 });
      }));

    test('of nothing succeeds', () =>
      withStore(async (store) => {
        await store.resolve(schema, at(9));
        expect(await store.append([], above(3))).toBe(true);
      }));

    test('whoever appends and resolves from two sides at once: nothing turns up at or below a time that is resolved', async () => {
      await using here = await place();
      await using one = await here.open();
      await using other = await here.openBeside();
      const stores = [one, other];
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(step, { maxLength: 12 }), {
            minLength: 1,
            maxLength: 6,
          }),
          async (lanes) => {
            await one.purge({ schema }, false);
            const seen: [through: Timestamp, count: number][] = [];
            const countThrough = async (through: Timestamp): Promise<number> =>
              (await readAll(other, { through })).length;
            const act = async (
              { does, store, second }: Step,
              place: string,
            ): Promise<void> => {
              if (does === 'append') {
                const time = at(second, 1);
                const entries = entriesOf(row(time, place));
                const guard = { schema, above: time };
                await stores[store]!.append(entries, { guard });
              } else {
                await stores[store]!.resolve(schema, at(second));
                seen.push([at(second), await countThrough(at(second))]);
              }
            };
            await Promise.all(
              lanes.map(async (steps, lane) => {
                for (const [place, one] of steps.entries()) {
                  await act(one, `${lane}-${place}`);
                }
              }),
            );
            for (const [through, count] of seen) {
              expect([through, await countThrough(through)]).toEqual([
                through,
                count,
              ]);
            }
          },
        ),
        { numRuns: 40 },
      );
    });
  });
}
