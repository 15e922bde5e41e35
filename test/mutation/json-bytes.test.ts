import fc from 'fast-check';
import { expect, test } from 'vitest';
import { valueEnd } from '../../src/mutation/json-bytes.ts';

/** Long enough to be searched for their end, and full of what may hide it. */
const text = fc
  .array(fc.constantFrom('a', '\\', '"', '{', ']', 'é', '😀', '\n'), {
    maxLength: 200,
  })
  .map((parts) => parts.join(''));
const value = fc.oneof(
  fc.jsonValue().map((each) => JSON.stringify(each)),
  text.map((each) => JSON.stringify(each)),
  fc.array(text).map((each) => JSON.stringify(each, undefined, 1)),
  fc.constantFrom('-1.5e+7', 'null', 'true', '""', '[]', '{}'),
);

test('a value ends where it ends, whatever stands behind it', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('', '7,', '"\\\\",'),
      value,
      fc.constantFrom('', ',', ' ,', '}', ']', '\n}', ',"'),
      value,
      (before, between, gap, behind) => {
        const bytes = Buffer.from(`${before}${between}${gap}${behind}`);
        const end = before.length + Buffer.byteLength(between);
        const limit = gap === '' ? end : bytes.length;
        expect(valueEnd(bytes, before.length, limit)).toBe(end);
      },
    ),
    { numRuns: 5_000 },
  );
});

test('nothing is read beyond the end, even of what is cut off', () => {
  fc.assert(
    fc.property(value, fc.nat(), (whole, cut) => {
      const bytes = Buffer.from(`${whole}"]}"`);
      const limit = 1 + (cut % Buffer.byteLength(whole));
      expect(valueEnd(bytes, 0, limit)).toBeLessThanOrEqual(Math.max(limit, 1));
    }),
    { numRuns: 5_000 },
  );
});
