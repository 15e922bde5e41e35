import { isAscii } from 'node:buffer';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { ReplicatorError } from '../../../../src/failure/failure.ts';
import {
  decodeBody,
  type DecodedRequest,
} from '../../../../src/source/changefeed/decode/decode.ts';
import type { DecodeContext } from '../../../../src/source/changefeed/decode/decode-context.ts';
import type { SchemaShape } from '../../../../src/target/target.ts';
import { decodeContext, schemaShape, tableShape } from './shapes.ts';

const newShape = (): SchemaShape =>
  schemaShape(
    tableShape('orders', ['id'], ['amount', 'note'], ['total']),
    tableShape('pairs', ['a', 'b'], ['v']),
    tableShape('keyless', [], ['v']),
  );

/** What a request becomes, its templates learned or not. */
function outcomeOf(
  text: string,
  isFast: boolean,
  over: Partial<DecodeContext>,
): DecodedRequest | string {
  // Templates are kept with the shape: what was learned is known again.
  const context = decodeContext(newShape(), over);
  const bytes = Buffer.from(text);
  const decode = () =>
    decodeBody(text, context, isFast && isAscii(bytes) ? bytes : null);
  try {
    decode();
    return decode();
  } catch (error) {
    if (error instanceof ReplicatorError) {
      return error.line;
    }
    throw error;
  }
}

function expectSame(text: string, over: Partial<DecodeContext> = {}): void {
  expect(outcomeOf(text, true, over)).toEqual(outcomeOf(text, false, over));
}

const times = fc.constantFrom(
  '"1732000000000000000.0000000000"',
  '"1732000000000000000.0000000000"',
  '"1732000000000000001.0000000000"',
  '"173200000000000001.0000000000"',
  '"1732000000.0"',
  'null',
);

const integers = fc.constantFrom(
  '1',
  '7',
  '10',
  '-1',
  '-0',
  '0',
  '12345678901',
);

const damaged = fc.constantFrom('01', '1.', '-', '.5', '"\\u00e', '"', 'nul');

const values = fc.oneof(
  { weight: 12, arbitrary: integers },
  { weight: 1, arbitrary: damaged },
  {
    weight: 12,
    arbitrary: fc.constantFrom(
      'null',
      'true',
      '""',
      '"a"',
      '"plain text"',
      '"with \\"quotes\\" and \\n"',
      '"\\u0041"',
      '"\\u0000"',
      '"ä"',
      '"\\ud83e\\udd94"',
      '1.50',
      '1e5',
      '1E400',
      '{"after": {"id": 3}}',
      '[[[[[[]]]]]]',
      '"topic": "orders"',
      '"\\"topic\\": \\"pairs\\""',
    ),
  },
  {
    weight: 12,
    arbitrary: fc.string({ maxLength: 40 }).map((text) => JSON.stringify(text)),
  },
  { weight: 4, arbitrary: fc.json({ maxDepth: 2 }) },
);

const rareForms = [
  'delete',
  'delete',
  'blank',
  'tight',
  'sparse',
  'before',
  'renamed',
  'unknown',
  'twice',
  'enriched',
  'object',
  'spelled',
  'nested',
  'bare',
  'no key',
  'topic first',
];

