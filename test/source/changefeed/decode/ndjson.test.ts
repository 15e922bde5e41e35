import { describe, expect, test } from 'vitest';

import { decodeNdjson } from '../../../../src/source/changefeed/decode/ndjson.ts';
import { decodeContext, schemaShape, tableShape } from './shapes.ts';

const shape = schemaShape(
  tableShape('orders', ['id'], ['note']),
  tableShape('REAL-42', ['id'], []),
);
const context = decodeContext(shape);
const line = (id: number, note = '') =>
  `{"after":{"id":${id},"note":"${note}"},"key":[${id}],"updated":"${id}.0"}`;

describe('decodeNdjson', () => {
  test('takes one row a line and skips blank lines', () => {
    const text = `\n${line(1)}\r\n  \n\t${line(2)} \n{"after":null,"key":[1],"updated":"3.0"}`;
    const decoded = decodeNdjson(text, context, 1_000, 'shop.public.orders');
    expect(decoded).toMatchObject({ kind: 'rows', rowCount: 3 });
    expect(
      decoded.kind === 'rows' &&
        decoded.tables.map(({ table, mutations }) => [
          table,
          mutations.map(({ key, after }) => [key, after]),
        ]),
    ).toEqual([
      [
        'orders',
        [
          ['[1]', '{"id":1,"note":""}'],
          ['[2]', '{"id":2,"note":""}'],
          ['[1]', null],
        ],
      ],
    ]);
  });

  test('a table in the path goes before the topic', () => {
    const text = '{"after":{"id":7},"updated":"1.0"}';
    for (const [table, topic] of [
      ['real-42', 'orders'],
      [null, 'db.schema.REAL-42'],
    ] as const) {
      expect(
        decodeNdjson(text, { ...context, table }, 1_000, topic),
      ).toMatchObject({ tables: [{ table: 'REAL-42' }] });
    }
  });

  test('a delete without a key is dropped and counted', () => {
    expect(
      decodeNdjson('{"after":null,"updated":"1.0"}', context, 1_000, 'orders'),
    ).toMatchObject({ rowCount: 0, phantomDeleteCount: 1 });
  });

  test('an empty file is empty', () => {
    expect(decodeNdjson(' \n\n', context, 1_000, 'orders')).toEqual({
      kind: 'empty',
    });
  });

  test.each([
    ['a line beyond the limit', line(1, 'x'.repeat(200)), 'E1005', 413],
    ['a line of many bytes', line(1, '🦔'.repeat(40)), 'E1005', 413],
    ['a line cut short', line(1).slice(0, -2), 'E1001', 400],
    ['two rows on a line', `${line(1)} ${line(2)}`, 'E1001', 400],
    [
      'a row over two lines',
      line(1).replace(',"key"', ',\n"key"'),
      'E1001',
      400,
    ],
    ['no updated', '{"after":{"id":1},"key":[1]}', 'E1010', 400],
  ])('%s is refused', (_what, text, code, httpStatus) => {
    expect(() => decodeNdjson(text, context, 150, 'orders')).toThrow(
      expect.objectContaining({ code, httpStatus }),
    );
  });

  test('an unknown topic is refused', () => {
    expect(() => decodeNdjson(line(1), context, 1_000, 'nope')).toThrow(
      expect.objectContaining({ code: 'E1015' }),
    );
  });
});
