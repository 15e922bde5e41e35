import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WriteTurns } from '../../../../src/target/mysql/session/write-turns.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('four write at once, the others in the order in which they came, or after a while', async () => {
  const turns = new WriteTurns();
  const begun: number[] = [];
  const held = Array.from({ length: 7 }, async (_, writer) => {
    const turn = await turns.take();
    begun.push(writer);
    return turn;
  });
  await vi.advanceTimersByTimeAsync(0);
  expect(begun).toEqual([0, 1, 2, 3]);
  (await held[2]!)[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(0);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  await vi.advanceTimersByTimeAsync(100);
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6]);
  for (const turn of held) {
    (await turn)[Symbol.dispose]();
  }
  await turns.take();
  expect(vi.getTimerCount()).toBe(0);
});
