import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonText } from '../../../../src/mutation/mutation.ts';
import type { MysqlCodec } from '../../../../src/target/mysql/values/codec.ts';
import {
  loadedRows,
  loadFile,
} from '../../../../src/target/mysql/values/load-file.ts';
import {
  longestPlain,
  notPlain,
  plainCellWriter,
} from '../../../../src/target/mysql/values/plain-cells.ts';
import { fileCellReader } from '../../../../src/target/mysql/values/row-encoding.ts';
import {
  refusingPolicies,
  UnstorableValue,
} from '../../../../src/target/value-policy.ts';
import { token } from '../../values/tokens.ts';
import { codecs, column, tableShape } from '../shapes.ts';
import { textValues } from '../../../../src/target/row-values.ts';

const collation = 'character set utf8mb4 collate utf8mb4_bin';
const kinds: readonly MysqlCodec[] = [
  codecs.bigint,
  { kind: 'integer', definition: 'tinyint', min: '-128', max: '127' },
  { kind: 'integer', definition: 'int unsigned', min: '0', max: '4294967295' },
  { kind: 'integer', definition: 'year', min: '1901', max: '2155' },
  codecs.decimal,
  { kind: 'decimal', definition: 'decimal(4,4)', precision: 4, scale: 4 },
  { kind: 'decimal', definition: 'decimal(4)', precision: 4, scale: 0 },
  { kind: 'float', definition: 'double', bits: 64 },
  codecs.bit,
  codecs.uuid,
  codecs.varchar,
  {
    kind: 'text',
    definition: `char(10) ${collation}`,
    maxLength: 10,
    unit: 'characters',
    fixed: true,
  },
  {
    kind: 'text',
    definition: `tinytext ${collation}`,
    maxLength: 255,
    unit: 'bytes',
    fixed: false,
  },
  { kind: 'other', definition: 'uuid' },
  { kind: 'json', definition: `longtext ${collation}`, isText: false },
  { kind: 'enum', definition: `enum('a','b')`, labels: ['a', 'b'] },
  { kind: 'date', definition: 'date' },
  { kind: 'time', definition: 'time(6)', fractionDigits: 6 },
  codecs.datetime,
  {
    kind: 'datetime',
    definition: 'datetime',
    fractionDigits: 0,
    until: null,
  },
  {
    kind: 'datetime',
    definition: 'timestamp(3)',
    fractionDigits: 3,
    until: '2038-01-19T03:14:07.999999',
  },
];

/** Null where the value cannot be stored. */
function slowCell(codec: MysqlCodec, value: JsonText): Buffer | null {
  try {
    const cell = fileCellReader(column('value', codec))(value);
    return Buffer.from(cell ?? String.raw`\N`);
  } catch (error) {
    expect(error).toBeInstanceOf(UnstorableValue);
    return null;
  }
}

test('a plain cell is what the reader would make of the token, within its room', () => {
  let plainCount = 0;
  fc.assert(
    fc.property(fc.constantFrom(...kinds), token, (codec, value) => {
      fc.pre(Buffer.byteLength(value) <= longestPlain);
      const file = Buffer.alloc(longestPlain + 1, 0xff);
      // It lies among others.
      const source = Buffer.from(`7,${value},7`);
      const end = plainCellWriter(column('value', codec))(
        source,
        2,
        source.length - 2,
        file,
        1,
      );
      if (end !== notPlain) {
        plainCount += 1;
        expect(end).toBeLessThanOrEqual(longestPlain + 1);
        expect(file[0]).toBe(0xff);
        expect(file.subarray(1, end)).toEqual(slowCell(codec, value));
      }
    }),
    { numRuns: 20_000 },
  );
  expect(plainCount).toBeGreaterThan(2000);
});

