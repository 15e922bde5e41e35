import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  parseTimestamp,
  timestampFromMs,
  wallTimeMs,
  zeroTimestamp,
} from '../../../src/mutation/timestamp.ts';
import { CommitClock } from '../../../src/source/logical/commit-clock.ts';

const epochMs = 946_684_800_000;
/** From 2000 to 2200, around today most of all. */
const commitMicros = fc.oneof(
  fc.bigInt({ min: 0n, max: 6_300_000_000_000_000n }),
  fc.bigInt({ min: 800_000_000_000_000n, max: 800_000_000_000_009n }),
);

test('times are strictly later from commit to commit, wherever the clock of the source jumps', () => {
  fc.assert(
    fc.property(fc.array(commitMicros, { maxLength: 50 }), (commits) => {
      const clock = new CommitClock(zeroTimestamp);
      let last = clock.last;
      for (const micros of commits) {
        const time = clock.next(micros);
        expect(time > last).toBe(true);
        expect(parseTimestamp(time)).toBe(time);
        expect(clock.last).toBe(time);
        last = time;
      }
    }),
  );
});

test('a commit that is later than all before has its own time, to the microsecond', () => {
  fc.assert(
    fc.property(commitMicros, (micros) => {
      const time = new CommitClock(zeroTimestamp).next(micros);
      expect(BigInt(time.slice(0, 19))).toBe(
        (micros + BigInt(epochMs) * 1_000n) * 1_000n,
      );
    }),
  );
});

test('a clock that goes on from a time in the future stays ahead of it', () => {
  const future = timestampFromMs(Date.now() + 86_400_000);
  const clock = new CommitClock(future);
  const now = BigInt(Date.now() - epochMs) * 1_000n;
  const first = clock.next(now);
  const second = clock.next(now + 1_000n);
  expect(first > future && second > first).toBe(true);
  expect(wallTimeMs(second)).toBe(wallTimeMs(future));
});