const orders = fc
  .record({
    id: integers,
    key: fc.oneof(
      { weight: 20, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: integers },
    ),
    note: values,
    time: times,
    form: fc.constantFrom(
      ...Array.from({ length: 20 }, () => 'usual'),
      ...rareForms,
    ),
  })
  .map(({ id, key: other, note, time, form }) => {
    const key = `[${other ?? id}]`;
    const tail = `"key": ${key}, "topic": "orders", "updated": ${time}}`;
    const after = `{"amount": ${note}, "id": ${id}, "note": "x"}`;
    switch (form) {
      case 'delete':
        return `{"after": null, "before": null, ${tail}`;
      case 'blank':
        return `{"after":  ${after}, ${tail}`;
      case 'tight':
        return `{"after":${after},"key":${key},"topic":"orders","updated":${time}}`;
      case 'sparse':
        return `{"after": {"id": ${id}}, ${tail}`;
      case 'before':
        return `{"after": ${after}, "before": {"id": ${id}, "note": ${note}}, ${tail}`;
      case 'renamed':
        return `{"after": {"ID": ${id}, "note": ${note}}, ${tail}`;
      case 'unknown':
        return `{"after": {"id": ${id}, "what": ${note}}, ${tail}`;
      case 'twice':
        return `{"after": {"id": ${note}, "id": ${id}}, ${tail}`;
      case 'enriched':
        return `{"after": ${after}, "op": "u", "source": {"ts_hlc": ${time}, "primary_keys": ["id"]}, ${tail}`;
      case 'object':
        return `{"after": ${after}, "key": {"id": ${id}}, "topic": "orders", "updated": ${time}}`;
      case 'spelled':
        return `{"\\u0061fter": ${after}, ${tail}`;
      case 'nested':
        return `{"payload": {"after": ${after}, ${tail}, "schema": {}}`;
      case 'bare':
        return `{"__crdb__": {"key": ${key}, "topic": "orders", "updated": ${time}}, "id": ${id}, "note": ${note}}`;
      case 'no key':
        return `{"after": ${after}, "topic": "orders", "updated": ${time}}`;
      case 'topic first':
        return `{"topic": "orders", "updated": ${time}, "key": ${key}, "after": ${after}}`;
      default:
        return `{"after": ${after}, ${tail}`;
    }
  });

const pairs = fc
  .record({ a: integers, b: values, time: times, isSwapped: fc.boolean() })
  .map(
    ({ a, b, time, isSwapped }) =>
      `{"after": {"a": ${a}, "b": ${b}, "v": 1}, "key": [${isSwapped ? `${b}, ${a}` : `${a}, ${b}`}], "topic": "pairs", "updated": ${time}}`,
  );

const others = fc.constantFrom(
  '{"after": {"v": 1}, "key": [], "topic": "keyless", "updated": "1732000000000000000.0000000000"}',
  '{"after": {"id": 1}, "key": [1], "topic": "nowhere", "updated": "1732000000000000000.0000000000"}',
  '{}',
  '17',
);

/** Mostly rows that are alike, as those of a feed are. */
const requests = fc
  .array(
    fc.oneof(
      { weight: 90, arbitrary: orders },
      { weight: 30, arbitrary: pairs },
      { weight: 1, arbitrary: others },
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((rows) => `{"payload": [${rows.join(', ')}]}`);

const contexts = fc.record({
  onUnknown: fc.constantFrom('refuse' as const, 'ignore' as const),
  table: fc.constantFrom(null, null, null, 'orders'),
  maxDepth: fc.constantFrom(2, 4, 5, 64),
});

test('rows become the same whether or not rows like them are known', () => {
  fc.assert(
    fc.property(requests, contexts, (text, over) => expectSame(text, over)),
    { numRuns: 2000 },
  );
});

test('a plain request becomes the same, whichever character of it is damaged', () => {
  const usual = (id: number, note: string) =>
    `{"after": {"amount": ${id}.50, "id": ${id}, "note": "${note}"}, "key": [${id}], "topic": "orders", "updated": "1732000000000000000.0000000000"}`;
  const request = `{"payload": [${usual(1, 'a')}, ${usual(22, 'some words')}, ${usual(3, 'b')}]}`;
  fc.assert(
    fc.property(
      fc.nat(request.length - 1),
      fc.nat(4),
      fc.constantFrom(...Array.from('[]{},:"\\ 017.e-tn\u0000\n\u007fä'), ''),
      (at, cut, letter) =>
        expectSame(request.slice(0, at) + letter + request.slice(at + cut)),
    ),
    { numRuns: 3000 },
  );
});

test('an array that ends where an element is expected is refused as before', () => {
  const usual = (key: string) =>
    `{"after": {"id": 1}, "key": ${key}, "topic": "orders", "updated": "1732000000000000000.0000000000"}`;
  for (const key of ['[]', '[]1]', '[,1]', '[1,]', '[1, 1]', '[1]]', '[']) {
    expectSame(`{"payload": [${usual('[1]')}, ${usual(key)}]}`);
  }
});

test('a request that ends anywhere is refused as one that ends too early', () => {
  const usual = `{"after": {"amount": 1, "id": 1, "note": "abc"}, "key": [1], "topic": "orders", "updated": "1732000000000000000.0000000000"}`;
  const request = `{"payload": [${usual}, ${usual}]}`;
  for (let end = 0; end < request.length; end += 1) {
    expectSame(request.slice(0, end));
  }
});
