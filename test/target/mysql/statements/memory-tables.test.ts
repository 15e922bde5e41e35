import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonText } from '../../../../src/mutation/mutation.ts';
import {
  memoryLengths,
  memoryType,
} from '../../../../src/target/mysql/statements/memory-tables.ts';
import type { MysqlCodec } from '../../../../src/target/mysql/values/codec.ts';
import { readerOf } from '../../../../src/target/mysql/values/values.ts';
import { codecs, column, tableShape } from '../shapes.ts';

const megabyte = 1024 * 1024;
const collation = 'character set utf8mb4 collate utf8mb4_bin';
const longText: MysqlCodec = {
  kind: 'text',
  definition: `longtext ${collation}`,
  maxLength: null,
  unit: 'bytes',
  fixed: false,
};
const bytes: MysqlCodec = {
  kind: 'binary',
  definition: 'varbinary(1000)',
  maxLength: 1000,
  fixed: false,
};
const document: MysqlCodec = {
  kind: 'json',
  definition: `longtext ${collation}`,
  isText: false,
};

function rowsOf(
  codec: MysqlCodec,
  values: readonly string[],
  key: MysqlCodec = codecs.bigint,
): Parameters<typeof memoryLengths>[0] {
  const table = tableShape('item', [
    column('id', key, { keyOrdinal: 0 }),
    column('value', codec),
  ]);
  return {
    table,
    columns: table.columns,
    rowCount: values.length,
    longestBytes: [
      String(values.length - 1).length,
      Math.max(...values.map((value) => Buffer.byteLength(value))),
    ],
  };
}

test('texts and bytes fit into what is made for them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { minLength: 1 }),
      fc.constantFrom(longText, bytes, document),
      (texts, codec) => {
        const tokens = texts.map((text) => JSON.stringify(text));
        const length = memoryLengths(
          rowsOf(codec, tokens),
          64 * megabyte,
          null,
        )![1]!;
        const needed = tokens.map((token) => {
          const text = readerOf(codec)(token as JsonText)!;
          return codec.kind === 'binary'
            ? text.length / 2
            : Array.from(text).length;
        });
        expect(Math.max(...needed)).toBeLessThanOrEqual(length);
      },
    ),
  );
});

test('lengths are those of the longest text by now, and no more than the target has', () => {
  const long = `"${'x'.repeat(100)}"`;
  expect(memoryLengths(rowsOf(longText, ['"a"']), megabyte, null)).toEqual([
    null,
    32,
  ]);
  expect(
    memoryLengths(rowsOf(longText, ['"a"']), megabyte, [null, 64]),
  ).toEqual([null, 64]);
  expect(
    memoryLengths(rowsOf(longText, ['"a"', long]), megabyte, [null, 64]),
  ).toEqual([null, 128]);
  expect(memoryLengths(rowsOf(codecs.varchar, [long]), megabyte, null)).toEqual(
    [null, 20],
  );
});

test('a type keeps its character set and collation', () => {
  expect(memoryType(column('value', longText), 64)).toBe(
    `varchar(64) ${collation}`,
  );
  expect(memoryType(column('value', codecs.varchar), 20)).toBe(
    `varchar(20) ${collation}`,
  );
  expect(memoryType(column('value', bytes), 32)).toBe('varbinary(32)');
  expect(memoryType(column('value', codecs.decimal), null)).toBe(
    'decimal(12,2)',
  );
});

test('rows go elsewhere that MEMORY cannot hold, or not without waste', () => {
  const elsewhere = [
    memoryLengths(rowsOf(longText, ['"a"']), 0, null),
    memoryLengths(rowsOf(codecs.point, ['"POINT(1 2)"']), megabyte, null),
    memoryLengths(
      rowsOf(longText, ['"a"'], { ...codecs.varchar, keyPrefix: 10 }),
      megabyte,
      null,
    ),
    memoryLengths(rowsOf(longText, [`"${'x'.repeat(5000)}"`]), megabyte, null),
    memoryLengths(
      rowsOf(longText, Array<string>(10_000).fill('"a"')),
      megabyte,
      null,
    ),
  ];
  expect(elsewhere).toEqual([null, null, null, null, null]);
});
