/** The part of the staging contract that feeds lean on: memos that several move, and rows that are sought. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import {
  nextTimestamp,
  type Timestamp,
  timeBucket,
} from '../../src/mutation/timestamp.ts';
import { encodeEntries } from '../../src/staging/batch-codec.ts';
import { soughtEntriesLimit } from '../../src/staging/sought-row.ts';
import {
  purgedMemo,
  type SoughtRow,
  type StagingStore,
} from '../../src/staging/staging.ts';
import { versionOf } from '../../src/mutation/row-version.ts';
import {
  at,
  entriesOf,
  otherSchema,
  row,
  schema,
  type StagingPlace,
  withStore as withStoreAt,
} from './staging-place.ts';

function sought(time: Timestamp, key: string, more = {}): SoughtRow {
  return {
    schema,
    table: 'orders',
    version: time,
    key: key as JsonText,
    ...more,
  };
}

function pair(time: Timestamp, key: string): Mutation {
  return { ...row(time, ''), key: key as JsonText };
}

export function registerLookupContract(
  name: string,
  place: () => Promise<StagingPlace>,
): void {
  const withStore = (
    run: (store: StagingStore, here: StagingPlace) => Promise<void>,
  ): Promise<void> => withStoreAt(place, run);

  describe(`${name}: memos of several daemons`, () => {
    test('a memo is exchanged only where it is as expected, and what is there is told', () =>
      withStore(async (store) => {
        expect(await store.exchangeMemo('m', 'some', 'other')).toBeNull();
        expect(await store.exchangeMemo('m', null, 'first')).toBe('first');
        expect(await store.exchangeMemo('m', null, 'second')).toBe('first');
        expect(await store.exchangeMemo('m', 'second', 'third')).toBe('first');
        expect(await store.exchangeMemo('m', 'first', 'third ö')).toBe(
          'third ö',
        );
        expect(await store.memo('m')).toBe('third ö');
      }));

    test('of many who begin a memo at once one wins, and all hear who', () =>
      withStore(async (store, here) => {
        await using beside = await here.openBeside();
        for (let round = 0; round < 10; round += 1) {
          const answers = await Promise.all(
            Array.from({ length: 8 }, (_, at_) =>
              (at_ % 2 === 0 ? store : beside).exchangeMemo(
                `m${round}`,
                null,
                String(at_),
              ),
            ),
          );
          expect(new Set(answers).size).toBe(1);
          expect(await store.memo(`m${round}`)).toBe(answers[0]);
        }
      }));
  });

  describe(`${name}: a row that is sought`, () => {
    test('is found by its table, key and time, and by nothing less', () =>
      withStore(async (store) => {
        await store.append(
          entriesOf(row(at(1, 5), 'a'), row(at(1, 5), 'b'), row(at(1, 9), 'c')),
        );
        expect(await store.holds(sought(at(1, 5), '["b"]'))).toBe(true);
        expect(await store.holds(sought(at(1, 9), '["c"]'))).toBe(true);
        expect(await store.holds(sought(at(1, 9), '["b"]'))).toBe(false);
        expect(await store.holds(sought(at(1, 7), '["b"]'))).toBe(false);
        expect(await store.holds(sought(at(2, 5), '["b"]'))).toBe(false);
        expect(await store.holds(sought(at(1, 5), '["d"]'))).toBe(false);
        const elsewhere = { table: 'lines' };
        expect(await store.holds(sought(at(1, 5), '["b"]', elsewhere))).toBe(
          false,
        );
        const other = { schema: otherSchema };
        expect(await store.holds(sought(at(1, 5), '["b"]', other))).toBe(false);
      }));

    test('is found whatever has been staged beside it, and a stranger is not', () =>
      withStore(async (store) => {
        const second = fc.integer({ min: 0, max: 2 });
        const step = fc.integer({ min: 0, max: 3 });
        const oneRow = fc
          .tuple(
            second,
            step,
            fc.constantFrom('a', 'b', 'ö"\\'),
            fc.option(step),
          )
          .map(([s, n, key, came]): Mutation => ({
            ...row(at(s, n), ''),
            // A few of them as rows of a scan.
            ...(s === 2 && came !== null && { cameAt: at(1, came) }),
            key: JSON.stringify([key]) as JsonText,
            after: JSON.stringify({ text: `["a"] ${at(s, n)}` }) as JsonText,
          }));
        const run = { runs: 0 };
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.array(oneRow, { minLength: 1 }), { maxLength: 5 }),
            oneRow,
            async (requests, stranger) => {
              const table = `t${(run.runs += 1)}`;
              const keyColumns = ['id'];
              for (const mutations of requests) {
                await store.append(
                  encodeEntries(schema, [{ table, keyColumns, mutations }]),
                );
              }
              for (const asked of [...requests.flat(), stranger]) {
                const version = versionOf(asked);
                const { key } = asked;
                expect(
                  await store.holds({
                    schema,
                    table,
                    keyColumns,
                    key,
                    version,
                  }),
                ).toBe(
                  requests
                    .flat()
                    .some(
                      (known) =>
                        versionOf(known) === version && known.key === key,
                    ),
                );
              }
            },
          ),
          { numRuns: 25 },
        );
      }));

    test('is found under another order of the key columns, and taken for found under other columns', () =>
      withStore(async (store) => {
        await store.append(
          encodeEntries(schema, [
            {
              table: 'orders',
              keyColumns: ['a', 'b'],
              mutations: [pair(at(1), '[1,2]')],
            },
          ]),
        );
        const holds = (key: string, keyColumns?: string[], time = at(1)) =>
          store.holds(sought(time, key, keyColumns && { keyColumns }));
        expect(await holds('[1,2]', ['a', 'b'])).toBe(true);
        expect(await holds('[2,1]', ['a', 'b'])).toBe(false);
        expect(await holds('[2,1]', ['b', 'a'])).toBe(true);
        expect(await holds('[1,2]', ['b', 'a'])).toBe(false);
        expect(await holds('[9]', ['a'])).toBe(true);
        expect(await holds('[9,9]', ['a', 'c'])).toBe(true);
        expect(await holds('[9,9]')).toBe(true);
        expect(await holds('[9]', ['a'], at(1, 1))).toBe(false);
      }));

    test('is taken for found among more entries than are looked into', () =>
      withStore(async (store) => {
        const entry = entriesOf(row(at(1, 5), 'a'))[0]!;
        const many = Array.from({ length: soughtEntriesLimit }, () => entry);
        await store.append(many);
        expect(await store.holds(sought(at(1, 5), '["b"]'))).toBe(false);
        expect(await store.holds(sought(at(1, 5), '["a"]'))).toBe(true);
        await store.append([entry]);
        expect(await store.holds(sought(at(1, 5), '["b"]'))).toBe(true);
        expect(timeBucket(nextTimestamp(at(1, 5)))).toBe(timeBucket(at(1, 5)));
        expect(
          await store.holds(sought(nextTimestamp(at(1, 5)), '["b"]')),
        ).toBe(false);
      }));
  });

  describe(`${name}: what a purge leaves behind`, () => {
    test('a purge notes through which time entries are gone, and the note outlives the checkpoint', () =>
      withStore(async (store) => {
        await store.append(entriesOf(row(at(1), 'a'), row(at(5), 'b')));
        await store.purge({ schema, through: at(2) }, true);
        expect(await store.memo(purgedMemo(schema))).toBeNull();
        await store.purge({ schema, through: at(2) }, false);
        expect(await store.memo(purgedMemo(schema))).toBe(at(1));
        await store.resolve(schema, at(9));
        await store.purge({ schema }, false);
        expect(await store.memo(purgedMemo(schema))).toBe(at(9));
        await store.append(entriesOf(row(at(12), 'c')));
        await store.purge({ schema, table: 'orders' }, false);
        expect(await store.memo(purgedMemo(schema))).toBe(at(12));
        await store.append(entriesOf(row(at(3), 'd')));
        await store.purge({ schema }, false);
        expect(await store.memo(purgedMemo(schema))).toBe(at(12));
        expect(await store.memo(purgedMemo(otherSchema))).toBeNull();
      }));
  });
}
