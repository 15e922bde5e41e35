import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Deadlines } from '../../src/lib/deadlines.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('each ends when its time is over, with one timer for all', () => {
  const deadlines = new Deadlines(100);
  const ended: string[] = [];
  deadlines.add(() => ended.push('first'));
  vi.advanceTimersByTime(60);
  deadlines.add(() => ended.push('second'));
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(50);
  expect(ended).toEqual(['first']);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(60);
  expect(ended).toEqual(['first', 'second']);
  expect(vi.getTimerCount()).toBe(0);
});

test('one that was taken back never ends, and the ones behind it do', () => {
  const deadlines = new Deadlines(100);
  const ended: string[] = [];
  const first = deadlines.add(() => ended.push('first'));
  deadlines.add(() => {
    ended.push('second');
    deadlines.add(() => ended.push('third'));
  });
  deadlines.delete(first);
  vi.advanceTimersByTime(150);
  expect(ended).toEqual(['second']);
  vi.advanceTimersByTime(100);
  expect(ended).toEqual(['second', 'third']);
  expect(vi.getTimerCount()).toBe(0);
});
