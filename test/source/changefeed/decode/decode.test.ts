import { describe, expect, test } from 'vitest';

import {
  maxTimestamp,
  timestampFromMs,
} from '../../../../src/mutation/timestamp.ts';
import { KeyOrders } from '../../../../src/source/changefeed/decode/key-order.ts';
import { decode, decodeRows, refusal } from './decoding.ts';
import { payload, row, time } from './shapes.ts';

describe('a request is refused whole, with what to change', () => {
  test.each<[string, string, string, string]>([
    ['broken JSON', '{"payload":[', 'E1001', 'ends too early'],
    [
      'broken JSON behind good rows',
      `{"payload":[${row()},${row()}x]}`,
      'E1001',
      'at character',
    ],
    ['more behind the body', `${payload(row())} {}`, 'E1001', 'at character'],
    ['an array', '[]', 'E1019', 'not an object'],
    ['a number', '1', 'E1019', 'not an object'],
    ['neither payload nor resolved', '{"a":1}', 'E1019', 'neither'],
    ['payload null', '{"payload":null}', 'E1019', 'neither'],
    ['a row that is no object', payload('1'), 'E1019', 'row 1'],
    [
      'after that is no object',
      payload(row(), row({ after: '[1]' })),
      'E1019',
      'row 2',
    ],
    ['key_only', payload(row({ after: null })), 'E1019', 'key_only'],
    ['row', payload('{"id":1,"note":"a"}'), 'E1019', 'envelope row'],
    [
      'an update without after',
      payload(row({ after: null, op: '"u"' })),
      'E1019',
      'no "after"',
    ],
    [
      'a wrong length',
      `{"payload":[${row()}],"length":2}`,
      'E1009',
      '"length" is 2, and "payload" has 1 rows',
    ],
    [
      'a length before the payload',
      `{"length":0,"payload":[${row()}]}`,
      'E1009',
      'has 1 rows',
    ],
    [
      'a length of an empty payload',
      '{"payload":[],"length":1}',
      'E1009',
      'has 0 rows',
    ],
    ['no updated', payload(row(), row({ updated: null })), 'E1010', 'row 2'],
    ['updated null', payload(row({ updated: 'null' })), 'E1010', 'updated'],
    ['updated as a number', payload(row({ updated: '1.0' })), 'E1018', 'row 1'],
    [
      'updated of another form',
      payload(row({ updated: '"1.5"' })),
      'E1018',
      'row 1',
    ],
    ['resolved of another form', '{"resolved":"now"}', 'E1018', 'resolved'],
    ['resolved null', '{"resolved":null}', 'E1018', 'resolved'],
    ['no topic', payload(row({ topic: null })), 'E1011', 'row 1'],
    ['an empty topic', payload(row({ topic: '""' })), 'E1011', 'row 1'],
    [
      'a topic that is no string',
      payload(row({ topic: '1' })),
      'E1011',
      'row 1',
    ],
    [
      'an unknown table',
      payload(row({ topic: '"nope"' })),
      'E1015',
      'shop.public has no table "nope"',
    ],
    [
      'a column family',
      payload(row({ topic: '"orders.f1"' })),
      'E1015',
      'column family',
    ],
    [
      'an unknown column',
      payload(row({ after: '{"id":1,"x":"secret","y":2}' })),
      'E1016',
      '"orders" has no column "x", "y"',
    ],
    [
      'a table without a primary key',
      payload(row({ topic: '"keyless"', after: '{"v":1}' })),
      'E1022',
      '"keyless"',
    ],
    [
      'no key and no key columns',
      payload(row({ key: null, after: '{"note":"a"}' })),
      'E1012',
      'key columns of table "orders" (id)',
    ],
    [
      'a delete without a key',
      payload(row({ key: null, after: 'null' })),
      'E1012',
      'orders',
    ],
    ['a key that is text', payload(row({ key: '"1"' })), 'E1012', 'orders'],
    [
      'too many key columns',
      payload(row({ key: '[1,2]' })),
      'E1017',
      'has 2 columns at the source and 1 at the target (id)',
    ],
    [
      'too few key columns',
      payload(row({ key: '[]' })),
      'E1017',
      'has 0 columns',
    ],
    [
      'null in the key',
      payload(row({ after: 'null', key: '[null]' })),
      'E1017',
      'null',
    ],
    [
      'null in a key column',
      payload(row({ after: '{"id":null}', key: null })),
      'E1017',
      'null in key column "id"',
    ],
    [
      'a key other than its columns',
      payload(row({ key: '[2]' })),
      'E1017',
      'differs',
    ],
    [
      'an object key of other columns',
      payload(row({ key: '{"uuid":1}', after: 'null' })),
      'E1017',
      'other columns',
    ],
    [
      'an object key other than the columns',
      payload(row({ key: '{"id":2}' })),
      'E1017',
      'differs',
    ],
    [
      'a declared key of other columns',
      payload(
        row({
          topic: '"pairs"',
          after: 'null',
          key: '[1,2]',
          source: '{"primary_keys":["a","c"]}',
        }),
      ),
      'E1017',
      'other columns',
    ],
    [
      'NUL',
      payload(row({ after: '{"id":1,"note":"a\\u0000b"}' })),
      'E1003',
      'column "note" of table "orders"',
    ],
    [
      'NUL inside JSON',
      payload(row({ after: '{"id":1,"note":{"\\u0000":1}}' })),
      'E1003',
      'column "note"',
    ],
    [
      'NUL in the key of a row before',
      payload(row({ after: 'null', key: null, before: '{"id":"\\u0000"}' })),
      'E1003',
      'the key of table "orders"',
    ],
    [
      'NUL in a deleted key',
      payload(row({ after: 'null', key: '["\\u0000"]' })),
      'E1003',
      'the key of table "orders"',
    ],
    [
      'half a surrogate pair',
      payload(row({ after: '{"id":1,"note":"\\ud83d"}' })),
      'E1027',
      'column "note"',
    ],
    [
      'the other half',
      payload(row({ after: '{"id":1,"note":"x\\uDE00"}' })),
      'E1027',
      'column "note"',
    ],
  ])('%s', (_what, text, code, words) => {
    const error = refusal(text);
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(error.remedy).not.toBe('');
    expect(error.httpStatus).toBeGreaterThanOrEqual(400);
    expect(error.httpStatus).toBeLessThan(500);
    // Values of a row never stand in what the changefeed shows.
    expect(error.line).not.toContain('secret');
  });

  test('an unknown table of a query path', () => {
    expect(refusal(payload(row()), { table: 'nope' }).code).toBe('E1015');
    expect(refusal(payload(row()), { table: 'shop.orders' }).code).toBe(
      'E1015',
    );
  });

  test('nesting is bounded in the body as a whole', () => {
    const nested = (levels: number) =>
      payload(
        row({
          after: `{"id":1,"note":${'['.repeat(levels)}${']'.repeat(levels)}}`,
        }),
      );
    // Body, payload, row and after are four levels.
    expect(decodeRows(nested(60)).rowCount).toBe(1);
    expect(refusal(nested(61)).code).toBe('E1004');
    expect(refusal('['.repeat(1_000_000)).code).toBe('E1004');
    expect(refusal(`{"a":${'['.repeat(1_000_000)}`).code).toBe('E1004');
    expect(refusal(payload(row({ more: '['.repeat(1_000_000) }))).code).toBe(
      'E1004',
    );
  });
});

