import { expect, test } from 'vitest';
import { runWithGc } from '../support/gc-process.ts';

test('a detached text is the same text and does not keep the one it was cut from', () => {
  const module = new URL('../../src/lib/detached-text.ts', import.meta.url)
    .href;
  const program = `
    const { detachedText } = await import(${JSON.stringify(module)});
    const kept = [];
    for (let round = 0; round < 100; round += 1) {
      const body = Buffer.alloc(1_000_000, 97 + (round % 26)).latin1Slice();
      kept.push(detachedText(body.slice(500_000, 500_040)));
    }
    globalThis.gc();
    const heapMiB = process.memoryUsage().heapUsed / 2 ** 20;
    console.log(JSON.stringify({ heapMiB, first: kept[0], last: kept[99] }));
  `;
  const { heapMiB, first, last } = runWithGc<{
    heapMiB: number;
    first: string;
    last: string;
  }>(program);
  expect(first).toBe('a'.repeat(40));
  expect(last).toBe('v'.repeat(40));
  // The hundred bodies are 95 MiB.
  expect(heapMiB).toBeLessThan(50);
});
