/** The part of the staging contract for a source that knows where it stands. */
import { describe, expect, test } from 'vitest';
import { zeroTimestamp } from '../../src/mutation/timestamp.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import {
  at,
  entriesOf,
  keys,
  otherSchema,
  row,
  schema,
  type StagingPlace,
  withStore as withStoreAt,
} from './staging-place.ts';

export function registerSourceContract(
  name: string,
  place: () => Promise<StagingPlace>,
): void {
  const withStore = (
    run: (store: StagingStore) => Promise<void>,
  ): Promise<void> => withStoreAt(place, run);
  const begun = (store: StagingStore): Promise<unknown> =>
    store.advance({
      schema,
      entries: entriesOf(row(at(1), 'a')),
      resolved: at(1),
      position: 'first',
      previous: null,
    });

  describe(`${name}: a source with a position`, () => {
    test('rows, resolved time and position are there together after the store is opened again', async () => {
      await using here = await place();
      {
        await using store = await here.open();
        expect(await store.position(schema)).toBe(null);
        await begun(store);
        const checkpoint = await store.advance({
          schema,
          entries: entriesOf(row(at(2), 'b')),
          resolved: at(2),
          position: 'second',
          previous: 'first',
        });
        expect(checkpoint.resolved).toBe(at(2));
      }
      await using store = await here.open();
      expect(await keys(store)).toEqual(['["a"]', '["b"]']);
      expect(await store.position(schema)).toBe('second');
      expect(await store.position(otherSchema)).toBe(null);
      expect((await store.checkpoint(schema)).resolved).toBe(at(2));
    });

    test.each([
      ['elsewhere', 'another place'],
      ['begun', null],
    ])(
      'a step whose position is %s is refused and changes nothing',
      (_, previous) =>
        withStore(async (store) => {
          await begun(store);
          const step = {
            schema,
            entries: entriesOf(row(at(2), 'b')),
            resolved: at(2),
            position: 'second',
            previous,
          };
          await expect(store.advance(step)).rejects.toMatchObject({
            code: 'E2010',
          });
          expect(await keys(store)).toEqual(['["a"]']);
          expect(await store.position(schema)).toBe('first');
          expect((await store.checkpoint(schema)).resolved).toBe(at(1));
        }),
    );

    test('a step that expects a position where none is, is refused', () =>
      withStore(async (store) => {
        const step = {
          schema,
          entries: entriesOf(row(at(2), 'b')),
          resolved: at(2),
          position: 'second',
          previous: 'first',
        };
        await expect(store.advance(step)).rejects.toMatchObject({
          code: 'E2010',
        });
        expect(await keys(store)).toEqual([]);
        expect((await store.checkpoint(schema)).resolved).toBe(zeroTimestamp);
      }));

    test('a step that is refused does not take its neighbours with it', () =>
      withStore(async (store) => {
        await begun(store);
        const outcomes = await Promise.allSettled([
          store.append(entriesOf(row(at(2), 'b'))),
          store.advance({
            schema,
            entries: entriesOf(row(at(3), 'c')),
            resolved: at(3),
            position: 'third',
            previous: 'second',
          }),
          store.resolve(otherSchema, at(4)),
        ]);
        expect(outcomes.map(({ status }) => status)).toEqual([
          'fulfilled',
          'rejected',
          'fulfilled',
        ]);
        expect(await keys(store)).toEqual(['["a"]', '["b"]']);
      }));

    test('what is later than the resolved time can be discarded, and nothing else goes', () =>
      withStore(async (store) => {
        await begun(store);
        const open = Array.from({ length: 1_200 }, (_, index) =>
          entriesOf(row(at(2, index), `open ${index}`)),
        ).flat();
        await store.advance({
          schema,
          entries: open,
          resolved: at(1),
          position: 'same',
          previous: 'first',
        });
        await store.append(
          entriesOf(row(at(2), 'x')).map((entry) => ({
            ...entry,
            schema: otherSchema,
          })),
        );
        expect(await store.discardUnresolved(schema)).toBe(1_200);
        expect(await store.discardUnresolved(schema)).toBe(0);
        expect(await keys(store)).toEqual(['["a"]']);
        expect((await store.size(schema)).entryCount).toBe(1);
        expect((await store.size(otherSchema)).entryCount).toBe(1);
      }));

    test('a schema that is purged forgets its position too', () =>
      withStore(async (store) => {
        await begun(store);
        await store.purge({ schema }, false);
        expect(await store.position(schema)).toBe(null);
        await begun(store);
        expect(await keys(store)).toEqual(['["a"]']);
      }));
  });
}
