import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonText } from '../../src/mutation/mutation.ts';
import { groupByShape, RowCutter } from '../../src/target/row-cutter.ts';
import type { ShapeRows } from '../../src/target/target.ts';
import { column, tableShape } from './postgres/shapes.ts';

function newTable() {
  return tableShape('t', [
    column('a', 'int8', { keyOrdinal: 1 }),
    column('b', 'int8', { keyOrdinal: 0 }),
    column('x"ä', 'text'),
    column('y', 'text'),
    column('sum', 'int8', { generated: true }),
  ]);
}

const table = newTable();

const strict = { ignoreUnknownColumns: false, replace: false };

function cut(
  rows: readonly (readonly [key: string, after: string])[],
  options = strict,
  of = table,
) {
  return groupByShape(
    of,
    rows.map(([key, after]) => ({
      key: key as JsonText,
      after: after as JsonText,
    })),
    options,
  ).map(columnsAndValues);
}

function columnsAndValues({ columns, values, rowCount }: ShapeRows) {
  return {
    rowCount,
    ...Object.fromEntries(
      columns.map(({ name }, index) => [name, values.texts[index]]),
    ),
  };
}

describe('rows cut into columns', () => {
  test('are cut by what is known of those before as by nothing', () => {
    const member = fc.record({
      name: fc.constantFrom(
        'a',
        'b',
        'x\\"ä',
        'x\\"\\u00e4',
        'y',
        'sum',
        'new',
      ),
      value: fc.constantFrom('1', 'null', '"a,b"', '"\\"}"', '[{"a":2}]'),
      blank: fc.constantFrom('', ' '),
    });
    const after = fc
      .array(member, { maxLength: 5 })
      .map(
        (members) =>
          `{${members.map(({ name, value, blank }) => `"${name}":${blank}${value}`).join(`,`)}}`,
      );
    const batches = fc.array(
      fc.record({
        rows: fc.array(after, { maxLength: 6 }),
        isLenient: fc.boolean(),
      }),
      { maxLength: 6 },
    );
    const outcome = (cutRows: () => unknown): unknown => {
      try {
        return cutRows();
      } catch (error) {
        return (error as Error).message;
      }
    };
    fc.assert(
      fc.property(batches, (list) => {
        const known = newTable();
        for (const { rows, isLenient } of list) {
          const options = { ...strict, ignoreUnknownColumns: isLenient };
          const keyed = rows.map((row) => ['[7,8]', row] as const);
          expect(outcome(() => cut(keyed, options, known))).toEqual(
            outcome(() => cut(keyed, options, newTable())),
          );
        }
      }),
    );
  });

  test('have values without the blanks before them, wherever those of the row before had theirs', () => {
    const blanks = ['', ' ', '\n', ' \t', '\r\n  '];
    for (const value of ['1', '"p q"', '"a,b"', 'null', '[{"a": 2}]']) {
      const rows = blanks.map(
        (blank) => ['[7,8]', `{"b":${blank}3,"y":${blank}${value}}`] as const,
      );
      expect(cut([...rows, ...rows.toReversed()])).toMatchObject([
        {
          b: Array.from({ length: 10 }, () => '3'),
          y: Array.from({ length: 10 }, () => value),
        },
      ]);
    }
  });

  test('are grouped by the columns they carry, whatever their order', () => {
    expect(
      cut([
        ['[2,1]', '{"a":1,"b":2,"y":"p"}'],
        ['[4,3]', '{"y": "q" , "b": 4, "a": 3}'],
        ['[6,5]', '{"a":5,"b":6,"x\\"\\u00e4":null}'],
        ['[8,7]', '{"a":7,"b":8,"y":"r"}'],
        ['[10,9]', '{"a":9,"b":10}'],
        ['[12,11]', '{"a":11,"b":12,"x\\"ä":"s"}'],
      ]),
    ).toEqual([
      {
        rowCount: 3,
        a: ['1', '3', '7'],
        b: ['2', '4', '8'],
        y: ['"p"', '"q"', '"r"'],
      },
      { rowCount: 2, a: ['5', '11'], b: ['6', '12'], 'x"ä': ['null', '"s"'] },
      { rowCount: 1, a: ['9'], b: ['10'] },
    ]);
  });

  test('are told apart when one has the first members of the other', () => {
    expect(
      cut([
        ['[2,1]', '{"a":1,"b":2,"y":"p"}'],
        ['[4,3]', '{"a":3,"b":4}'],
        ['[6,5]', '{"a":5,"b":6,"y":"q"}'],
        ['[8,7]', '{}'],
      ]),
    ).toEqual([
      { rowCount: 2, a: ['1', '5'], b: ['2', '6'], y: ['"p"', '"q"'] },
      { rowCount: 2, a: ['3', '7'], b: ['4', '8'] },
    ]);
  });

  test('keep the last of a repeated member and drop generated ones', () => {
    expect(cut([['[2,1]', '{"a":0,"sum":9,"a":1,"b":2}']])).toEqual([
      { rowCount: 1, a: ['1'], b: ['2'] },
    ]);
  });

  test('take missing key columns from the key', () => {
    expect(cut([['["k",1e400]', '{"y":"p"}']])).toEqual([
      { rowCount: 1, a: ['1e400'], b: ['"k"'], y: ['"p"'] },
    ]);
  });

  test('halt on an unknown column, or leave it out where that is wanted', () => {
    const rows = [['[2,1]', '{"a":1,"b":2,"gone":3}']] as const;
    expect(() => cut(rows)).toThrow(expect.objectContaining({ code: 'E4012' }));
    expect(cut(rows, { ignoreUnknownColumns: true, replace: false })).toEqual([
      { rowCount: 1, a: ['1'], b: ['2'] },
    ]);
  });

  test('are cut as each would be alone, whatever stood before it', () => {
    const blank = fc.constantFrom('', '', ' ', '\n ');
    const value = fc.oneof(
      fc.json(),
      fc.constantFrom('1', '-2.50e+3', 'null', '"a\\"b"', '"\\\\"', '"ä€"'),
      fc.integer().map(String),
      fc.nat(40_000).map((length) => `"${'x'.repeat(length)}"`),
    );
    const member = fc.tuple(
      fc.constantFrom('"a"', '"b"', '"y"', '"x\\"ä"', '"x\\"\\u00e4"', '"sum"'),
      value,
    );
    const row = fc
      .tuple(blank, blank, blank, fc.array(member, { maxLength: 6 }))
      .map(([first, second, third, members]) => {
        const body = members
          .map(([name, text]) => `${first}${name}${second}:${third}${text}`)
          .join(`${second},`);
        return `${first}{${body}${third}}${second}`;
      });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), (texts) => {
        const rows = [...texts, ...texts].map(
          (after, index) => [`["k${index}",${index}]`, after] as const,
        );
        const joined = new Map<string, Record<string, unknown[]>>();
        for (const alone of rows) {
          const [{ rowCount: _, ...columns }] = cut([alone]) as [
            { rowCount: number } & Record<string, unknown[]>,
          ];
          const shape = Object.keys(columns).join();
          const known = joined.get(shape);
          for (const [name, values] of Object.entries(columns)) {
            known?.[name]!.push(...(values as unknown[]));
          }
          if (!known) {
            joined.set(shape, columns as Record<string, unknown[]>);
          }
        }
        expect(cut(rows).map(({ rowCount: _, ...columns }) => columns)).toEqual(
          [...joined.values()],
        );
      }),
    );
  });

  test('of a large transaction do not lie in one text, which has no room for them', () => {
    const texts = ['x', 'é', '😀', 'y'].map((each) => each.repeat(600_000));
    const [shape] = groupByShape(
      table,
      texts.map((text, row) => ({
        key: `[${row},1]` as JsonText,
        after: `{"y":"${text}"}` as JsonText,
      })),
      strict,
    );
    const { cells } = shape!.values;
    expect(cells.sources.length).toBeGreaterThan(1);
    expect(texts.map((_, row) => cells.token(0, row))).toEqual(
      texts.map(() => '1'),
    );
    expect(cells.tokens(1)).toEqual(texts.map((_, row) => String(row)));
    expect(
      shape!.values.texts[2]!.every((text, row) => text === `"${texts[row]}"`),
    ).toBe(true);
  });

  test('that lie in a few sources in turn have no more of them', () => {
    const cutter = new RowCutter(table, strict);
    const sources = ['1', '2', '3'].map((value) =>
      Buffer.from(`[1,2]{"y":${value}}`),
    );
    for (const source of [...sources, ...sources]) {
      cutter.add(source, 5, source.length, 0);
    }
    const [shape] = cutter.shapes();
    expect(shape!.values.cells.sources).toEqual(sources);
    expect(shape!.values.texts[2]).toEqual(['1', '2', '3', '1', '2', '3']);
  });

  test('with a key of another width than the primary key ask for another look at the schema', () => {
    expect(() => cut([['[1]', '{"y":1}']])).toThrow(
      expect.objectContaining({ code: 'E4011', disposition: 'retry' }),
    );
  });

  test('a name out of the prototype is a name like any other', () => {
    expect(() => cut([['[2,1]', '{"__proto__":1}']])).toThrow(
      expect.objectContaining({ code: 'E4012' }),
    );
  });
});
