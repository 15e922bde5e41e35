import { gzipSync, zstdCompressSync } from 'node:zlib';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { InFlightBudget } from '../../../../src/source/changefeed/server/in-flight-budget.ts';
import {
  decodeUtf8,
  inflateBody as inflate,
} from '../../../../src/source/changefeed/decode/inflate.ts';

const limits = { maxInflatedBytes: 100_000 };
const body = Buffer.from('{"payload":[],"length":0} '.repeat(50));
const compressed = [
  ['gzip', gzipSync(body)],
  ['zstd', zstdCompressSync(body)],
] as const;

const inflateBody = (raw: Buffer, encoding: string | undefined) =>
  inflate(raw, encoding, limits, new InFlightBudget(Infinity).admit(1));

describe('inflateBody', () => {
  test.each([undefined, '', 'identity', ' Identity '])(
    'a body of encoding %j is taken as it is',
    async (encoding) => {
      expect(await inflateBody(body, encoding)).toBe(body);
    },
  );

  test.each(compressed)('%s is inflated', async (encoding, raw) => {
    expect(await inflateBody(raw, encoding)).toEqual(body);
    expect(await inflateBody(raw, ` ${encoding.toUpperCase()}`)).toEqual(body);
  });

  test.each(compressed)('an empty %s body is empty', async (encoding) => {
    expect(await inflateBody(Buffer.alloc(0), encoding)).toHaveLength(0);
  });

  test.each(['br', 'deflate', 'gzip, gzip', 'gzip,zstd', 'constructor', 'x'])(
    'the encoding %j is refused',
    async (encoding) => {
      await expect(inflateBody(body, encoding)).rejects.toMatchObject({
        code: 'E1007',
        httpStatus: 415,
      });
    },
  );

  test.each(compressed)(
    '%s cut short anywhere is refused',
    async (encoding, raw) => {
      for (let length = 1; length < raw.length; length += 1) {
        await expect(
          inflateBody(raw.subarray(0, length), encoding),
        ).rejects.toMatchObject({ code: 'E1021', httpStatus: 400 });
      }
    },
  );

  test.each(compressed)(
    '%s with more behind it is refused',
    async (encoding, raw) => {
      await expect(
        inflateBody(Buffer.concat([raw, Buffer.from('more')]), encoding),
      ).rejects.toMatchObject({ code: 'E1021' });
    },
  );

  test.each(compressed)('what is no %s is refused', async (encoding) => {
    await expect(inflateBody(body, encoding)).rejects.toMatchObject({
      code: 'E1021',
    });
  });

  test('a bomb is refused at the limit', async () => {
    const bomb = Buffer.alloc(50_000_000);
    for (const raw of [gzipSync(bomb), zstdCompressSync(bomb)]) {
      const encoding = raw[0] === 0x1f ? 'gzip' : 'zstd';
      await expect(inflateBody(raw, encoding)).rejects.toMatchObject({
        code: 'E1006',
        httpStatus: 413,
      });
    }
  });
});

describe('decodeUtf8', () => {
  test('any text comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(decodeUtf8(Buffer.from(text))).toBe(text);
      }),
    );
  });

  test.each([
    [0xff],
    [0xc3],
    [0xed, 0xa0, 0x80],
    [0xc0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
  ])('the bytes %j … are refused', (...bytes) => {
    expect(() => decodeUtf8(Buffer.from([0x61, ...bytes.flat()]))).toThrow(
      expect.objectContaining({ code: 'E1002', httpStatus: 400 }),
    );
  });
});
