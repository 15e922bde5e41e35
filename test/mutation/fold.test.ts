import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  type FoldedMutation,
  type FoldedMutations,
  foldByKey,
} from '../../src/mutation/fold.ts';
import { objectMembers } from '../../src/mutation/json-text.ts';
import {
  isTruncation,
  type JsonText,
  type Mutation,
  truncation,
} from '../../src/mutation/mutation.ts';
import {
  type Timestamp,
  timestampFromMs,
} from '../../src/mutation/timestamp.ts';

/** `k` is the key; a row may carry it or leave it to its key. */
const columns = ['a', 'b', 'c'];
const columnDefault = 'default' as JsonText;

type Row = Readonly<Record<string, string>>;
type Rows = ReadonlyMap<string, Row>;

const rules = {
  isWhole: (after: JsonText) =>
    objectMembers(after).filter(({ name }) => name !== 'k').length ===
    columns.length,
  isKeyColumn: (name: string) => name === 'k',
};
const fold = (mutations: readonly Mutation[]) => foldByKey(mutations, rules);

function written(row: Row | undefined, key: string, after: JsonText): Row {
  const next: Record<string, string> = {};
  for (const column of columns) {
    next[column] = row?.[column] ?? columnDefault;
  }
  next['k'] = key;
  for (const { name, value } of objectMembers(after)) {
    next[name] = value;
  }
  return next;
}

/** What a table holds after every version was applied, one by one. */
function applyOneByOne(start: Rows, mutations: readonly Mutation[]): Rows {
  const rows = new Map(start);
  let leaving: [string, Row] | null = null;
  const ordered = mutations.toSorted((a, b) =>
    a.time < b.time ? -1 : a.time > b.time ? 1 : 0,
  );
  for (const mutation of ordered) {
    const { key, after, movedFrom } = mutation;
    if (isTruncation(mutation)) {
      rows.clear();
    } else if (after === null) {
      leaving = rows.has(key) ? [key, rows.get(key)!] : leaving;
      rows.delete(key);
    } else {
      const source = movedFrom ?? key;
      // Its delete may stand before it or behind it.
      const earlier =
        rows.get(source) ??
        (movedFrom !== undefined && leaving?.[0] === source
          ? leaving[1]
          : undefined);
      if (movedFrom !== undefined) {
        rows.delete(movedFrom);
      }
      rows.set(key, written(earlier, key, after));
    }
  }
  return rows;
}

function applyFolded(
  start: Rows,
  { emptied, mutations }: FoldedMutations,
): Rows {
  const before = new Map(emptied ? [] : start);
  const moves = mutations.filter(
    (mutation) =>
      mutation.kind !== 'delete' && mutation.movedFrom !== undefined,
  ) as Extract<FoldedMutation, { after: JsonText }>[];
  const left = new Set(moves.map(({ movedFrom }) => movedFrom!));
  // No two rows come from one key.
  expect(left.size).toBe(moves.length);
  const rows = new Map(before);
  for (const { key, takesKey } of moves) {
    if (takesKey && !left.has(key)) {
      rows.delete(key);
    }
    // A key that is not free would be refused.
    expect(rows.has(key) && !left.has(key)).toBe(false);
  }
  for (const key of left) {
    rows.delete(key);
  }
  for (const { key, movedFrom } of moves) {
    const row = before.get(movedFrom!);
    if (row) {
      rows.set(key, { ...row, k: key });
    }
  }
  for (const mutation of mutations) {
    if (mutation.kind === 'delete') {
      rows.delete(mutation.key);
    } else {
      const earlier =
        mutation.kind === 'replace' ? undefined : rows.get(mutation.key);
      rows.set(mutation.key, written(earlier, mutation.key, mutation.after));
    }
  }
  return rows;
}

const aKey = fc.constantFrom('[1]', '[2]', '["x",3]') as fc.Arbitrary<JsonText>;
const aTime = fc.integer({ min: 1, max: 12 }).map(timestampFromMs);
const someValues = fc.tuple(fc.subarray(columns, { minLength: 1 }), fc.nat(99));
const printed = (members: readonly string[]) =>
  `{${members.join(', ')}}` as JsonText;
const anAfter = someValues.map(([names, value]) =>
  printed(names.map((name) => `"${name}": ${value}`)),
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
      new Map(
        rows.map(([key, after]) => [key, written(undefined, key, after)]),
      ),
  );

