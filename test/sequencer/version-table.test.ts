import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  timeBucket,
  type Timestamp,
  timestampFromMs,
} from '../../src/mutation/timestamp.ts';
import { VersionTable } from '../../src/sequencer/version-table.ts';

const keys = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((id) => `[${id}]`),
  fc.constantFrom('[""]', '["é"]', '["日本"]', '["😀"]', '["😁"]', ''),
  fc.uuid().map((id) => `["${id}"]`),
);
const times = fc.integer({ min: 0, max: 5_000 });

const steps = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('note' as const),
        key: keys,
        timeMs: times,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('delete' as const), key: keys }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('forget' as const),
        timeMs: times,
        isAll: fc.boolean(),
      }),
    },
  ),
  { maxLength: 300 },
);

test('it is what a map of strings would be, whatever is noted, deleted and forgotten', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const table = new VersionTable();
      const model = new Map<string, Timestamp>();
      const seen = new Set<string>();
      for (const step of list) {
        if (step.kind === 'note') {
          const version = timestampFromMs(step.timeMs);
          const known = model.get(step.key);
          table.note(step.key, version);
          seen.add(step.key);
          if (known === undefined || known < version) {
            model.set(step.key, version);
          }
        } else if (step.kind === 'delete') {
          expect(table.delete(step.key)).toBe(model.delete(step.key));
        } else {
          const time = timestampFromMs(step.timeMs);
          const second = timeBucket(time);
          const gone = [...model].filter(
            ([, version]) =>
              timeBucket(version) === second && (step.isAll || version <= time),
          );
          for (const [key] of gone) {
            model.delete(key);
          }
          expect(table.forgetSecond(second, step.isAll ? null : time)).toBe(
            gone.length,
          );
        }
        expect(table.size).toBe(model.size);
      }
      for (const key of seen) {
        expect(table.newest(key)).toBe(model.get(key));
      }
      const seconds = new Set(table.seconds);
      for (const version of model.values()) {
        expect(seconds).toContain(timeBucket(version));
      }
    }),
    { numRuns: 300 },
  );
});

test('the newest versions of hot rows are known, and deleted ones gone, after thousands of others in a second', () => {
  const table = new VersionTable();
  const version = (step: number): Timestamp =>
    `1700000000${String(step).padStart(9, '0')}.0000000000` as Timestamp;
  table.note('[0]', version(1));
  for (let step = 2; step < 5_000; step += 1) {
    table.note(`[${1 + (step % 3)}]`, version(step));
    if (step % 700 === 0) {
      expect(table.delete('[1]')).toBe(true);
      expect(table.newest('[1]')).toBeUndefined();
    }
  }
  expect(['[0]', '[1]', '[2]', '[3]'].map((key) => table.newest(key))).toEqual([
    version(1),
    version(4_998),
    version(4_999),
    version(4_997),
  ]);
  expect(table.forgetSecond('1700000000', version(4_997))).toBe(2);
  expect(table.newest('[2]')).toBe(version(4_999));
});

test('many keys are found again, and what is emptied begins anew', () => {
  const table = new VersionTable();
  const count = 20_000;
  for (const round of [1_000, 2_000]) {
    for (let id = 0; id < count; id += 1) {
      table.note(`[${id}]`, timestampFromMs(round + (id % 3_000)));
    }
    expect(table.size).toBe(count);
    for (let id = 0; id < count; id += 97) {
      expect(table.newest(`[${id}]`)).toBe(
        timestampFromMs(round + (id % 3_000)),
      );
    }
    expect(table.newest(`[${count}]`)).toBeUndefined();
    for (const second of table.seconds) {
      table.forgetSecond(second, null);
    }
    expect([table.size, ...table.seconds]).toEqual([0]);
  }
});
