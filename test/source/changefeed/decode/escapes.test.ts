import { describe, expect, test } from 'vitest';

import { decode, decodeRows, refusal } from './decoding.ts';
import { payload, row } from './shapes.ts';

describe('what may be spelled with escapes', () => {
  test.each([
    ['"\\\\u0000"'],
    ['"\\ud83d\\ude00"'],
    ['"\\uD83D\\uDE00 \\u00e9"'],
    ['"\\ue000"'],
    ['"\\\\ud800"'],
  ])('%s is stored', (note) => {
    const { tables } = decodeRows(
      payload(row({ after: `{"id":1,"note":${note}}` })),
    );
    expect(tables[0]!.mutations[0]!.after).toBe(`{"id":1,"note":${note}}`);
  });

  test('NUL passes where the column takes it, a surrogate half nowhere', () => {
    const takesNul = (_: unknown, { name }: { name: string }) =>
      name === 'note';
    const decoded = decodeRows(
      payload(row({ after: '{"id":1,"note":"a\\u0000"}' })),
      { takesNul },
    );
    expect(decoded.tables[0]!.mutations[0]!.after).toBe(
      '{"id":1,"note":"a\\u0000"}',
    );
    const half = payload(row({ after: '{"id":1,"note":"\\ud800\\u0000"}' }));
    expect(refusal(half, { takesNul }).code).toBe('E1027');
    const key = payload(row({ key: '["\\u0000"]', after: '{"id":"\\u0000"}' }));
    expect(refusal(key, { takesNul }).code).toBe('E1003');
    expect(decode(key, { takesNul: () => true }).kind).toBe('rows');
  });

  test('NUL in a generated or ignored column harms nobody', () => {
    const after = '{"id":1,"total":"\\u0000","x":"\\u0000"}';
    expect(
      decodeRows(payload(row({ after })), { onUnknown: 'ignore' }).tables[0]!
        .mutations[0]!.after,
    ).toBe('{"id":1,"total":"\\u0000"}');
  });

  test('the fields of the envelope', () => {
    const text = `{"p\\u0061yload":[${row()
      .replace('"after"', '"\\u0061fter"')
      .replace('"topic"', '"t\\u006fpic"')
      .replace('"orders"', '"\\u006frders"')}],"\\u006c\\u0065ngth":1}`;
    expect(decode(text)).toEqual(decode(payload(row())));
  });
});
