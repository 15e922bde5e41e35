import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  maxTimestamp,
  nextTimestamp,
  parseTimestamp,
  previousTimestamp,
  printTimestamp,
  timeBucket,
  type Timestamp,
  timestampFromMs,
  wallTimeMs,
  zeroTimestamp,
} from '../../src/mutation/timestamp.ts';

const clock = fc.record({
  nanos: fc.oneof(
    fc.bigInt({ min: 0n, max: 9223372036854775807n }),
    fc.bigInt({ min: 0n, max: 1000n }),
  ),
  logical: fc.oneof(fc.nat(2147483647), fc.nat(3)),
});
type Clock = typeof clock extends fc.Arbitrary<infer T> ? T : never;

const printed = ({ nanos, logical }: Clock) =>
  `${nanos}.${String(logical).padStart(10, '0')}`;

describe('Timestamp', () => {
  test('what the source prints comes back unchanged', () => {
    fc.assert(
      fc.property(clock, (time) => {
        expect(printTimestamp(parseTimestamp(printed(time))!)).toBe(
          printed(time),
        );
      }),
    );
  });

  test('text order is clock order', () => {
    fc.assert(
      fc.property(clock, clock, (a, b) => {
        const before =
          a.nanos < b.nanos || (a.nanos === b.nanos && a.logical < b.logical);
        expect(parseTimestamp(printed(a))! < parseTimestamp(printed(b))!).toBe(
          before,
        );
      }),
    );
  });

  test.each([
    ['1.0', '0000000000000000001.0000000000'],
    ['0.0000000000', zeroTimestamp],
    ['9223372036854775807.2147483647', maxTimestamp],
    ['0000000000000000001.0000000002', '0000000000000000001.0000000002'],
  ])('%s is read', (text, expected) => {
    expect(parseTimestamp(text)).toBe(expected);
  });

  test.each([
    '',
    '.',
    '1233',
    '.1233',
    '1233.',
    '123.123',
    '0x10.0000000000',
    '1_0.0000000000',
    '-1.0000000000',
    '+1.0000000000',
    ' 1.0',
    '1.0 ',
    '1.0000000000\n',
    '1.0.0',
    '1.00000000001',
    '1.2147483648',
    '9223372036854775808.0000000000',
    '10000000000000000000.0000000000',
    '1732000000000000000x0000000000',
    '1732000000000000000.000000000x',
    '1732000000000000000.9999999999',
    '١.0000000000',
  ])('%j is refused', (text) => {
    expect(parseTimestamp(text)).toBeNull();
  });

  test('wall time, bucket and milliseconds agree', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_000_000_000_000 }), (ms) => {
        const time = timestampFromMs(ms);
        expect(wallTimeMs(time)).toBe(ms);
        expect(Number(timeBucket(time))).toBe(Math.floor(ms / 1000));
        expect(parseTimestamp(time)).toBe(time);
      }),
    );
  });
});

test('the next instant is later, and nothing lies between', () => {
  expect(nextTimestamp('0000000000000000001.0000000000' as Timestamp)).toBe(
    '0000000000000000001.0000000001',
  );
  expect(nextTimestamp('0000000000000000001.2147483647' as Timestamp)).toBe(
    '0000000000000000002.0000000000',
  );
});

test('the instant before is the one whose next instant this is', () => {
  for (const text of [
    '0000000000000000001.0000000007',
    '0000000000000000002.0000000000',
  ]) {
    expect(nextTimestamp(previousTimestamp(text as Timestamp))).toBe(text);
  }
});
