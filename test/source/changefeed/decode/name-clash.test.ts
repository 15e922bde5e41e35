import { expect, test } from 'vitest';
import { ReplicatorError } from '../../../../src/failure/failure.ts';
import { decodeBody } from '../../../../src/source/changefeed/decode/decode.ts';
import type { DecodeContext } from '../../../../src/source/changefeed/decode/decode-context.ts';
import {
  decodeContext,
  payload,
  row,
  schemaShape,
  tableShape,
} from './shapes.ts';

function decode(after: string, over: Partial<DecodeContext> = {}) {
  // A shape of its own each time: what a table has shown is remembered by it.
  const shape = schemaShape(tableShape('orders', ['id'], ['note']));
  const decoded = decodeBody(
    payload(row({ after })),
    decodeContext(shape, over),
  );
  if (decoded.kind !== 'rows') {
    throw new Error(`decoded to ${decoded.kind}`);
  }
  return decoded;
}

test.each([
  '{"id":1,"note":"a","NOTE":"b"}',
  '{"NOTE":"b","id":1,"note":"a"}',
  '{"Id":1,"NOTE":"b","note":"a"}',
])(
  'a name spelled as at the target is the column, one in another case is none: %s',
  (after) => {
    const decoded = decode(after, { onUnknown: 'ignore' });
    expect(decoded.ignoredColumnCount).toBe(1);
    const { after: kept } = decoded.tables[0]!.mutations[0]!;
    expect(JSON.parse(kept!)).toEqual({ id: 1, note: 'a' });
    expect(() => decode(after)).toThrow(
      expect.objectContaining({
        code: 'E1016',
        message: expect.stringContaining('has no column "NOTE"'),
      }),
    );
  },
);

test('two names of a key column never make the key of another row', () => {
  const { key, after } = decode('{"id":1,"ID":2,"note":"a"}', {
    onUnknown: 'ignore',
  }).tables[0]!.mutations[0]!;
  expect([key, after]).toEqual(['[1]', '{"id":1,"note":"a"}']);
});

test('two names of which neither is the target’s are both refused', () => {
  expect(() => decode('{"id":1,"Note":"a","NOTE":"b"}')).toThrow(
    ReplicatorError,
  );
  expect(() => decode('{"id":1,"Note":"a","NOTE":"b"}')).toThrow(
    'has no column "Note", "NOTE"',
  );
});

test('a column that changes its case at the source is the same column', () => {
  const shape = schemaShape(tableShape('orders', ['id'], ['note']));
  const decoded = decodeBody(
    payload(
      row({ after: '{"id":1,"NOTE":"a"}' }),
      row({ after: '{"id":1,"note":"b"}' }),
      row({ after: '{"id":1,"Note":"c"}' }),
    ),
    decodeContext(shape),
  );
  expect(
    decoded.kind === 'rows' &&
      decoded.tables[0]!.mutations.map(({ after }) => after),
  ).toEqual([
    '{"id":1,"note":"a"}',
    '{"id":1,"note":"b"}',
    '{"id":1,"note":"c"}',
  ]);
});
