import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../src/lib/duration.ts';

test.each([
  ['1m30s', 90_000],
  ['250ms', 250],
  ['24h', 86_400_000],
  ['1.5h', 5_400_000],
  ['2h45m30.5s', 9_930_500],
  ['.5s', 500],
  ['1ns', 1e-6],
  ['3us', 0.003],
  ['3µs', 0.003],
  ['3μs', 0.003],
  ['-1s', -1000],
  ['+1s', 1000],
  ['0', 0],
  ['0s', 0],
])('%s is read as Go reads it', (text, durationMs) => {
  expect(parseDuration(text)).toBe(durationMs);
});

test.each([
  '',
  '1',
  's',
  '1 s',
  '1d',
  '1s2',
  '--1s',
  '1s-2s',
  '1,5s',
  's1',
  '.s',
])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeNull();
});

test.each([
  [90_000, '1m30s'],
  [86_400_000, '24h'],
  [25, '25ms'],
  [0, '0s'],
  [-1000, '-1s'],
  [1500, '1s500ms'],
  [0.003, '3us'],
])('%d ms is printed as %s', (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});

test('every printed duration of whole microseconds is read back as itself', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 45), max: 2 ** 45 }), (timeUs) => {
      const durationMs = timeUs / 1000;
      const read = parseDuration(formatDuration(durationMs));
      expect(Math.round(read! * 1000)).toBe(timeUs === 0 ? 0 : timeUs);
    }),
  );
});
