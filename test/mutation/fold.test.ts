import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type FoldedMutation, foldByKey } from '../../src/mutation/fold.ts';
import { objectMembers } from '../../src/mutation/json-text.ts';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import {
  type Timestamp,
  timestampFromMs,
} from '../../src/mutation/timestamp.ts';

const columns = ['a', 'b', 'c'];
const columnDefault = 'default' as JsonText;

type Row = Readonly<Record<string, string>>;
type Rows = ReadonlyMap<string, Row>;

const isWhole = (after: JsonText) =>
  objectMembers(after).length === columns.length;

function written(row: Row | undefined, after: JsonText): Row {
  const next: Record<string, string> = {};
  for (const column of columns) {
    next[column] = row?.[column] ?? columnDefault;
  }
  for (const { name, value } of objectMembers(after)) {
    next[name] = value;
  }
  return next;
}

/** What a table holds after every version was applied, one by one. */
function applyOneByOne(start: Rows, mutations: readonly Mutation[]): Rows {
  const rows = new Map(start);
  const ordered = mutations.toSorted((a, b) =>
    a.time < b.time ? -1 : a.time > b.time ? 1 : 0,
  );
  for (const { key, after } of ordered) {
    if (after === null) {
      rows.delete(key);
    } else {
      rows.set(key, written(rows.get(key), after));
    }
  }
  return rows;
}

function applyFolded(start: Rows, folded: readonly FoldedMutation[]): Rows {
  const rows = new Map(start);
  for (const mutation of folded) {
    if (mutation.kind === 'delete') {
      rows.delete(mutation.key);
    } else {
      const earlier =
        mutation.kind === 'replace' ? undefined : rows.get(mutation.key);
      rows.set(mutation.key, written(earlier, mutation.after));
    }
  }
  return rows;
}

const aKey = fc.constantFrom('[1]', '[2]', '["x",3]') as fc.Arbitrary<JsonText>;
const aTime = fc.integer({ min: 1, max: 12 }).map(timestampFromMs);
const anAfter = fc
  .tuple(fc.subarray(columns, { minLength: 1 }), fc.nat(99))
  .map(
    ([names, value]) =>
      `{${names.map((name) => `"${name}": ${value}`).join(', ')}}` as JsonText,
  );
const aMutation: fc.Arbitrary<Mutation> = fc.record({
  key: aKey,
  time: aTime,
  after: fc.option(fc.oneof(anAfter, anAfter, anAfter), { nil: null, freq: 3 }),
  before: fc.constant(null),
});
const someRows: fc.Arbitrary<Rows> = fc
  .array(fc.tuple(aKey, anAfter))
  .map(
    (rows) =>
      new Map(rows.map(([key, after]) => [key, written(undefined, after)])),
  );

const byKey = (folded: readonly FoldedMutation[]) =>
  new Map(folded.map((mutation) => [mutation.key, mutation]));

describe('foldByKey', () => {
  test('leaves the rows that applying one by one leaves', () => {
    fc.assert(
      fc.property(someRows, fc.array(aMutation), (start, mutations) => {
        expect(applyFolded(start, foldByKey(mutations, isWhole))).toEqual(
          applyOneByOne(start, mutations),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('gives every key once, with its newest time', () => {
    fc.assert(
      fc.property(fc.array(aMutation), (mutations) => {
        const newest = new Map<string, Timestamp>();
        for (const { key, time } of mutations) {
          const known = newest.get(key);
          newest.set(key, known !== undefined && known > time ? known : time);
        }
        const folded = foldByKey(mutations, isWhole);
        expect(folded.length).toBe(newest.size);
        for (const { key, time } of folded) {
          expect(time).toBe(newest.get(key));
        }
      }),
    );
  });

  test('folding in pieces is folding at once', () => {
    fc.assert(
      fc.property(
        fc.array(aMutation),
        fc.nat(),
        someRows,
        (mutations, at, start) => {
          const ordered = mutations.toSorted((a, b) =>
            a.time < b.time ? -1 : a.time > b.time ? 1 : 0,
          );
          const cut = at % (ordered.length + 1);
          const first = foldByKey(ordered.slice(0, cut), isWhole);
          const second = foldByKey(ordered.slice(cut), isWhole);
          expect(applyFolded(applyFolded(start, first), second)).toEqual(
            applyFolded(start, foldByKey(ordered, isWhole)),
          );
        },
      ),
    );
  });

  test('duplicates and any order across times change nothing', () => {
    // Distinct times: two different rows of one key never share one.
    const distinct = fc.uniqueArray(aMutation, {
      selector: ({ key, time }) => `${key} ${time}`,
    });
    const delivery = distinct.chain((mutations) =>
      fc.tuple(
        fc.constant(mutations),
        fc.shuffledSubarray([...mutations, ...mutations, ...mutations], {
          minLength: mutations.length,
        }),
      ),
    );
    fc.assert(
      fc.property(delivery, ([mutations, delivered]) => {
        const all = [...delivered, ...mutations];
        expect(byKey(foldByKey(all, isWhole))).toEqual(
          byKey(foldByKey(mutations, isWhole)),
        );
      }),
      { numRuns: 1000 },
    );
  });

  test('never reads a row that has no older version, nor a delete', () => {
    const unread = 'not even JSON' as JsonText;
    const time = timestampFromMs(1);
    const later = timestampFromMs(2);
    const mutations: Mutation[] = [
      { key: '[1]' as JsonText, time, after: unread, before: null },
      { key: '[2]' as JsonText, time, after: unread, before: null },
      { key: '[2]' as JsonText, time: later, after: null, before: null },
    ];
    const asked = () => {
      throw new Error('a row was read');
    };
    expect(foldByKey(mutations, asked)).toEqual([
      { kind: 'upsert', key: '[1]', time, after: unread },
      { kind: 'delete', key: '[2]', time: later },
    ]);
  });

  test('of equal times the later in the list wins, member by member', () => {
    const time = timestampFromMs(7);
    const version = (after: string): Mutation => ({
      key: '[1]' as JsonText,
      time,
      after: after as JsonText,
      before: null,
    });
    expect(
      foldByKey([version('{"a":1,"b":1.50}'), version('{"a": 2}')], isWhole),
    ).toEqual([
      { kind: 'upsert', key: '[1]', time, after: '{"a":2,"b":1.50}' },
    ]);
  });

  test('a sparse row behind a delete replaces the row', () => {
    const version = (ms: number, after: string | null): Mutation => ({
      key: '[1]' as JsonText,
      time: timestampFromMs(ms),
      after: after as JsonText | null,
      before: null,
    });
    expect(
      foldByKey(
        [
          version(1, '{"a":1,"b":1,"c":1}'),
          version(2, null),
          version(3, '{"a":2}'),
        ],
        isWhole,
      ),
    ).toEqual([
      {
        kind: 'replace',
        key: '[1]',
        time: timestampFromMs(3),
        after: '{"a":2}',
      },
    ]);
  });
});
