import fc from 'fast-check';
import { expect, test } from 'vitest';
import { USUAL_SHAPE } from '../../bench/load-shape.ts';
import { BodyWriter } from '../../bench/request-body.ts';
import { FIRST_ID, requestBody } from '../../bench/rows.ts';

const clock = (): (() => string) => {
  let count = 0;
  return () => {
    count += 1;
    return `${1_700_000_000_000_000_000n + BigInt(count)}.0000000000`;
  };
};

test('the bytes of a body are its text, however its numbers grow', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.nat(500_000_000),
          // Where an amount or an account is about to have another digit.
          fc.constantFrom(950, 9_999, 99_901, 999_950, 428_571_400),
        ),
        { minLength: 1, maxLength: 3 },
      ),
      fc.constantFrom(1, 10, 100),
      fc.constantFrom(1, 7),
      fc.boolean(),
      fc.constantFrom(null, null, 200),
      (offsets, requestRows, tables, isHot, rowBytes) => {
        const shape = { ...USUAL_SHAPE, requestRows, tables, isHot, rowBytes };
        const [one, other] = [clock(), clock()];
        const writer = new BodyWriter(shape);
        for (const offset of offsets) {
          const firstId = FIRST_ID + offset;
          expect(writer.body(firstId, one).toString('latin1')).toBe(
            requestBody(firstId, other, shape),
          );
        }
      },
    ),
    { numRuns: 300 },
  );
});
