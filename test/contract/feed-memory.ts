/** What several daemons remember of a feed in one staging, on any store. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplicatorError } from '../../src/failure/failure.ts';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import {
  nextTimestamp,
  type Timestamp,
  zeroTimestamp,
} from '../../src/mutation/timestamp.ts';
import { FeedMemory } from '../../src/pipeline/feed/feed-memory.ts';
import { forgetMark, hasMark } from '../../src/pipeline/feed/table-marks.ts';
import { encodeEntries } from '../../src/staging/batch-codec.ts';
import { purgedMemo, type StagingStore } from '../../src/staging/staging.ts';
import { tableShape } from '../source/changefeed/decode/shapes.ts';
import { FeedWorld } from '../support/feed-world.ts';
import { at, row, schema, type StagingPlace } from './staging-place.ts';
import { registerTwoFeedsContract } from './two-feeds.ts';

/** Nothing is applied there. */
const emptyTarget = async (): Promise<Timestamp> => zeroTimestamp;
const nothing = { resolved: zeroTimestamp, applied: zeroTimestamp };
const stranger = expect.objectContaining({ code: 'E1029', httpStatus: 409 });

const index = fc.nat({ max: 2 });
const action = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('write'), index, index) },
  {
    weight: 5,
    arbitrary: fc.tuple(fc.constant('send'), index, fc.nat(4), fc.nat(5)),
  },
  { weight: 8, arbitrary: fc.tuple(fc.constant('step'), fc.nat(7), fc.nat(9)) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constant('resolve'), index, fc.nat({ max: 3 })),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constant('sweep')) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('retire'), fc.nat(6)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('purge'), fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('add'), index) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('restart'), index) },
);

async function act(
  world: FeedWorld,
  [what, ...given]: readonly unknown[],
): Promise<void> {
  const [first, second, third] = given as [number, number, number];
  switch (what) {
    case 'write':
      return world.write(first, second);
    case 'send':
      return world.send(first, second, 1 + third);
    case 'step':
      return await world.step(first, 1 + second);
    case 'resolve':
      return await world.resolve(first, second);
    case 'sweep':
      return await world.sweep();
    case 'retire':
      return await world.retire(first);
    case 'purge':
      return await world.purge(given[0] as boolean);
    case 'add':
      return world.addTable(first);
    default:
      return await world.startDaemon(first);
  }
}

