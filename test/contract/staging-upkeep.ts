/** The part of the staging contract that is not the way of a mutation. */
import { describe, expect, test } from 'vitest';
import { ReplicatorError } from '../../src/failure/failure.ts';
import {
  maxTimestamp,
  nextTimestamp,
  zeroTimestamp,
} from '../../src/mutation/timestamp.ts';
import { decodeEntry, encodeEntries } from '../../src/staging/batch-codec.ts';
import type { EntrySummary, StagingStore } from '../../src/staging/staging.ts';
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

export function registerUpkeepContract(
  name: string,
  place: () => Promise<StagingPlace>,
): void {
  const withStore = (
    run: (store: StagingStore, here: StagingPlace) => Promise<void>,
  ): Promise<void> => withStoreAt(place, run);

  describe(`${name}: leaving`, () => {
    test('retiring deletes in bounded steps what lies wholly at or before the time', () =>
      withStore(async (store) => {
        for (let i = 0; i < 7; i++) {
          await store.append(entriesOf(row(at(i), 'a'), row(at(i, 5), 'b')));
        }
        await store.append(
          encodeEntries(otherSchema, [
            { table: 'orders', mutations: [row(at(1), 'x')] },
          ]),
        );
        await store.commitApplied(schema, at(9), true);
        // The entry of second 4 reaches beyond the time and stays.
        expect(await store.retire(schema, at(4, 4), 3)).toBe(3);
        expect((await store.checkpoint(schema)).retired).toBe(at(4, 4));
        expect(await store.retire(schema, at(4, 4), 3)).toBe(1);
        expect(await store.retire(schema, at(4, 4), 3)).toBe(0);
        expect((await readAll(store)).map((entry) => entry.minTime)).toEqual([
          at(4),
          at(5),
          at(6),
        ]);
        expect(await store.retire(schema, at(2), 3)).toBe(0);
        expect((await store.checkpoint(schema)).retired).toBe(at(4, 4));
        expect((await store.size(otherSchema)).entryCount).toBe(1);
      }));

    test('retiring ends at what is applied, whatever the caller believes', () =>
      withStore(async (store) => {
        await store.append(entriesOf(row(at(1), 'a'), row(at(3), 'b')));
        expect(await store.retire(schema, at(9), 10)).toBe(0);
        await store.resolve(schema, at(9));
        expect(await store.retire(schema, at(9), 10)).toBe(0);
        expect((await store.checkpoint(schema)).retired).toBe(zeroTimestamp);
        await store.commitApplied(schema, at(5), true);
        expect(await store.rewindApplied(schema, at(2))).toBe(true);
        expect(await store.retire(schema, at(5), 10)).toBe(1);
        expect((await store.checkpoint(schema)).retired).toBe(at(2));
        expect(await keys(store)).toEqual(['["b"]']);
      }));

    test('a rewind beside a retiring store takes back nothing that is gone', () =>
      withStore(async (store) => {
        for (let round = 0; round < 20; round++) {
          const [first, last] = [at(round * 10), at(round * 10 + 5)];
          await store.append(entriesOf(row(last, String(round))));
          await store.commitApplied(schema, last, true);
          const [gone, done] = await Promise.all([
            store.retire(schema, last, 10),
            store.rewindApplied(schema, first),
          ]);
          expect(done).toBe(gone === 0);
          const { applied, retired } = await store.checkpoint(schema);
          expect(retired <= applied).toBe(true);
          // The next round begins with an empty log.
          await store.commitApplied(schema, last, true);
          await store.retire(schema, last, 10);
        }
      }));

    test('a purge says first what it would delete and then deletes exactly that', () =>
      withStore(async (store) => {
        for (let i = 0; i < 5; i++) {
          await store.append(
            encodeEntries(schema, [
              { table: 'orders', mutations: [row(at(i), 'a')] },
              { table: 'lines', mutations: [row(at(i), 'b'), row(at(i), 'c')] },
            ]),
          );
        }
        await store.resolve(schema, at(9));
        await store.commitApplied(schema, at(1), false);
        const filter = { schema, table: 'lines', through: at(2) };
        const preview = await store.purge(filter, true);
        expect(preview).toMatchObject({ entryCount: 3, rowCount: 6 });
        expect((await store.size(schema)).entryCount).toBe(10);
        expect(await store.purge(filter, false)).toEqual(preview);
        expect(await store.size(schema)).toMatchObject({
          entryCount: 7,
          rowCount: 9,
        });
        // What was not applied is gone as well, but retired only speaks of what was.
        expect(await store.checkpoint(schema)).toMatchObject({
          resolved: at(9),
          retired: at(1),
        });
        expect(await store.purge(filter, false)).toMatchObject({
          entryCount: 0,
        });
      }));

    test('a purge of a whole schema forgets its checkpoint too', () =>
      withStore(async (store) => {
        await store.append(entriesOf(row(at(1), 'a')));
        await store.resolve(schema, at(3));
        await store.resolve(otherSchema, at(3));
        await store.purge({ schema }, false);
        expect(await store.schemas()).toEqual([otherSchema]);
        expect((await store.checkpoint(schema)).resolved).toBe(zeroTimestamp);
      }));

    test('a purge goes on over any number of steps', () =>
      withStore(async (store) => {
        const many = Array.from({ length: 2500 }, (_, i) =>
          row(at(i), String(i)),
        );
        await store.append(entriesOf(...many));
        expect(
          await store.purge({ schema, through: maxTimestamp }, false),
        ).toMatchObject({
          entryCount: 2500,
        });
        expect((await store.size()).entryCount).toBe(0);
      }));
  });

  describe(`${name}: looking in`, () => {
    test('the latest row is told, of a scan when it takes effect', () =>
      withStore(async (store) => {
        expect(await store.latest(schema)).toBe(zeroTimestamp);
        await store.append(entriesOf(row(at(1, 5), 'a'), row(at(1, 9), 'b')));
        await store.append(entriesOf(row(at(1, 7), 'c'), row(at(0, 3), 'd')));
        await store.append(entriesOf(row(at(1, 2), 'e')));
        expect(await store.latest(schema)).toBe(at(1, 9));
        expect(await store.latest(otherSchema)).toBe(zeroTimestamp);
        const scanned = nextTimestamp(at(1, 9));
        await store.append(
          entriesOf({ ...row(scanned, 'f'), cameAt: at(1, 1) }),
        );
        expect(await store.latest(schema)).toBe(scanned);
      }));

    test('size and backlog count entries, rows and bytes', () =>
      withStore(async (store) => {
        expect(await store.size(schema)).toEqual({
          liveBytes: 0,
          entryCount: 0,
          rowCount: 0,
        });
        const entries = entriesOf(
          row(at(1), 'a'),
          row(at(2), 'b'),
          row(at(2, 1), 'c'),
        );
        await store.append(entries);
        await store.append(
          encodeEntries(otherSchema, [
            { table: 'orders', mutations: [row(at(1), 'x')] },
          ]),
        );
        const bytes = entries.map((entry) => entry.body.length);
        expect(await store.size(schema)).toEqual({
          liveBytes: bytes[0]! + bytes[1]!,
          entryCount: 2,
          rowCount: 3,
        });
        expect(await store.size()).toMatchObject({
          entryCount: 3,
          rowCount: 4,
        });
        expect((await store.size()).liveBytes).toBeGreaterThan(0);
        expect(await store.backlog(schema, zeroTimestamp)).toEqual({
          entryCount: 2,
          rowCount: 3,
          byteCount: bytes[0]! + bytes[1]!,
        });
        expect(await store.backlog(schema, at(2))).toEqual({
          entryCount: 1,
          rowCount: 2,
          byteCount: bytes[1],
        });
        expect((await store.backlog(schema, at(2, 1))).entryCount).toBe(0);
        await store.commitApplied(schema, at(1), true);
        await store.retire(schema, at(1), 10);
        expect((await store.size(schema)).entryCount).toBe(1);
      }));

    test('a list is paged by its last entry and narrowed by schema, table and time', () =>
      withStore(async (store) => {
        for (let i = 0; i < 4; i++) {
          await store.append([
            ...encodeEntries(schema, [
              { table: 'orders', mutations: [row(at(i), 'a')] },
              { table: 'lines', mutations: [row(at(i), 'b')] },
            ]),
            ...encodeEntries(otherSchema, [
              { table: 'orders', mutations: [row(at(i), 'x')] },
            ]),
          ]);
        }
        const listed: EntrySummary[] = [];
        for (;;) {
          const page = await store.list({}, 5, listed.at(-1) ?? null);
          if (page.length === 0) {
            break;
          }
          listed.push(...page);
        }
        expect(listed).toHaveLength(12);
        expect(new Set(listed.map((entry) => entry.id)).size).toBe(12);
        expect('body' in listed[0]!).toBe(false);
        const narrow = await store.list(
          { schema, table: 'lines', through: at(1) },
          100,
          null,
        );
        expect(narrow.map((entry) => [entry.table, entry.minTime])).toEqual([
          ['lines', at(0)],
          ['lines', at(1)],
        ]);
      }));

    test('an entry is found by its id, a strange id is not', () =>
      withStore(async (store) => {
        await store.append(entriesOf(row(at(1), 'a'), row(at(2), 'b')));
        const [, second] = await store.list({}, 10, null);
        const entry = await store.entry(second!.id);
        expect(entry).toMatchObject(second!);
        expect(decodeEntry(entry!).map((mutation) => mutation.key)).toEqual([
          '["b"]',
        ]);
        expect(await store.entry(`${second!.id}9`)).toBeNull();
        expect(await store.entry("'; drop table log")).toBeNull();
      }));

    test('memos are remembered by name, the last one wins', async () => {
      await using here = await place();
      {
        await using store = await here.open();
        expect(await store.memo('keys')).toBeNull();
        await store.setMemo('keys', 'first');
        await store.setMemo('keys', 'second ö');
        await store.setMemo('other', '');
      }
      await using store = await here.open();
      expect(await store.memo('keys')).toBe('second ö');
      expect(await store.memo('other')).toBe('');
    });

    test('the store can be looked into and purged beside a running daemon', () =>
      withStore(async (store, here) => {
        await store.append(entriesOf(row(at(1), 'a'), row(at(2), 'b')));
        await using beside = await here.openBeside();
        expect(await beside.list({}, 10, null)).toHaveLength(2);
        await store.append(entriesOf(row(at(3), 'c')));
        expect(await beside.size(schema)).toMatchObject({ entryCount: 3 });
        await beside.purge({ schema, through: at(2) }, false);
        expect(await store.size(schema)).toMatchObject({
          entryCount: 1,
          rowCount: 1,
        });
        await store.append(entriesOf(row(at(4), 'd')));
        expect(await keys(store)).toEqual(['["c"]', '["d"]']);
        await store.ping();
      }));
  });

  describe(`${name}: versions`, () => {
    test('a schema of a newer version is refused', async () => {
      await using here = await place();
      await (await here.open())[Symbol.asyncDispose]();
      await here.setVersion(99);
      for (const open of [here.open, here.openBeside]) {
        const failure = await open().then(
          () => null,
          (error: unknown) => error,
        );
        expect(failure).toBeInstanceOf(ReplicatorError);
        expect(failure).toMatchObject({ code: 'E2003', disposition: 'halt' });
      }
    });

    test('a command does not make the store', async () => {
      await using here = await place();
      await expect(here.openBeside()).rejects.toMatchObject({ code: 'E2004' });
    });
  });
}