describe('--onUnknown ignore', () => {
  test('drops and counts rows of unknown tables and unknown columns', () => {
    const decoded = decodeRows(
      payload(
        row({ topic: '"nope"' }),
        row({ topic: '"nope"' }),
        row({ after: '{"x":[{}],"id":1,"y":"}","note":"a"}' }),
        row(),
      ),
      { onUnknown: 'ignore' },
    );
    expect(decoded).toMatchObject({
      rowCount: 2,
      ignoredRowCount: 2,
      ignoredColumnCount: 2,
    });
    expect(decoded.tables).toHaveLength(1);
    expect(decoded.tables[0]!.mutations.map(({ after }) => after)).toEqual([
      '{"id":1,"note":"a"}',
      '{"id":1,"note":"a"}',
    ]);
  });

  test('drops every row of an unknown table in a query path', () => {
    expect(
      decodeRows(payload(row()), { table: 'nope', onUnknown: 'ignore' }),
    ).toMatchObject({ rowCount: 0, ignoredRowCount: 1, tables: [] });
  });
});

describe('a CDC query feed', () => {
  const query = { table: 'pairs' };

  test('takes the key from the columns, in the target order', () => {
    const decoded = decodeRows(
      payload(
        `{"after":{"v":1,"b":2.0,"a":"x"},"updated":${time}}`,
        `{"after":null,"before":{"b":3,"a":"y"},"updated":${time}}`,
        `{"before":{"b":4,"a":"z"},"updated":${time}}`,
        `{"__crdb__":{"updated":${time}},"a":"w","b":5}`,
      ),
      query,
    );
    expect(decoded.tables[0]!.table).toBe('pairs');
    expect(
      decoded.tables[0]!.mutations.map(({ key, after }) => [key, after]),
    ).toEqual([
      ['["x",2]', '{"v":1,"b":2.0,"a":"x"}'],
      ['["y",3]', null],
      ['["z",4]', null],
      ['["w",5]', '{"a":"w","b":5}'],
    ]);
  });

  test('skips and counts lines that say nothing', () => {
    expect(
      decodeRows(
        payload(
          `{"updated":${time}}`,
          `{"after":null,"updated":${time}}`,
          `{"after":null,"before":null,"updated":${time}}`,
        ),
        query,
      ),
    ).toMatchObject({ rowCount: 0, phantomDeleteCount: 3, tables: [] });
  });

  test('deletes by the key where it comes', () => {
    const { tables } = decodeRows(
      payload(`{"after":null,"key":["x",1],"updated":${time}}`),
      query,
    );
    expect(tables[0]!.mutations[0]).toMatchObject({
      key: '["x",1]',
      after: null,
    });
  });

  test('takes the key from the columns also where the source hashes its key', () => {
    const { tables } = decodeRows(
      payload(
        `{"after":{"a":"x","b":1},"key":[5,"x",1],"updated":${time}}`,
        `{"after":null,"before":{"a":"x","b":1},"key":[5,"x",1],"updated":${time}}`,
      ),
      query,
    );
    expect(tables[0]!.mutations.map(({ key }) => key)).toEqual([
      '["x",1]',
      '["x",1]',
    ]);
    expect(
      refusal(
        payload(`{"after":null,"key":[5,"x",1],"updated":${time}}`),
        query,
      ),
    ).toMatchObject({
      code: 'E1017',
      remedy: expect.stringContaining('CDC query with diff'),
    });
  });

  test('refuses a row that lacks key columns, and a bare delete without a key', () => {
    expect(
      refusal(payload(`{"after":{"a":1},"updated":${time}}`), query).code,
    ).toBe('E1012');
    expect(
      refusal(payload(`{"__crdb__":{"updated":${time}}}`), query).code,
    ).toBe('E1012');
  });
});

