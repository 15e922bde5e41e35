import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import {
  nextTimestamp,
  type Timestamp,
  timestampFromMs,
  zeroTimestamp,
} from '../../src/mutation/timestamp.ts';
import { RedeliveryFilter } from '../../src/pipeline/redelivery.ts';

function mutation(timeMs: number): Mutation {
  return {
    time: timestampFromMs(timeMs),
    key: '[1]' as JsonText,
    after: '{}' as JsonText,
    before: null,
  };
}

function at(timeMs: number): { resolved: Timestamp; applied: Timestamp } {
  return {
    resolved: timestampFromMs(timeMs),
    applied: timestampFromMs(timeMs),
  };
}

test('rows of a known table at or below the watermark are dropped, all others kept as they are', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 })),
      fc.integer({ min: 1, max: 20 }),
      (times, appliedMs) => {
        const filter = new RedeliveryFilter({ t: null });
        const mutations = times.map(mutation);
        const { fresh, freshCount, redelivered } = filter.sift(
          [{ table: 't', mutations }],
          at(appliedMs),
        );
        const wanted = mutations.filter(
          ({ time }) => time > timestampFromMs(appliedMs),
        );
        expect(fresh.flatMap((part) => part.mutations)).toEqual(wanted);
        expect(freshCount).toBe(wanted.length);
        expect(redelivered.get('t') ?? 0).toBe(times.length - wanted.length);
        expect(filter.revision).toBe(0);
      },
    ),
  );
});

test('no row of a table that has never delivered is dropped, and none stays behind the resolved timestamp', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 20 }),
      (times, resolvedMs) => {
        const filter = new RedeliveryFilter();
        const { fresh, freshCount } = filter.sift(
          [{ table: 't', mutations: times.map(mutation) }],
          { resolved: timestampFromMs(resolvedMs), applied: zeroTimestamp },
        );
        expect(freshCount).toBe(times.length);
        for (const { time } of fresh.flatMap((part) => part.mutations)) {
          expect(time > timestampFromMs(resolvedMs)).toBe(true);
        }
        expect(filter.revision).toBe(1);
      },
    ),
  );
});

test('the scan of a table goes on over a restart, and ends when the feed resolves beyond it', () => {
  const filter = new RedeliveryFilter();
  filter.sift([{ table: 't', mutations: [mutation(5)] }], at(5));
  const again = new RedeliveryFilter(JSON.parse(JSON.stringify(filter)));
  const scan = again.sift([{ table: 't', mutations: [mutation(5)] }], at(5));
  expect(scan.fresh[0]!.mutations[0]!.time).toBe(
    nextTimestamp(timestampFromMs(5)),
  );
  again.resolved(timestampFromMs(5));
  expect(
    again.sift([{ table: 't', mutations: [mutation(5)] }], at(5)).freshCount,
  ).toBe(1);
  again.resolved(timestampFromMs(6));
  expect(
    again.sift([{ table: 't', mutations: [mutation(5)] }], at(6)).freshCount,
  ).toBe(0);
});
