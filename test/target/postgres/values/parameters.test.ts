/** Cells that are copied into an array are what would be written of their texts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonText } from '../../../../src/mutation/mutation.ts';
import type { PostgresCodec } from '../../../../src/target/postgres/values/codec.ts';
import { limitOf } from '../../../../src/target/postgres/values/limits.ts';
import {
  rowParameters,
  textParameters,
} from '../../../../src/target/postgres/values/parameters.ts';
import { plainTest } from '../../../../src/target/postgres/values/plain-cells.ts';
import { elementWriter } from '../../../../src/target/postgres/values/values.ts';
import { groupByShape } from '../../../../src/target/row-cutter.ts';
import { textValues } from '../../../../src/target/row-values.ts';
import {
  refusingPolicies,
  UnstorableValue,
} from '../../../../src/target/value-policy.ts';
import type { ColumnShape, ShapeRows } from '../../../../src/target/target.ts';
import { token } from '../../values/tokens.ts';
import { column, tableShape } from '../shapes.ts';

const limited = (name: string, typmod = -1): PostgresCodec => ({
  kind: 'scalar',
  limit: limitOf(name, typmod)!,
});
/** As numeric.c has them. */
const numeric = (precision: number, scale: number): PostgresCodec =>
  limited('numeric', ((precision << 16) | (scale & 0x7ff)) + 4);

const codecs: readonly PostgresCodec[] = [
  { kind: 'scalar' },
  ...['int8', 'text', 'float4', 'float8', 'money', 'name', 'char', 'date'].map(
    (name) => limited(name),
  ),
  ...['time', 'timetz', 'timestamp', 'timestamptz', 'interval'].flatMap(
    (name) => [limited(name), limited(name, 3)],
  ),
  limited('varchar', 9),
  limited('numeric'),
  numeric(6, 2),
  numeric(6, -2),
  numeric(2, 4),
  { kind: 'json' },
  { kind: 'array', element: limited('text') },
  { kind: 'geometry', srid: null },
];

/** What the rows are to give; null where a value is refused. */
function expected(
  columns: readonly ColumnShape[],
  rows: readonly (readonly JsonText[])[],
): string[] | null {
  try {
    return columns.map(({ codec }, index) => {
      const write = elementWriter(codec as PostgresCodec, {
        strictness: 'silent',
        settle: (refusal) => {
          throw refusal;
        },
      });
      return `{${rows.map((row, at) => write(row[index]!, at)).join(',')}}`;
    });
  } catch (error) {
    expect(error).toBeInstanceOf(UnstorableValue);
    return null;
  }
}

function textsIn(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readInt32BE(at);
    texts.push(bytes.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return texts;
}

test('arrays hold what would be written of each value', () => {
  let plainCount = 0;
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...codecs), { minLength: 1, maxLength: 4 }),
      fc.array(fc.array(token, { minLength: 4, maxLength: 4 }), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.boolean(),
      (kinds, all, areCut) => {
        const columns = kinds.map((codec, index) =>
          column(`c${index}`, 'pg_catalog.text', {
            codec,
            keyOrdinal: index === 0 ? 0 : null,
          }),
        );
        const shaped = (rows: typeof all): ShapeRows =>
          areCut ? cut(columns, rows) : uncut(columns, rows);
        const rows = all.filter((row) => expected(columns, [row]) !== null);
        if (rows.length < all.length) {
          expect(() => rowParameters(shaped(all), refusingPolicies)).toThrow(
            expect.objectContaining({ code: 'E4006' }),
          );
        }
        fc.pre(rows.length > 0);
        const { count, bytes } = rowParameters(shaped(rows), refusingPolicies);
        expect(count).toBe(columns.length);
        expect(textsIn(bytes)).toEqual(expected(columns, rows));
        kinds.forEach((codec, index) => {
          const isPlain = plainTest(codec, 'silent');
          for (const row of rows) {
            const cell = Buffer.from(row[index]!);
            plainCount += isPlain?.(cell, 0, cell.length) ? 1 : 0;
          }
        });
      },
    ),
    { numRuns: 3_000 },
  );
  expect(plainCount).toBeGreaterThan(5_000);
});

function cut(
  columns: readonly ColumnShape[],
  rows: readonly (readonly JsonText[])[],
): ShapeRows {
  const [shape] = groupByShape(
    tableShape('t', columns),
    rows.map((row) => ({
      key: `[${row[0]}]` as JsonText,
      after:
        `{${columns.map(({ name }, index) => `"${name}": ${row[index]}`).join(', ')}}` as JsonText,
    })),
    { ignoreUnknownColumns: false, replace: false },
  );
  return shape!;
}

function uncut(
  columns: readonly ColumnShape[],
  rows: readonly (readonly JsonText[])[],
): ShapeRows {
  const values = columns.map((_, index) => rows.map((row) => row[index]!));
  return {
    table: tableShape('t', columns),
    columns,
    values: textValues(values, rows.length),
    rowCount: rows.length,
  };
}

test('of no rows the arrays are empty', () => {
  const columns = [
    column('id', 'pg_catalog.int8', {
      codec: limited('int8'),
      keyOrdinal: 0,
    }),
    column('doc', 'pg_catalog.jsonb', { codec: { kind: 'json' } }),
  ];
  const { bytes } = rowParameters(uncut(columns, []), refusingPolicies);
  expect(textsIn(bytes)).toEqual(['{}', '{}']);
});

test('texts are parameters one by one', () => {
  expect(textsIn(textParameters(['a', '', 'é']).bytes)).toEqual(['a', '', 'é']);
  expect(textParameters([]).bytes).toHaveLength(0);
});