export function registerFeedMemoryContract(
  name: string,
  place: () => Promise<StagingPlace>,
  numRuns: number,
): void {
  const withStores = async (
    run: (one: StagingStore, other: StagingStore) => Promise<void>,
  ): Promise<void> => {
    await using here = await place();
    await using one = await here.open();
    await using other = await here.openBeside();
    await run(one, other);
  };

  describe(`${name}: what daemons remember of a feed together`, () => {
    test('whatever one feed sends to whom in which order, again and again: nothing is lost, nothing old comes back, nothing is refused, and strangers are', () =>
      withStores(async (one, other) => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(action, { maxLength: 80, size: 'max' }),
            async (run) => {
              await one.purge({ schema }, false);
              for (const table of ['t0', 't1', 't2']) {
                await dropMemos(one, table);
              }
              const world = new FeedWorld([one, other], schema);
              for (const daemon of [0, 1, 2]) {
                await world.startDaemon(daemon);
              }
              for (const step of run) {
                await act(world, step);
              }
              await world.finish();
              expect(world.refusals).toEqual([]);
              const { source, target } = world.outcome();
              expect(target).toEqual(source);

              const { retired } = await one.checkpoint(schema);
              const purged = (await one.memo(purgedMemo(schema))) as Timestamp;
              const { resolved } = world;
              for (const table of ['t0', 't1', 't2']) {
                const isKnown = await hasMark(one, schema, table);
                const sends = world.sendStranger(table, resolved);
                if (!isKnown) {
                  // Seen for the first time: a scan, as far as anybody can tell.
                  expect(await sends).toBe(1);
                } else if (resolved > retired && resolved > purged) {
                  await expect(sends).rejects.toEqual(stranger);
                } else {
                  expect(await sends).toBe(0);
                }
              }
            },
          ),
          { numRuns },
        );
      }));

    registerTwoFeedsContract(withStores, 75);

    test('a request whose tables are all settled reads nothing of staging', () =>
      withStores(async (store) => {
        const calls: string[] = [];
        const memory = await FeedMemory.load(
          noting(store, calls),
          schema,
          emptyTarget,
        );
        await memory.sift([part(at(1))], nothing);
        await store.resolve(schema, at(2));
        await memory.resolved(at(2));
        calls.length = 0;
        const local = { resolved: at(2), applied: at(2) };
        const { freshCount } = await memory.sift([part(at(3))], local);
        expect([freshCount, calls]).toEqual([1, []]);
      }));

    test('a table that is new to two daemons at once has one mark', () =>
      withStores(async (one, other) => {
        await one.resolve(schema, at(5));
        const memories = await Promise.all(
          [one, other, one].map((store) =>
            FeedMemory.load(store, schema, emptyTarget),
          ),
        );
        const sifted = await Promise.all(
          memories.map((memory) => memory.sift([part(at(4))], nothing)),
        );
        const times = timesOf(sifted);
        const staged = nextTimestamp(at(5));
        expect(times).toEqual([staged, staged, staged]);
      }));

    test('a table begins nowhere before the watermark of the target, of which purged staging knows nothing', () =>
      withStores(async (one, other) => {
        let answer = Promise.reject<Timestamp>(new ReplicatorError('E4001'));
        answer.catch(() => {});
        const [memory, restarted] = await Promise.all(
          [one, other].map((store) =>
            FeedMemory.load(store, schema, () => answer),
          ),
        );
        await expect(memory!.sift([part(at(4))], nothing)).rejects.toThrow(
          new ReplicatorError('E4001').message,
        );
        expect(await hasMark(one, schema, 'orders')).toBe(false);
        answer = Promise.resolve(at(5));
        for (const each of [memory!, restarted!]) {
          const { fresh } = await each.sift([part(at(4))], nothing);
          expect(timesOf([{ fresh }])).toEqual([nextTimestamp(at(5))]);
        }
      }));

    test('after a purge beside running daemons no redelivery is taken for a stranger', () =>
      withStores(async (one, other) => {
        const memory = await FeedMemory.load(one, schema, emptyTarget);
        const { fresh } = await memory.sift([part(at(2))], nothing);
        await one.append(encodeEntries(schema, fresh));
        await one.resolve(schema, at(3));
        await one.commitApplied(schema, at(3), true);
        await other.purge({ schema }, false);
        const local = { resolved: at(3), applied: at(3) };
        expect((await memory.sift([part(at(2))], local)).freshCount).toBe(0);
        await one.resolve(schema, at(5));
        await expect(
          memory.sift([part(at(4))], { resolved: at(5), applied: at(3) }),
        ).rejects.toEqual(stranger);
      }));

    test('a daemon with an old idea of what is resolved gives no old row a new time', () =>
      withStores(async (one, other) => {
        await one.resolve(schema, at(5));
        const leader = await FeedMemory.load(one, schema, emptyTarget);
        const follower = await FeedMemory.load(other, schema, emptyTarget);
        for (const memory of [leader, follower]) {
          const { fresh } = await memory.sift([part(at(5))], nothing);
          await one.append(encodeEntries(schema, fresh));
        }
        await one.resolve(schema, at(7));
        const { fresh } = await follower.sift([part(at(5))], {
          resolved: at(5),
          applied: at(5),
        });
        expect(fresh).toEqual([]);
      }));

    test('marks of the former form are kept: settled tables stay settled, scans go on', () =>
      withStores(async (store) => {
        await store.resolve(schema, at(9));
        await store.setMemo(
          `delivered-tables:${schema}`,
          JSON.stringify({ orders: null, lines: at(9) }),
        );
        const memory = await FeedMemory.load(store, schema, emptyTarget);
        const local = { resolved: at(9), applied: at(9) };
        const { fresh, redelivered } = await memory.sift(
          [part(at(8)), { ...part(at(8)), table: 'lines' }],
          local,
        );
        expect([...redelivered]).toEqual([['orders', 1]]);
        expect(timesOf([{ fresh }])).toEqual([nextTimestamp(at(9))]);
        // From here on the log knows all of it.
        await store.resolve(schema, at(12));
        const later = { resolved: at(12), applied: at(12) };
        await expect(memory.sift([part(at(11))], later)).rejects.toEqual(
          stranger,
        );
      }));

    test('a table whose mark is forgotten is scanned anew, which running daemons notice; its old rows are still known', () =>
      withStores(async (one, other) => {
        expect(await forgetMark(one, schema, 'orders')).toBe(false);
        await one.resolve(schema, at(3));
        const memory = await FeedMemory.load(one, schema, emptyTarget);
        const deliver = async (step: number, key: string, local = nothing) => {
          const given = { table: 'orders', mutations: [row(at(step), key)] };
          const { fresh } = await memory.sift([given], local);
          await one.append(encodeEntries(schema, fresh));
          return timesOf([{ fresh }])[0];
        };
        expect(await deliver(2, 'scanned')).toBe(nextTimestamp(at(3)));
        expect(await deliver(5, 'changed')).toBe(at(5));
        await one.resolve(schema, at(9));
        const local = { resolved: at(9), applied: at(9) };
        await expect(deliver(8, 'again', local)).rejects.toEqual(stranger);
        expect(await forgetMark(other, schema, 'orders')).toBe(true);
        expect(await deliver(8, 'again', local)).toBe(nextTimestamp(at(9)));
        await one.resolve(schema, at(10));
        const later = { resolved: at(10), applied: at(10) };
        for (const [step, key] of [
          [2, 'scanned'],
          [5, 'changed'],
          [8, 'again'],
        ] as const) {
          expect(await deliver(step, key, later)).toBeUndefined();
        }
        await expect(deliver(2, 'other', later)).rejects.toEqual(stranger);
      }));
  });

  describe(`${name}: the order of key columns among daemons`, () => {
    const pair = tableShape('pair', ['a', 'b']);
    const key = ['1', '2'] as JsonText[];
    const halt = expect.objectContaining({ code: 'E1017' });
    const twoMemories = (one: StagingStore, other: StagingStore) =>
      Promise.all(
        [one, other].map((store) =>
          FeedMemory.load(store, schema, emptyTarget),
        ),
      );

    test('what one has proven another one takes before it assumes', () =>
      withStores(async (one, other) => {
        const [proving, asking] = await twoMemories(one, other);
        proving!.keyOrders.observe(pair, ['1', '2'], ['2', '1']);
        await proving!.sift([], nothing);
        const { keyOrders } = asking!;
        expect(keyOrders.arrange(pair, key)).toEqual(['1', '2']);
        expect(await asking!.confirmOrders(keyOrders.takeTrust()!)).toBe(false);
        expect(keyOrders.arrange(pair, key)).toEqual(['2', '1']);
        expect(keyOrders.takeTrust()).toBeNull();
      }));

    test('an assumption of one halts another one that disproves it, and then both', () =>
      withStores(async (one, other) => {
        const [assuming, proving] = await twoMemories(one, other);
        assuming!.keyOrders.arrange(pair, key);
        const trust = assuming!.keyOrders.takeTrust()!;
        expect(await assuming!.confirmOrders(trust)).toBe(true);
        proving!.keyOrders.observe(pair, ['1', '2'], ['2', '1']);
        await expect(proving!.sift([], nothing)).rejects.toEqual(halt);
        // Requests that have nothing to do with it go on.
        await proving!.sift([], nothing);
        expect(() => proving!.keyOrders.arrange(pair, key)).toThrow(halt);
        assuming!.keyOrders.arrange(pair, key);
        const again = assuming!.keyOrders.takeTrust()!;
        expect(await assuming!.confirmOrders(again)).toBe(false);
        expect(() => assuming!.keyOrders.arrange(pair, key)).toThrow(halt);
      }));

    test('a proof and an assumption that it disproves never both pass, whoever is first', () =>
      withStores(async (one, other) => {
        for (let round = 0; round < 20; round += 1) {
          const table = tableShape(`pair${round}`, ['a', 'b']);
          const [assuming, proving] = await twoMemories(one, other);
          const assumes = async (): Promise<string> => {
            const { keyOrders } = assuming!;
            for (;;) {
              const arranged = keyOrders.arrange(table, key);
              const trust = keyOrders.takeTrust();
              if (trust === null || (await assuming!.confirmOrders(trust))) {
                await assuming!.sift([], nothing);
                return arranged.join('');
              }
            }
          };
          proving!.keyOrders.observe(table, ['1', '2'], ['2', '1']);
          const [assumed, proved] = await Promise.allSettled([
            assumes(),
            proving!.sift([], nothing),
          ]);
          const isWrong =
            assumed.status === 'fulfilled' && assumed.value === '12';
          expect(isWrong && proved.status === 'fulfilled').toBe(false);
        }
      }));

    test('orders of the former form are read', () =>
      withStores(async (one, other) => {
        await one.setMemo(
          `key-orders:${schema}`,
          JSON.stringify({
            tables: {
              pair: { columns: ['a', 'b'], possible: [3, 3], assumed: [0, 1] },
            },
          }),
        );
        const [memory] = await twoMemories(one, other);
        expect(() =>
          memory!.keyOrders.observe(pair, ['1', '2'], ['2', '1']),
        ).toThrow(halt);
      }));
  });
}

function part(time: Timestamp): { table: string; mutations: Mutation[] } {
  return { table: 'orders', mutations: [row(time, 'a')] };
}

function timesOf(
  sifted: readonly {
    fresh: readonly { mutations: readonly Mutation[] }[];
  }[],
): Timestamp[] {
  return sifted.flatMap(({ fresh }) =>
    fresh.flatMap(({ mutations }) => mutations.map(({ time }) => time)),
  );
}

/** Each run of a property begins with a schema that nobody has seen. */
async function dropMemos(store: StagingStore, table: string): Promise<void> {
  const name = `delivered-table:${schema}:${table}`;
  await store.setMemo(
    name,
    JSON.stringify({
      since: null,
      isSettled: false,
      earlier: [],
      vagueThrough: zeroTimestamp,
    }),
  );
  await store.setMemo(purgedMemo(schema), zeroTimestamp);
}

function noting(store: StagingStore, calls: string[]): StagingStore {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown;
      return typeof method === 'function'
        ? (...given: unknown[]) => {
            calls.push(String(name));
            return method.apply(target, given) as unknown;
          }
        : method;
    },
  });
}
