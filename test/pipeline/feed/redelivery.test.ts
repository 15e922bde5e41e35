import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonText, Mutation } from '../../../src/mutation/mutation.ts';
import {
  timestampFromMs,
  zeroTimestamp,
} from '../../../src/mutation/timestamp.ts';
import { siftRows } from '../../../src/pipeline/feed/redelivery.ts';
import type { TableMark } from '../../../src/pipeline/feed/table-marks.ts';

function mutation(timeMs: number): Mutation {
  return {
    time: timestampFromMs(timeMs),
    key: '[1]' as JsonText,
    after: '{}' as JsonText,
    before: null,
  };
}

function mark(sinceMs: number, isSettled: boolean): TableMark {
  return {
    since: timestampFromMs(sinceMs),
    isSettled,
    earlier: [],
    vagueThrough: zeroTimestamp,
  };
}

test('rows of a settled table at or below the watermark are dropped, all others kept as they are', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 20 }),
      (times, appliedMs) => {
        const mutations = times.map(mutation);
        const { fresh, freshCount, redelivered } = siftRows(
          [[{ table: 't', mutations }, mark(3, true)]],
          { applied: timestampFromMs(appliedMs), resolved: zeroTimestamp },
        );
        const wanted = mutations.filter(
          ({ time }) => time > timestampFromMs(appliedMs),
        );
        expect(fresh.flatMap((part) => part.mutations)).toEqual(wanted);
        expect(freshCount).toBe(wanted.length);
        expect(redelivered.get('t') ?? 0).toBe(times.length - wanted.length);
      },
    ),
  );
});

test('no row of a table that is being scanned is dropped, and none stays behind its mark', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 20 }),
      (times, sinceMs) => {
        const { fresh, freshCount } = siftRows(
          [
            [
              { table: 't', mutations: times.map(mutation) },
              mark(sinceMs, false),
            ],
          ],
          {
            applied: timestampFromMs(sinceMs),
            resolved: timestampFromMs(sinceMs),
          },
        );
        expect(freshCount).toBe(times.length);
        for (const { time } of fresh.flatMap((part) => part.mutations)) {
          expect(time > timestampFromMs(sinceMs)).toBe(true);
        }
      },
    ),
  );
});

test('of the rows that are kept the oldest beyond what is resolved is told, and none where all have been here before', () => {
  const instant = fc.integer({ min: 1, max: 20 });
  fc.assert(
    fc.property(
      fc.array(instant, { minLength: 1 }),
      instant,
      instant,
      fc.boolean(),
      (times, appliedMs, ahead, isSettled) => {
        const resolved = timestampFromMs(appliedMs + ahead);
        const { fresh, oldestNew } = siftRows(
          [
            [
              { table: 't', mutations: times.map(mutation) },
              mark(appliedMs + ahead, isSettled),
            ],
          ],
          { applied: timestampFromMs(appliedMs), resolved },
        );
        const beyond = fresh
          .flatMap(({ mutations }) => mutations.map(({ time }) => time))
          .filter((time) => time > resolved);
        expect(oldestNew).toBe(beyond.toSorted()[0] ?? null);
      },
    ),
  );
});