/**
 * What a source can tell: a row moves only from where it is to where none is.
 * Each step gives the mutations of one statement.
 */
const keys = ['[1]', '[2]', '[3]', '[4]'] as JsonText[];
const aHistory = fc
  .tuple(
    fc.subarray(keys),
    fc.array(
      fc.record({
        kind: fc.constantFrom('put', 'put', 'delete', 'move', 'move', 'empty'),
        from: fc.constantFrom(...keys),
        to: fc.constantFrom(...keys),
        values: fc.tuple(fc.subarray(columns), fc.nat(9)),
        carriesKey: fc.boolean(),
        deletesFirst: fc.boolean(),
        isSameTime: fc.boolean(),
      }),
      { maxLength: 14 },
    ),
  )
  .map(([present, steps]) => {
    const start: Rows = new Map(
      present.map((key) => [
        key,
        { k: key, a: `a${key}`, b: `b${key}`, c: `c${key}` },
      ]),
    );
    const there = new Set<JsonText>(present);
    const statements: Mutation[][] = [];
    let ms = 1;
    for (const step of steps) {
      const { from, to, values, kind } = step;
      ms += step.isSameTime ? 0 : 1;
      const time = timestampFromMs(ms);
      const rowAt = (key: JsonText): Mutation => ({
        time,
        key,
        after: printed([
          ...(step.carriesKey ? [`"k": ${key}`] : []),
          ...values[0].map((name) => `"${name}": ${values[1]}`),
        ]),
        before: null,
      });
      const gone = { time, key: from, after: null, before: null };
      if (kind === 'put') {
        there.add(to);
        statements.push([rowAt(to)]);
      } else if (kind === 'empty' && values[1] < 3) {
        there.clear();
        statements.push([truncation(time, step.carriesKey)]);
      } else if (kind === 'delete') {
        there.delete(from);
        statements.push([gone]);
      } else if (there.has(from) && !there.has(to)) {
        there.delete(from);
        there.add(to);
        const moved = { ...rowAt(to), movedFrom: from };
        statements.push(step.deletesFirst ? [gone, moved] : [moved, gone]);
      }
    }
    return { start, statements };
  });

const byKey = ({ mutations }: FoldedMutations) =>
  new Map(mutations.map((mutation) => [mutation.key, mutation]));