describe('the key', () => {
  test('is the same whichever way it comes', () => {
    const ways = [
      row({ key: '[1]' }),
      row({ key: '[ 1.00 ]' }),
      row({ key: '{"id":1}' }),
      row({ key: '{"ID":1}' }),
      row({ key: null }),
      row({ key: 'null' }),
      row({ key: '[1]', after: '{"note":"no key column"}' }),
      row({ key: '[1e0]', after: '{"id":1.0}' }),
      row({ after: 'null' }),
      row({ after: 'null', key: null, before: '{"id":1}' }),
      row({ after: null, key: '[1]', op: '"d"' }),
    ];
    const { tables } = decodeRows(payload(...ways));
    expect(tables[0]!.mutations.map(({ key }) => key)).toEqual(
      ways.map(() => '[1]'),
    );
  });

  test('a wrong guess of the order halts, and nothing of a refused request is learned as a guess', () => {
    const keyOrders = new KeyOrders();
    const deleted = row({ topic: '"pairs"', after: 'null', key: '[1,2]' });
    const swapped = row({
      topic: '"pairs"',
      after: '{"a":4,"b":3}',
      key: '[3,4]',
    });
    refusal(payload(deleted, row({ topic: null })), { keyOrders });
    refusal(`${payload(deleted)}]`, { keyOrders });
    refusal(`{"payload":[${deleted}],"length":7}`, { keyOrders });
    expect(
      decodeRows(payload(deleted, swapped), {
        keyOrders,
      }).tables[0]!.mutations.map(({ key }) => key),
    ).toEqual(['[2,1]', '[4,3]']);

    const guessing = new KeyOrders();
    expect(
      decodeRows(payload(deleted), { keyOrders: guessing }).tables[0]!
        .mutations[0]!.key,
    ).toBe('[1,2]');
    guessing.saved('pairs', guessing.stored('pairs')!);
    expect(refusal(payload(swapped), { keyOrders: guessing })).toMatchObject({
      code: 'E1017',
      disposition: 'halt',
    });
  });
});

describe('of times that no right clock has shown yet', () => {
  const latest = timestampFromMs(1_732_000_000_000);
  const at = (ms: number) => `"${timestampFromMs(ms)}"`;

  test.each([
    ['resolved', `{"resolved":${at(1_732_000_000_001)}}`],
    ['the second row', payload(row(), row({ updated: at(1_732_000_000_001) }))],
    ['the largest', payload(row({ updated: `"${maxTimestamp}"` }))],
    [
      'ts_hlc',
      payload(
        row({
          updated: null,
          source: `{"ts_hlc":${at(1_732_000_000_001)}}`,
        }),
      ),
    ],
  ])('%s is refused with E1028', (_what, text) => {
    expect(refusal(text, { latest })).toMatchObject({
      code: 'E1028',
      httpStatus: 400,
    });
  });

  test('the latest one is taken', () => {
    expect(decode(`{"resolved":"${latest}"}`, { latest })).toMatchObject({
      time: latest,
    });
    expect(
      decodeRows(payload(row({ updated: `"${latest}"` })), { latest }),
    ).toMatchObject({ rowCount: 1 });
  });
});
