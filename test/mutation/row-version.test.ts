import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import {
  beforeVersion,
  byVersion,
  inVersionOrder,
  scannedVersion,
  timeOfVersion,
  timesOfVersion,
  versionLengthAt,
  versionOf,
} from '../../src/mutation/row-version.ts';
import {
  nextTimestamp,
  parseTimestamp,
  type Timestamp,
} from '../../src/mutation/timestamp.ts';

const time = fc
  .tuple(
    fc.constantFrom('1', '9', '999999999', '1700000000000000000'),
    fc.constantFrom('0000000000', '0000000001', '2147483646', '2147483647'),
  )
  .map(([nanos, logical]) => parseTimestamp(`${nanos}.${logical}`)!);

function mutation(at: Timestamp, cameAt?: Timestamp): Mutation {
  const key = '[1]' as JsonText;
  return {
    time: at,
    key,
    after: null,
    before: null,
    ...(cameAt && { cameAt }),
  };
}

/** Of a scan that began when so much was resolved, or none of one. */
const row = fc.oneof(
  time.map((at) => mutation(at)),
  fc
    .tuple(time, time)
    .map(([resolved, came]) => mutation(nextTimestamp(resolved), came)),
);

test('texts of versions sort as the versions do: by time, among those of one scan by the time under which they came', () => {
  fc.assert(
    fc.property(row, row, (left, right) => {
      const [one, other] = [versionOf(left), versionOf(right)];
      const order = one < other ? -1 : one > other ? 1 : 0;
      expect(byVersion(left, right)).toBe(order);
      expect(left.time < right.time ? -1 : order).toBe(order);
      expect(inVersionOrder([left, right])).toEqual(
        order > 0 ? [right, left] : [left, right],
      );
    }),
  );
});

test('between what is resolved and the tick behind it lie the versions of a scan and nothing else', () => {
  fc.assert(
    fc.property(time, time, time, (resolved, came, other) => {
      const version = scannedVersion(resolved, came);
      expect(version > resolved).toBe(true);
      expect(version < nextTimestamp(resolved)).toBe(true);
      expect(other <= resolved || other > version).toBe(true);
    }),
  );
});

test('a version tells its times again, also from the middle of a longer text', () => {
  fc.assert(
    fc.property(row, (each) => {
      const version = versionOf(each);
      const { time: at, cameAt } = each;
      expect(timesOfVersion(version)).toEqual(
        cameAt === undefined ? { time: at } : { time: at, cameAt },
      );
      expect(timeOfVersion(version)).toBe(at);
      expect(versionLengthAt(`7${version} 2,3`, 1)).toBe(version.length);
      expect(beforeVersion(version) < version).toBe(true);
    }),
  );
});
