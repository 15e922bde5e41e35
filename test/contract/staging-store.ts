/** What every staging store promises (src/staging/staging.ts), as tests. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { timeBucket, zeroTimestamp } from '../../src/mutation/timestamp.ts';
import { decodeEntry, encodeEntries } from '../../src/staging/batch-codec.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import {
  at,
  entriesOf,
  everything,
  keys,
  otherSchema,
  readAll,
  row,
  schema,
  type StagingPlace,
  withStore as withStoreAt,
} from './staging-place.ts';
import { registerGuardContract } from './staging-guards.ts';
import { registerLookupContract } from './staging-lookups.ts';
import { registerSourceContract } from './staging-source.ts';
import { registerTokenContract } from './staging-tokens.ts';
import { registerUpkeepContract } from './staging-upkeep.ts';

export function registerStagingStoreContract(
  name: string,
  place: () => Promise<StagingPlace>,
): void {
  const withStore = (
    run: (store: StagingStore, here: StagingPlace) => Promise<void>,
  ): Promise<void> => withStoreAt(place, run);

  describe(`${name}: appending`, () => {
    test('what was appended is there after the store is opened again', async () => {
      await using here = await place();
      const entries = encodeEntries(schema, [
        {
          table: 'orders',
          mutations: [row(at(1), 'a', '{"name":"Zoë 🦊"}'), row(at(2), 'b')],
        },
        {
          table: 'Odd "table" – ö',
          mutations: [{ ...row(at(1), 'c'), after: null }],
        },
      ]);
      {
        await using store = await here.open();
        await store.append(entries);
      }
      await using store = await here.open();
      const found = await readAll(store);
      expect(
        found.map(({ id: _id, byteCount: _bytes, ...entry }) => entry),
      ).toEqual(
        [entries[0]!, entries[2]!, entries[1]!].map(
          ({ places: _places, ...entry }) => entry,
        ),
      );
      expect(found.map((entry) => entry.byteCount)).toEqual(
        found.map((entry) => entry.body.length),
      );
    });

    test('an append of nothing is accepted', () =>
      withStore(async (store) => {
        await store.append([]);
        expect(await readAll(store)).toEqual([]);
      }));

    test('a call that can never work leaves nothing behind and fails alone', () =>
      withStore(async (store) => {
        const [bad] = entriesOf(row(at(3), 'bad'));
        const impossible = { ...bad!, table: null as unknown as string };
        const outcomes = await Promise.allSettled([
          store.append(entriesOf(row(at(1), 'before'))),
          store.append([...entriesOf(row(at(2), 'half')), impossible]),
          store.resolve(schema, at(9)),
          store.append(entriesOf(row(at(4), 'behind'))),
        ]);
        expect(outcomes.map((outcome) => outcome.status)).toEqual([
          'fulfilled',
          'rejected',
          'fulfilled',
          'fulfilled',
        ]);
        expect(await keys(store)).toEqual(['["before"]', '["behind"]']);
        expect((await store.checkpoint(schema)).resolved).toBe(at(9));
      }));

    test('a hundred calls at once are all there, each once', () =>
      withStore(async (store) => {
        const names = Array.from({ length: 100 }, (_, i) => `k${i}`);
        await Promise.all(
          names.map((key, i) =>
            store.append(entriesOf(row(at(i % 7, i), key))),
          ),
        );
        expect((await keys(store)).toSorted()).toEqual(
          names.map((key) => `["${key}"]`).toSorted(),
        );
      }));

    test('who asks is told of what is written once, before the answer, and of nothing that is not', () =>
      withStore(async (store) => {
        const events: string[] = [];
        const append = async (name: string, above: number): Promise<void> => {
          const isAppended = await store
            .append(entriesOf(row(at(6), name)), {
              guard: { schema, above: at(above) },
              onWritten: () => events.push(`${name} is written`),
            })
            .catch(String);
          events.push(`${name}: ${isAppended}`);
        };
        await store.resolve(schema, at(5));
        await append('late', 4);
        await append('new', 6);
        const written = events.filter((event) => event.endsWith('written'));
        expect(events).toEqual(['late: false', ...written, 'new: true']);
        expect(written.length).toBe(store.kind === 'sqlite' ? 1 : 0);
        expect(await keys(store)).toEqual(['["new"]']);
      }));

    test('appending twice stores twice, which is harmless', () =>
      withStore(async (store) => {
        const entries = entriesOf(row(at(1), 'a'));
        await store.append(entries);
        await store.append(entries);
        expect(await keys(store)).toEqual(['["a"]', '["a"]']);
      }));

    test('an aborted call rejects with the reason and stores nothing', () =>
      withStore(async (store) => {
        const reason = new DOMException('stop', 'AbortError');
        await expect(
          store.append(entriesOf(row(at(1), 'a')), {
            signal: AbortSignal.abort(reason),
          }),
        ).rejects.toBe(reason);
        await expect(
          store.read(
            schema,
            { ...everything, cursor: null },
            AbortSignal.abort(reason),
          ),
        ).rejects.toBe(reason);
        const later = new AbortController();
        const { signal } = later;
        const waiting = store.append(entriesOf(row(at(1), 'b')), { signal });
        later.abort(reason);
        await expect(waiting).rejects.toBe(reason);
        expect(await readAll(store)).toEqual([]);
      }));

    test('a body of several megabytes survives', () =>
      withStore(async (store) => {
        const after = `{"v":"${'ü'.repeat(3 << 20)}"}`;
        await store.append(entriesOf(row(at(1), 'a', after)));
        const [entry] = await readAll(store);
        expect(decodeEntry(entry!)[0]!.after === after).toBe(true);
      }));

    test('a closed store refuses instead of losing', async () => {
      await using here = await place();
      const store = await here.open();
      await store[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await expect(
        store.append(entriesOf(row(at(1), 'a'))),
      ).rejects.toMatchObject({ code: 'E2001' });
      await expect(store.ping()).rejects.toMatchObject({ code: 'E2001' });
    });

    test('closing waits for the calls under way', async () => {
      await using here = await place();
      const store = await here.open();
      const appended = store.append(entriesOf(row(at(1), 'a')));
      await store[Symbol.asyncDispose]();
      await appended;
      await using again = await here.open();
      expect(await keys(again)).toEqual(['["a"]']);
    });
  });

  describe(`${name}: reading`, () => {
    test('any window and page size give each row of the window once, in order', async () => {
      await using here = await place();
      await using store = await here.open();
      const time = fc
        .tuple(fc.nat(5), fc.nat(4))
        .map(([second, step]) => at(second, step));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(time, { minLength: 1, maxLength: 6 }), {
            maxLength: 8,
          }),
          time,
          time,
          fc.integer({ min: 1, max: 400 }),
          fc.integer({ min: 1, max: 8 }),
          async (requests, after, through, limitBytes, limitRows) => {
            await store.purge({ schema }, false);
            let count = 0;
            const model: string[] = [];
            for (const times of requests) {
              const mutations = times.map((t) => row(t, String(count++)));
              model.push(
                ...mutations
                  .filter(
                    (mutation) =>
                      mutation.time > after && mutation.time <= through,
                  )
                  .map((mutation) => `${mutation.time} ${mutation.key}`),
              );
              await store.append(
                encodeEntries(schema, [{ table: 'orders', mutations }]),
              );
            }
            const entries = await readAll(store, {
              after,
              through,
              limitBytes,
              limitRows,
            } as never);
            for (const entry of entries) {
              expect(entry.minTime <= through && entry.maxTime > after).toBe(
                true,
              );
              expect(timeBucket(entry.minTime)).toBe(timeBucket(entry.maxTime));
            }
            expect(
              isAscending(
                entries.map((entry) => `${entry.minTime} ${entry.id}`),
              ),
            ).toBe(true);
            const rows = entries
              .flatMap(decodeEntry)
              .filter(
                (mutation) => mutation.time > after && mutation.time <= through,
              )
              .map((mutation) => `${mutation.time} ${mutation.key}`);
            expect(rows.toSorted()).toEqual(model.toSorted());
          },
        ),
        { numRuns: 60 },
      );
    });

    test('a page holds as much as the limits allow, and at least one entry', () =>
      withStore(async (store) => {
        for (let i = 0; i < 6; i++) {
          await store.append(entriesOf(row(at(i), 'a'), row(at(i, 1), 'b')));
        }
        const [first] = await readAll(store);
        const bytes = first!.byteCount;
        const sizes = async (
          limitBytes: number,
          limitRows: number,
        ): Promise<number> =>
          (
            await store.read(schema, {
              ...everything,
              limitBytes,
              limitRows,
              cursor: null,
            })
          ).length;
        expect(await sizes(1, 1)).toBe(1);
        expect(await sizes(3 * bytes, 1000)).toBe(3);
        expect(await sizes(4 * bytes - 1, 1000)).toBe(3);
        expect(await sizes(1e9, 4)).toBe(2);
        expect(await sizes(1e9, 5)).toBe(2);
      }));

    test('schemas do not see each other', () =>
      withStore(async (store) => {
        await store.append([
          ...entriesOf(row(at(1), 'mine')),
          ...encodeEntries(otherSchema, [
            { table: 'orders', mutations: [row(at(1), 'theirs')] },
          ]),
        ]);
        expect(await keys(store)).toEqual(['["mine"]']);
        expect(await store.schemas()).toEqual([otherSchema, schema].toSorted());
      }));

    test('readers and writers at once: what is durable before a read is in it', () =>
      withStore(async (store) => {
        let durable = 0;
        const writer = async (lane: number): Promise<void> => {
          for (let i = 0; i < 25; i++) {
            await store.append(entriesOf(row(at(i, lane), `${lane}-${i}`)));
            durable++;
          }
        };
        const reader = async (): Promise<void> => {
          while (durable < 100) {
            const before = durable;
            const found = await keys(store);
            expect(new Set(found).size).toBe(found.length);
            expect(found.length).toBeGreaterThanOrEqual(before);
          }
        };
        await Promise.all([
          writer(0),
          writer(1),
          writer(2),
          writer(3),
          reader(),
          reader(),
        ]);
        expect(await keys(store)).toHaveLength(100);
      }));
  });

  describe(`${name}: the checkpoint`, () => {
    const zero = {
      resolved: zeroTimestamp,
      applied: zeroTimestamp,
      appliedInTarget: zeroTimestamp,
      retired: zeroTimestamp,
    };

    test('is all zero where the schema has never been seen', () =>
      withStore(async (store) => {
        expect(await store.checkpoint(schema)).toEqual(zero);
        expect(await store.schemas()).toEqual([]);
      }));

    test('a resolved timestamp moves forward, may repeat, and never goes back', () =>
      withStore(async (store) => {
        expect(await store.resolve(schema, at(5))).toMatchObject({
          accepted: true,
          checkpoint: { ...zero, resolved: at(5) },
        });
        expect((await store.resolve(schema, at(5))).accepted).toBe(true);
        expect(await store.resolve(schema, at(4))).toMatchObject({
          accepted: false,
          checkpoint: { ...zero, resolved: at(5) },
        });
        expect((await store.resolve(schema, at(6))).accepted).toBe(true);
        expect((await store.checkpoint(schema)).resolved).toBe(at(6));
      }));

    test('timestamps that arrive at once end at the latest', () =>
      withStore(async (store) => {
        const seconds = [3, 9, 1, 7, 5, 2];
        const results = await Promise.all(
          seconds.map((second) => store.resolve(schema, at(second))),
        );
        expect((await store.checkpoint(schema)).resolved).toBe(at(9));
        expect(results[1]!.accepted).toBe(true);
        expect((await store.resolve(otherSchema, at(1))).accepted).toBe(true);
      }));

    test('applied moves forward only, in the target or not', () =>
      withStore(async (store) => {
        await store.commitApplied(schema, at(3), false);
        expect(await store.checkpoint(schema)).toEqual({
          ...zero,
          applied: at(3),
        });
        await store.commitApplied(schema, at(5), true);
        await store.commitApplied(schema, at(4), true);
        await store.commitApplied(schema, at(2), false);
        expect(await store.checkpoint(schema)).toEqual({
          ...zero,
          applied: at(5),
          appliedInTarget: at(5),
        });
      }));

    test('applied goes back on request, and never forward that way', () =>
      withStore(async (store) => {
        await store.resolve(schema, at(9));
        await store.commitApplied(schema, at(5), true);
        expect(await store.rewindApplied(schema, at(7))).toBe(true);
        expect((await store.checkpoint(schema)).applied).toBe(at(5));
        expect(await store.rewindApplied(schema, at(2))).toBe(true);
        expect(await store.checkpoint(schema)).toEqual({
          ...zero,
          resolved: at(9),
          applied: at(2),
          appliedInTarget: at(2),
        });
      }));

    test('applied does not go back to before what is retired', () =>
      withStore(async (store) => {
        expect(await store.rewindApplied(schema, at(1))).toBe(true);
        await store.append(entriesOf(row(at(1), 'a'), row(at(4), 'b')));
        await store.commitApplied(schema, at(5), true);
        await store.retire(schema, at(3), 10);
        const before = await store.checkpoint(schema);
        expect(await store.rewindApplied(schema, at(2))).toBe(false);
        expect(await store.checkpoint(schema)).toEqual(before);
        expect(await store.rewindApplied(schema, at(3))).toBe(true);
        expect((await store.checkpoint(schema)).applied).toBe(at(3));
      }));

    test('survives opening the store again', async () => {
      await using here = await place();
      {
        await using store = await here.open();
        await store.resolve(schema, at(9));
        await store.commitApplied(schema, at(8), true);
        await store.retire(schema, at(3), 10);
      }
      await using store = await here.open();
      expect(await store.checkpoint(schema)).toEqual({
        resolved: at(9),
        applied: at(8),
        appliedInTarget: at(8),
        retired: at(3),
      });
      expect(await store.schemas()).toEqual([schema]);
    });
  });

  registerGuardContract(name, place);
  registerLookupContract(name, place);
  registerSourceContract(name, place);
  registerUpkeepContract(name, place);
  registerTokenContract(name, place);
}

function isAscending(texts: readonly string[]): boolean {
  return texts.every((text, i) => i === 0 || texts[i - 1]! < text);
}
