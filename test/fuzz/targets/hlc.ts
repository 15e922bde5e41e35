/**
 * Timestamps, against a second reader that knows numbers. The input is two of
 * them, a line each: what they are alone, and which is the later one.
 */
import assert from 'node:assert/strict';
import {
  laterTimestamp,
  maxTimestamp,
  nextTimestamp,
  parseTimestamp,
  parseTimestampAt,
  previousTimestamp,
  printTimestamp,
  timeBucket,
  type Timestamp,
  zeroTimestamp,
} from '../../../src/mutation/timestamp.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

export const target: FuzzTarget = {
  name: 'hlc',
  covers: ['/src/mutation/timestamp.ts'],
  dictionary: [
    '\n',
    '.',
    '0000000000',
    '2147483647',
    '2147483648',
    '9223372036854775807',
    '9223372036854775808',
    '1795231345663348457',
    '+',
    '-',
    ' ',
    '\xb2',
  ],
  check(input) {
    const [first = '', second = ''] = input.toString('utf8').split('\n');
    const one = checkOne(first);
    const other = checkOne(second);
    if (one === null || other === null) {
      return `${one === null ? 'no' : 'yes'} ${other === null ? 'no' : 'yes'}`;
    }
    const order = compare(ticks(one), ticks(other));
    assert.equal(one < other ? -1 : one > other ? 1 : 0, order);
    assert.equal(laterTimestamp(one, other), order < 0 ? other : one);
    return `order ${order} ${timeBucket(one) === timeBucket(other)}`;
  },
};

function checkOne(text: string): Timestamp | null {
  const time = parseTimestamp(text);
  const expected = modelTicks(text);
  assert.equal(time === null ? null : ticks(time), expected);
  assert.equal(parseTimestampAt(`9${text}9`, 1, text.length + 1), time);
  if (time === null) {
    return null;
  }
  assert.match(time, /^\d{19}\.\d{10}$/);
  assert.equal(parseTimestamp(printTimestamp(time)), time);
  assert.equal(parseTimestamp(time), time);
  if (time !== maxTimestamp) {
    const next = nextTimestamp(time);
    assert.ok(next > time);
    assert.equal(previousTimestamp(next), time);
  }
  if (time !== zeroTimestamp) {
    const previous = previousTimestamp(time);
    assert.ok(previous < time);
    assert.equal(nextTimestamp(previous), time);
  }
  return time;
}

const logicalCount = 2n ** 31n;

function ticks(time: Timestamp): bigint {
  return BigInt(time.slice(0, 19)) * logicalCount + BigInt(time.slice(20));
}

/** The grammar once more, letter by letter; null where the text is not of it. */
function modelTicks(text: string): bigint | null {
  const parts = text.split('.');
  const [nanos = '', logical = ''] = parts;
  const areDigits = [nanos, logical].every(
    (part) => part !== '' && part.replaceAll(/[0-9]/g, '') === '',
  );
  if (
    parts.length !== 2 ||
    !areDigits ||
    nanos.length > 19 ||
    logical.length > 10 ||
    (logical.length < 10 && BigInt(logical) !== 0n) ||
    BigInt(nanos) >= 2n ** 63n ||
    BigInt(logical) >= logicalCount
  ) {
    return null;
  }
  return BigInt(nanos) * logicalCount + BigInt(logical);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
