import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatByteSize, parseByteSize } from '../../src/lib/byte-size.ts';

test.each([
  ['4096', 4096],
  ['10GiB', 10_737_418_240],
  ['64MiB', 67_108_864],
  ['100MB', 100_000_000],
  ['1.5kib', 1536],
  ['7 b', 7],
  ['0', 0],
])('%s is read as %d bytes', (text, sizeBytes) => {
  expect(parseByteSize(text)).toBe(sizeBytes);
});

test.each(['', 'MiB', '-1', '1e6', '1 0', '10Gi', '9007199254740993', '1PiB'])(
  '%j is no size',
  (text) => {
    expect(parseByteSize(text)).toBeNull();
  },
);

test('every printed size is read back as itself', () => {
  fc.assert(
    fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (sizeBytes) => {
      expect(parseByteSize(formatByteSize(sizeBytes))).toBe(sizeBytes);
    }),
  );
});
