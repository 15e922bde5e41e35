import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { foldByContent } from '../../src/mutation/fold-content.ts';
import {
  isTruncation,
  type JsonText,
  type Mutation,
  truncation,
} from '../../src/mutation/mutation.ts';
import { timestampFromMs } from '../../src/mutation/timestamp.ts';

/** How often each row is there. */
type Bag = ReadonlyMap<string, number>;

const rowOf = (key: string) => `{"a":${key.slice(1, -1)}}` as JsonText;

function changed(bag: Bag, key: string, change: number): Bag {
  const next = new Map(bag);
  const count = (bag.get(key) ?? 0) + change;
  expect(count).toBeGreaterThanOrEqual(0);
  return count === 0 ? (next.delete(key), next) : next.set(key, count);
}

function applyOneByOne(start: Bag, mutations: readonly Mutation[]): Bag {
  let bag = start;
  for (const mutation of mutations) {
    bag = isTruncation(mutation)
      ? new Map()
      : changed(bag, mutation.key, mutation.after === null ? -1 : 1);
  }
  return bag;
}

/** As the applier does: writes first, then deletes. */
function applyFolded(start: Bag, mutations: readonly Mutation[]): Bag {
  const { emptied, inserted, deleted } = foldByContent(mutations);
  let bag = emptied ? new Map<string, number>() : start;
  for (const [rows, change] of [
    [inserted, 1],
    [deleted, -1],
  ] as const) {
    for (const { key, after } of rows) {
      expect(after).toBe(rowOf(key));
      bag = changed(bag, key, change);
    }
  }
  return bag;
}

const keys = ['[1]', '[2]', '[null]'] as JsonText[];

/** A delete finds its row, as at a source. */
const aHistory = fc
  .tuple(
    fc.array(fc.constantFrom(...keys), { maxLength: 6 }),
    fc.array(
      fc.record({
        kind: fc.constantFrom('insert', 'insert', 'delete', 'delete', 'empty'),
        key: fc.constantFrom(...keys),
        chance: fc.nat(3),
        isSameTime: fc.boolean(),
      }),
      { maxLength: 20 },
    ),
  )
  .map(([present, steps]) => {
    let start: Bag = new Map();
    for (const key of present) {
      start = changed(start, key, 1);
    }
    let bag = start;
    let ms = 1;
    const mutations: Mutation[] = [];
    for (const { kind, key, chance, isSameTime } of steps) {
      ms += isSameTime ? 0 : 1;
      const time = timestampFromMs(ms);
      const row = rowOf(key);
      if (kind === 'insert') {
        mutations.push({ time, key, after: row, before: null });
      } else if (kind === 'delete' && bag.has(key)) {
        mutations.push({ time, key, after: null, before: row });
      } else if (kind === 'empty' && chance === 0) {
        mutations.push(truncation(time, isSameTime));
      } else {
        continue;
      }
      bag = applyOneByOne(bag, mutations.slice(-1));
    }
    return { start, mutations };
  });

describe('foldByContent', () => {
  test('leaves as many of each row as one by one leaves', () => {
    fc.assert(
      fc.property(aHistory, ({ start, mutations }) => {
        expect(applyFolded(start, mutations)).toEqual(
          applyOneByOne(start, mutations),
        );
      }),
      { numRuns: 3000 },
    );
  });

  test('folding in pieces is folding at once', () => {
    fc.assert(
      fc.property(aHistory, fc.nat(), ({ start, mutations }, at) => {
        const cut = at % (mutations.length + 1);
        expect(
          applyFolded(
            applyFolded(start, mutations.slice(0, cut)),
            mutations.slice(cut),
          ),
        ).toEqual(applyFolded(start, mutations));
      }),
      { numRuns: 1000 },
    );
  });

  test('no row is both inserted and deleted', () => {
    fc.assert(
      fc.property(aHistory, ({ mutations }) => {
        const { inserted, deleted } = foldByContent(mutations);
        const coming = new Set(inserted.map(({ key }) => key));
        expect(deleted.filter(({ key }) => coming.has(key))).toEqual([]);
      }),
    );
  });

  test.each([
    ['a delete without its row', { after: null, before: null }],
    ['a row that was changed', { after: '{"a":1}', before: '{"a":2}' }],
    ['a row that moved', { after: '{"a":1}', before: null, movedFrom: '[2]' }],
  ])('refuses %s: no key tells it from others', (_, change) => {
    const mutation = {
      time: timestampFromMs(1),
      key: '[1]',
      ...change,
    } as unknown as Mutation;
    expect(() => foldByContent([mutation])).toThrow(
      expect.objectContaining({ code: 'E4008' }),
    );
  });
});
