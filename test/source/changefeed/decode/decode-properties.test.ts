import fc from 'fast-check';
import { expect, test } from 'vitest';

import { ReplicatorError } from '../../../../src/failure/failure.ts';
import { objectMembers } from '../../../../src/mutation/json-text.ts';
import type { JsonText } from '../../../../src/mutation/mutation.ts';
import { timestampFromMs } from '../../../../src/mutation/timestamp.ts';
import { decodeBody } from '../../../../src/source/changefeed/decode/decode.ts';
import type {
  DecodeContext,
  DecodedRows,
} from '../../../../src/source/changefeed/decode/decode-context.ts';
import { decodeContext, payload, row, shape, time } from './shapes.ts';

function decode(text: string, over: Partial<DecodeContext> = {}) {
  return decodeBody(text, decodeContext(shape, over));
}

function decodeRows(
  text: string,
  over: Partial<DecodeContext> = {},
): DecodedRows {
  const decoded = decode(text, over);
  if (decoded.kind !== 'rows') {
    throw new Error(`decoded to ${decoded.kind}`);
  }
  return decoded;
}

test('rows keep their order, table by table, however tables alternate', () => {
  const tables = ['orders', 'pairs'];
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...tables), fc.nat(3), fc.boolean())),
      (rows) => {
        fc.pre(rows.length > 0);
        const text = payload(
          ...rows.map(([table, id, isDelete], at) =>
            row({
              topic: `"${table}"`,
              updated: `"${timestampFromMs(at)}"`,
              after: isDelete
                ? 'null'
                : table === 'orders'
                  ? `{"id":${id}}`
                  : `{"b":${id},"a":${id},"v":1}`,
              key: table === 'orders' ? `[${id}]` : `[${id},${id}]`,
            }),
          ),
        );
        const decoded = decodeRows(text);
        for (const name of tables) {
          const expected = rows
            .map(([table, id, isDelete], at) => ({ table, id, isDelete, at }))
            .filter(({ table }) => table === name)
            .map(({ id, isDelete, at }) => [
              timestampFromMs(at),
              name === 'orders' ? `[${id}]` : `[${id},${id}]`,
              isDelete,
            ]);
          const found = decoded.tables.find(({ table }) => table === name);
          expect(
            found?.mutations.map(({ time: at, key, after }) => [
              at,
              key,
              after === null,
            ]) ?? [],
          ).toEqual(expected);
        }
      },
    ),
  );
});

const anyValue = fc.oneof(
  fc.json(),
  fc.constantFrom(
    '-9223372036854775808',
    '9223372036854775807',
    '-0',
    '1e400',
    '-1E-400',
    '0.10',
    `${'9'.repeat(700)}.${'1'.repeat(299)}0`,
    '{"__crdb_json_null__": true}',
    '"Infinity"',
    '"NaN"',
    '[ 1 , 2 ]',
  ),
);

test('any value arrives as it was sent, to the last digit', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anyValue, anyValue), { minLength: 1 }),
      (values) => {
        const afters = values.map(
          ([amount, note], at) =>
            `{"amount": ${amount}, "id": ${at}, "note":${note}}`,
        );
        const text = payload(
          ...afters.map((after, at) => row({ after, key: `[${at}]` })),
        );
        fc.pre(!/\\u(0000|[dD][89a-fA-F])/.test(text));
        const { mutations } = decodeRows(text, { maxDepth: 1000 }).tables[0]!;
        expect(mutations.map(({ after }) => after)).toEqual(afters);
        for (const [at, { after }] of mutations.entries()) {
          expect(objectMembers(after as JsonText)).toEqual([
            { name: 'amount', value: values[at]![0].trim() },
            { name: 'id', value: String(at) },
            { name: 'note', value: values[at]![1].trim() },
          ]);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a damaged request is refused, or is JSON still', () => {
  const requests = fc.constantFrom(
    payload(
      row(),
      row({ after: '{"note":"a","id":2}', key: '[2]' }),
      row({ topic: '"pairs"', after: 'null', key: '["x",1]' }),
    ),
    payload(`{"__crdb__":{"updated":${time},"topic":"orders"},"id":1}`),
    payload(
      `{"payload":{"after":{"id":1},"source":{"ts_hlc":${time}},"topic":"orders"},"schema":{}}`,
    ),
    '{"resolved":"1732000000000000000.0000000000"}',
  );
  fc.assert(
    fc.property(
      requests,
      fc.nat(),
      fc.nat(3),
      fc.constantFrom(
        ...Array.from('[]{},:"\\ 01.e-tnul\u0000\n\u007f'),
        'null',
        '\\u0000',
        '',
      ),
      fc.constantFrom('refuse' as const, 'ignore' as const),
      (request, place, cut, letter, onUnknown) => {
        const at = place % request.length;
        const text = request.slice(0, at) + letter + request.slice(at + cut);
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        try {
          decode(text, { onUnknown });
          expect(isJson).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ReplicatorError);
          expect((error as ReplicatorError).code).toMatch(/^E10/);
        }
      },
    ),
    { numRuns: 5000 },
  );
});