test.each([
  ['null', codecs.bigint, String.raw`\N`],
  ['-1234567890123456', codecs.bigint, '-1234567890123456'],
  ['true', codecs.bigint, '1'],
  ['"17"', codecs.bigint, '17'],
  ['-12.50', codecs.decimal, '-12.50'],
  ['"open"', codecs.varchar, 'open'],
  [
    '"2026-01-02T03:04:05.678901Z"',
    codecs.datetime,
    '2026-01-02T03:04:05.678901',
  ],
  ['"2026-01-02 03:04:05+00:00"', codecs.datetime, '2026-01-02 03:04:05'],
  ['"2026-01-02"', { kind: 'date', definition: 'date' } as const, '2026-01-02'],
])('%s is plain', (value, codec, cell) => {
  const file = Buffer.alloc(longestPlain);
  const source = Buffer.from(value);
  const end = plainCellWriter(column('value', codec))(
    source,
    0,
    source.length,
    file,
    0,
  );
  expect(file.toString('latin1', 0, end)).toBe(cell);
});

test.each([
  { keys: ['1', '-2'], codec: codecs.bigint, areNumbers: true },
  { keys: ['1', '"1"'], codec: codecs.bigint, areNumbers: false },
  { keys: ['1', 'true'], codec: codecs.bigint, areNumbers: false },
  { keys: ['1', '1.0'], codec: codecs.bigint, areNumbers: false },
  { keys: ['0', '-0'], codec: codecs.bigint, areNumbers: false },
  { keys: ['100', '1e2'], codec: codecs.bigint, areNumbers: false },
  { keys: ['1.0', '1.00'], codec: codecs.decimal, areNumbers: false },
  { keys: ['"a"'], codec: codecs.varchar, areNumbers: false },
])(
  'keys $keys need an index to tell them apart, or none',
  ({ keys, codec, areNumbers }) => {
    const table = tableShape('item', [
      column('part', codecs.bigint, { keyOrdinal: 0 }),
      column('id', codec, { keyOrdinal: 1 }),
    ]);
    const { hasNumberKeys } = loadedRows(
      {
        table,
        columns: table.columns,
        values: textValues(
          [keys.map(() => '1' as JsonText), keys as JsonText[]],
          keys.length,
        ),
        rowCount: keys.length,
      },
      refusingPolicies,
    );
    expect(hasNumberKeys).toBe(areNumbers);
  },
);

test('cells and rows stand one behind the other, in chunks of a packet', () => {
  const longText: MysqlCodec = {
    kind: 'text',
    definition: `longtext ${collation}`,
    maxLength: null,
    unit: 'bytes',
    fixed: false,
  };
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          id: fc.nat().map(String),
          length: fc.oneof(
            { weight: 20, arbitrary: fc.nat(300) },
            { weight: 1, arbitrary: fc.nat(600_000) },
          ),
          character: fc.constantFrom('x', 'é', '漢', '😀'),
        }),
        { minLength: 1, maxLength: 40 },
      ),
      fc.nat(20),
      (rows, copies) => {
        const all = Array.from({ length: copies + 1 }, () => rows).flat();
        const texts = all.map(({ character, length }) =>
          character.repeat(length),
        );
        const table = tableShape('item', [
          column('value', longText),
          column('id', codecs.bigint, { keyOrdinal: 0 }),
        ]);
        const chunks = loadFile(
          {
            table,
            columns: table.columns,
            values: textValues(
              [
                texts.map((value) => JSON.stringify(value) as JsonText),
                all.map(({ id }) => id as JsonText),
              ],
              all.length,
            ),
            rowCount: all.length,
          },
          refusingPolicies,
        );
        for (const { length } of chunks) {
          expect(length).toBeGreaterThan(0);
          expect(length).toBeLessThanOrEqual(256 * 1024);
        }
        expect(
          Buffer.concat(chunks).equals(
            Buffer.from(
              all.map(({ id }, row) => `${texts[row]}\t${id}\n`).join(''),
            ),
          ),
        ).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});
