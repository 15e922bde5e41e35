import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import { byVersion } from '../../src/mutation/row-version.ts';
import {
  laterTimestamp,
  type Timestamp,
  timestampFromMs,
  zeroTimestamp,
} from '../../src/mutation/timestamp.ts';
import { VersionGuard } from '../../src/sequencer/version-guard.ts';
import { encodeEntries } from '../../src/staging/batch-codec.ts';
import { tablesAsStaged } from '../../src/staging/placed-rows.ts';
import { schema } from '../contract/staging-place.ts';

function version(key: number, timeMs: number): Mutation {
  return {
    key: `[${key}]` as JsonText,
    time: timestampFromMs(timeMs),
    after: `{"id":${key},"v":${timeMs}}` as JsonText,
    before: null,
  };
}

const versions = fc.array(
  fc.record({
    key: fc.integer({ min: 0, max: 4 }),
    timeMs: fc.integer({ min: 0, max: 5_000 }),
  }),
  { maxLength: 60 },
);

test('whatever is delivered again and in whatever order, a row never goes back to an older version', () => {
  fc.assert(
    fc.property(
      versions,
      fc.integer({ min: 0, max: 5_000 }),
      (deliveries, resolvedMs) => {
        const guard = new VersionGuard(1_000);
        const target = new Map<string, Timestamp>();
        let watermark = zeroTimestamp;
        deliveries.forEach(({ key, timeMs }, index) => {
          if (index === Math.floor(deliveries.length / 2)) {
            watermark = timestampFromMs(resolvedMs);
            guard.forgetThrough(watermark);
          }
          const fresh = guard.fresh('t', [version(key, timeMs)], watermark);
          for (const mutation of fresh) {
            const before = target.get(mutation.key);
            // What lies at or below the watermark may be forgotten: nothing
            // older than the watermark passes any more.
            expect(before === undefined || before < mutation.time).toBe(true);
            target.set(mutation.key, mutation.time);
          }
          guard.note([{ table: 't', mutations: fresh }]);
        });
      },
    ),
  );
});

test('of rows left encoded it knows and tells the same', () => {
  const step = fc.record({
    kind: fc.constantFrom('apply' as const, 'apply', 'loseAnswer', 'resolve'),
    rows: fc.array(
      fc.record({
        key: fc.integer({ min: 0, max: 9 }),
        timeMs: fc.integer({ min: 0, max: 5_000 }),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [plain, other] = [new VersionGuard(30), new VersionGuard(30)];
      let watermark = zeroTimestamp;
      for (const { kind, rows } of steps) {
        const mutations = rows
          .map(({ key, timeMs }) => version(key, timeMs))
          .toSorted(byVersion);
        const tables = [{ table: 't', mutations }];
        const [part] = tablesAsStaged(tables, encodeEntries(schema, tables));
        const fresh = plain.fresh('t', mutations, watermark);
        expect(other.fresh('t', mutations, watermark)).toEqual(fresh);
        const areFresh = other.areFresh('t', part!.encoded!, watermark);
        // Those whose commit got no answer may be fresh though it is not told.
        if (areFresh || !steps.some((each) => each.kind === 'loseAnswer')) {
          expect(areFresh).toBe(fresh.length === mutations.length);
        }
        if (kind === 'apply') {
          plain.note(tables);
          other.note([part!]);
        } else if (kind === 'loseAnswer') {
          plain.noteUncertain(tables);
          other.noteUncertain([part!]);
        } else {
          watermark = laterTimestamp(watermark, mutations[0]!.time);
          plain.forgetThrough(watermark);
          other.forgetThrough(watermark);
        }
        expect(other.keyCount).toBe(plain.keyCount);
      }
    }),
    { numRuns: 300 },
  );
});

test('a version whose commit got no answer is tried again, and keeps older ones out', () => {
  const guard = new VersionGuard(1_000);
  const passes = (timeMs: number): boolean =>
    guard.fresh('t', [version(1, timeMs)], zeroTimestamp).length > 0;
  guard.noteUncertain([{ table: 't', mutations: [version(1, 5)] }]);
  expect([4, 5, 6].map(passes)).toEqual([false, true, true]);
  guard.note([{ table: 't', mutations: [version(1, 5)] }]);
  expect([4, 5, 6].map(passes)).toEqual([false, false, true]);
  guard.noteUncertain([{ table: 't', mutations: [version(1, 5)] }]);
  expect(passes(5)).toBe(false);
});

test('the newest version of every row passes', () => {
  fc.assert(
    fc.property(versions, (deliveries) => {
      const guard = new VersionGuard(1_000);
      const target = new Map<string, Timestamp>();
      const newest = new Map<string, Timestamp>();
      for (const { key, timeMs } of deliveries) {
        const mutation = version(key, timeMs);
        const known = newest.get(mutation.key);
        if (
          mutation.time > zeroTimestamp &&
          (known === undefined || known < mutation.time)
        ) {
          newest.set(mutation.key, mutation.time);
        }
        const fresh = guard.fresh('t', [mutation], zeroTimestamp);
        guard.note([{ table: 't', mutations: fresh }]);
        for (const { key: rowKey, time } of fresh) {
          target.set(rowKey, time);
        }
      }
      expect(target).toEqual(newest);
    }),
  );
});

test('a resolved timestamp empties the guard of what it covers', () => {
  const guard = new VersionGuard(1_000);
  guard.note([
    {
      table: 't',
      mutations: [version(1, 1_000), version(2, 2_500), version(1, 2_000)],
    },
  ]);
  guard.forgetThrough(timestampFromMs(2_000));
  expect(guard.keyCount).toBe(1);
  expect(guard.knowsLater('t', version(2, 2_000))).toBe(true);
  expect(guard.knowsLater('t', version(1, 1_000))).toBe(false);
});

test('a version that did not reach the target is forgotten, and a later one of its row is not', () => {
  const guard = new VersionGuard(1_000);
  const [first, second, third] = [1_000, 2_000, 3_000].map((timeMs) =>
    version(0, timeMs),
  );
  const passes = (mutation: Mutation): boolean =>
    guard.fresh('t', [mutation], zeroTimestamp).length > 0;
  guard.note([{ table: 't', mutations: [first!, second!] }]);
  guard.forget('t', first!);
  expect([first!, third!].map(passes)).toEqual([false, true]);
  guard.forget('t', second!);
  expect([first!, second!].map(passes)).toEqual([true, true]);
  expect(guard.keyCount).toBe(0);
});

test('a full guard forgets the oldest rows', () => {
  const guard = new VersionGuard(10);
  for (let key = 0; key < 20; key += 1) {
    guard.note([
      { table: 't', mutations: [version(key, 1_000 + key * 1_000)] },
    ]);
  }
  expect(guard.keyCount).toBeLessThanOrEqual(10);
  expect(guard.keyCount).toBeGreaterThan(5);
  expect(guard.knowsLater('t', version(0, 500))).toBe(false);
  expect(guard.knowsLater('t', version(19, 19_000))).toBe(true);
});

test('a table that is forgotten takes any version again, and others keep theirs', () => {
  const guard = new VersionGuard(10);
  guard.note([
    { table: 't', mutations: [version(1, 2_000)] },
    { table: 'u', mutations: [version(1, 2_000)] },
  ]);
  guard.forgetTable('t');
  expect(guard.keyCount).toBe(1);
  expect(guard.fresh('t', [version(1, 1_000)], zeroTimestamp)).toHaveLength(1);
  expect(guard.fresh('u', [version(1, 1_000)], zeroTimestamp)).toHaveLength(0);
});
