import { expect, test } from 'vitest';
import type { Mutation } from '../../../src/mutation/mutation.ts';
import { runWithGc } from '../../support/gc-process.ts';

test('rows that wait to go ahead do not hold the requests they came in', () => {
  const module = new URL(
    '../../../src/sequencer/ahead/ahead-pending.ts',
    import.meta.url,
  ).href;
  const program = `
    const { AheadPending } = await import(${JSON.stringify(module)});
    const pending = new AheadPending();
    for (let row = 0; row < 100; row += 1) {
      const time = '1700000000000000000.000000000' + (row % 10);
      const key = '["' + String(row).padStart(36, '0') + '"]';
      const after = '{"id":' + key.slice(1, -1) + ',"v":"some text of it"}';
      const parts = [time, key, after];
      const request = Buffer.from(parts.join('') + ' '.repeat(1_000_000)).latin1Slice();
      let at = 0;
      const [ownTime, ownKey, ownAfter] = parts.map((part) => {
        at += part.length;
        return request.slice(at - part.length, at);
      });
      pending.add({
        table: 't',
        mutation: { time: ownTime, key: ownKey, after: ownAfter, before: ownAfter, cameAt: ownTime },
      });
    }
    globalThis.gc();
    const heapMiB = process.memoryUsage().heapUsed / 2 ** 20;
    const [{ mutation }] = pending.take({ maxRows: 1, maxBytes: 1_000 }, () => true);
    console.log(JSON.stringify({ heapMiB, count: pending.count, mutation }));
  `;
  const { heapMiB, count, mutation } = runWithGc<{
    heapMiB: number;
    count: number;
    mutation: Mutation;
  }>(program);
  expect(count).toBe(99);
  const id = '0'.repeat(36);
  const after = `{"id":"${id}","v":"some text of it"}`;
  const time = '1700000000000000000.0000000000';
  expect(mutation).toEqual({
    time,
    key: `["${id}"]`,
    after,
    before: after,
    cameAt: time,
  });
  // The hundred requests are 95 MiB.
  expect(heapMiB).toBeLessThan(50);
});
