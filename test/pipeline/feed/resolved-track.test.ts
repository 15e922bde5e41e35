import fc from 'fast-check';
import { expect, test } from 'vitest';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import {
  type Timestamp,
  timestampFromMs,
} from '../../../src/mutation/timestamp.ts';
import { ResolvedTrack } from '../../../src/pipeline/feed/resolved-track.ts';

/** How many alarms the messages raise, by a checkpoint that only goes forward. */
async function alarms(times: readonly number[]): Promise<number> {
  const track = new ResolvedTrack(null, schemaName(['shop', 'public']));
  let highest = '' as Timestamp;
  let count = 0;
  for (const [at, each] of times.entries()) {
    const time = timestampFromMs(each);
    if (time >= highest) {
      highest = time;
    } else {
      const step = { number: at + 1, time, height: highest };
      count += (await track.seesTwoFeeds(step)) ? 1 : 0;
    }
  }
  return count;
}

/** One changefeed: before each restart some messages, then from where it was. */
const restarts = fc.array(
  fc.record({
    messages: fc.integer({ min: 5, max: 20 }),
    steps: fc.integer({ min: 1, max: 3 }),
    back: fc.integer({ min: 0, max: 60 }),
  }),
  { maxLength: 60, size: 'max' },
);

test('one changefeed that starts again as often as with every fifth message raises no alarm', async () => {
  await fc.assert(
    fc.asyncProperty(restarts, async (runs) => {
      const times: number[] = [];
      let now = 1000;
      let checkpoint = 1000;
      for (const { messages, steps, back } of runs) {
        for (let sent = 0; sent < messages; sent += 1) {
          times.push((now += steps));
        }
        // A checkpoint never goes back.
        now = checkpoint = Math.max(checkpoint, now - back);
      }
      expect(await alarms(times)).toBe(0);
    }),
  );
});

test('two changefeeds that do not keep pace raise the alarm, and again as long as they go on', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 3 }),
      async (lag, ratio) => {
        const times: number[] = [];
        for (let now = 1000; now < 1400; now += 2) {
          times.push(now);
          if (now % (2 * ratio) === 0) {
            times.push(now - lag);
          }
        }
        expect(await alarms(times)).toBeGreaterThan(1);
      },
    ),
  );
});

test('two changefeeds of one pace raise no alarm while they do not step back', async () => {
  const times = Array.from({ length: 100 }, (_, at) => at >> 1);
  expect(await alarms(times)).toBe(0);
});