describe('foldByKey', () => {
  test('leaves the rows that applying one by one leaves', () => {
    fc.assert(
      fc.property(someRows, fc.array(aMutation), (start, mutations) => {
        expect(applyFolded(start, fold(mutations))).toEqual(
          applyOneByOne(start, mutations),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('leaves the rows that one by one leaves also where rows move and the table is emptied', () => {
    fc.assert(
      fc.property(aHistory, ({ start, statements }) => {
        const mutations = statements.flat();
        expect(applyFolded(start, fold(mutations))).toEqual(
          applyOneByOne(start, mutations),
        );
      }),
      { numRuns: 5000 },
    );
  });

  test('leaves the same rows where whole rows move too, and deletes none that moves', () => {
    fc.assert(
      fc.property(aHistory, ({ start, statements }) => {
        const mutations = statements.flat();
        const folded = foldByKey(mutations, { ...rules, movesWhole: true });
        expect(applyFolded(start, folded)).toEqual(
          applyOneByOne(start, mutations),
        );
      }),
      { numRuns: 5000 },
    );
  });

  test('a whole row moves from where it stood first, if whole rows are to move', () => {
    const whole = (second: number, key: string): Mutation => ({
      time: timestampFromMs(second),
      key: key as JsonText,
      after: '{"a": 1, "b": 2, "c": 3}' as JsonText,
      before: null,
    });
    const gone = { ...whole(2, '[1]'), after: null };
    const mutations = [
      whole(1, '[1]'),
      gone,
      { ...whole(2, '[2]'), movedFrom: gone.key },
      whole(3, '[2]'),
    ];
    const moved = (movesWhole: boolean) =>
      byKey(foldByKey(mutations, { ...rules, movesWhole })).get(
        '[2]' as JsonText,
      );
    expect(moved(true)).toMatchObject({ movedFrom: '[1]', couldStay: true });
    expect(moved(false)).not.toHaveProperty('movedFrom');
  });

  test('folding a history in pieces is folding it at once', () => {
    fc.assert(
      fc.property(aHistory, fc.nat(), ({ start, statements }, at) => {
        const cut = at % (statements.length + 1);
        const first = fold(statements.slice(0, cut).flat());
        const second = fold(statements.slice(cut).flat());
        expect(applyFolded(applyFolded(start, first), second)).toEqual(
          applyFolded(start, fold(statements.flat())),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('says that a table is emptied, and whether its numbers start again, exactly when it is', () => {
    fc.assert(
      fc.property(aHistory, ({ statements }) => {
        const mutations = statements.flat();
        const truncations = mutations.filter(isTruncation);
        expect(fold(mutations).emptied).toEqual(
          truncations.length === 0
            ? null
            : {
                restartsIdentity: truncations.some(
                  ({ before }) => before !== null,
                ),
              },
        );
      }),
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
        const folded = fold(mutations).mutations;
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
          const first = fold(ordered.slice(0, cut));
          const second = fold(ordered.slice(cut));
          expect(applyFolded(applyFolded(start, first), second)).toEqual(
            applyFolded(start, fold(ordered)),
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
        expect(byKey(fold(all))).toEqual(byKey(fold(mutations)));
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
    const isWhole = () => {
      throw new Error('a row was read');
    };
    expect(foldByKey(mutations, { ...rules, isWhole }).mutations).toEqual([
      { kind: 'upsert', key: '[1]', time, after: unread },
      { kind: 'delete', key: '[2]', time: later },
    ]);
  });

  const version = (
    ms: number,
    key: string,
    after: string | null,
    movedFrom?: string,
  ): Mutation => ({
    key: key as JsonText,
    time: timestampFromMs(ms),
    after: after as JsonText | null,
    before: null,
    ...(movedFrom !== undefined && { movedFrom: movedFrom as JsonText }),
  });

  test('of equal times the later in the list wins, member by member', () => {
    expect(
      fold([
        version(7, '[1]', '{"a":1,"b":1.50}'),
        version(7, '[1]', '{"a": 2}'),
      ]).mutations,
    ).toEqual([
      {
        kind: 'upsert',
        key: '[1]',
        time: timestampFromMs(7),
        after: '{"a":2,"b":1.50}',
      },
    ]);
  });

  test('a sparse row behind a delete replaces the row', () => {
    expect(
      fold([
        version(1, '[1]', '{"a":1,"b":1,"c":1}'),
        version(2, '[1]', null),
        version(3, '[1]', '{"a":2}'),
      ]).mutations,
    ).toEqual([
      {
        kind: 'replace',
        key: '[1]',
        time: timestampFromMs(3),
        after: '{"a":2}',
      },
    ]);
  });

  test('a row that moved several times comes from where it stood first', () => {
    const time = timestampFromMs(1);
    expect(
      fold([
        version(1, '[9]', null),
        version(1, '[2]', '{"k":2}', '[1]'),
        version(1, '[1]', null),
        version(1, '[2]', '{"b":2}'),
        version(1, '[9]', '{"k":9,"c":3}', '[2]'),
        version(1, '[2]', null),
      ]).mutations,
    ).toEqual([
      { kind: 'delete', key: '[1]', time },
      {
        kind: 'upsert',
        key: '[9]',
        time,
        after: '{"b":2,"k":9,"c":3}',
        movedFrom: '[1]',
        takesKey: true,
      },
      { kind: 'delete', key: '[2]', time },
    ]);
  });

  test('a row that is whole once it is folded need not move', () => {
    const time = timestampFromMs(1);
    expect(
      fold([
        version(1, '[1]', '{"k":1,"a":1,"b":1}'),
        version(1, '[2]', '{"k":2,"c":2}', '[1]'),
        version(1, '[1]', null),
      ]).mutations,
    ).toEqual([
      { kind: 'upsert', key: '[2]', time, after: '{"a":1,"b":1,"k":2,"c":2}' },
      { kind: 'delete', key: '[1]', time },
    ]);
  });

  test('a row that came back to its key has not moved', () => {
    expect(
      fold([
        version(1, '[2]', '{"k":2}', '[1]'),
        version(1, '[1]', null),
        version(1, '[1]', '{"k":1,"a":7}', '[2]'),
        version(1, '[2]', null),
      ]).mutations[0],
    ).toEqual({
      kind: 'upsert',
      key: '[1]',
      time: timestampFromMs(1),
      after: '{"k":1,"a":7}',
    });
  });
});
