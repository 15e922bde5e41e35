import { expect, test } from 'vitest';
import { editDistance, nearestName } from '../../src/config/nearest-name.ts';

test('a letter swapped with its neighbour is one mistake', () => {
  expect(editDistance('flsuhSize', 'flushSize')).toBe(1);
});

test.each([
  ['kitten', 'sitting', 3],
  ['', 'abc', 3],
  ['abc', '', 3],
  ['same', 'same', 0],
  ['ca', 'abc', 3],
])('%j becomes %j in %d mistakes', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
});

test('case alone is no mistake', () => {
  expect(nearestName('FLUSHSIZE', ['flushSize', 'flushPeriod'])).toBe(
    'flushSize',
  );
});

test('a name that resembles none gets no far-fetched guess', () => {
  expect(nearestName('xyzzy', ['flushSize', 'immediate'])).toBeNull();
});
