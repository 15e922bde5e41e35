import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseLsn,
  printLsn,
} from '../../../../src/source/logical/server/lsn.ts';

describe('log sequence numbers', () => {
  it('are read and written as PostgreSQL writes them', () => {
    expect(parseLsn('16/B374D848')).toBe(0x16b374d848n);
    expect(printLsn(0x16b374d848n)).toBe('16/B374D848');
    expect(printLsn(parseLsn('0/0'))).toBe('0/0');
    expect(parseLsn('1/00000001')).toBe(0x1_00_00_00_01n);
    expect(parseLsn('ffffffff/ffffffff')).toBe(0xff_ff_ff_ff_ff_ff_ff_ffn);
  });

  it('come back unchanged from their text', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2n ** 64n - 1n),
        (lsn) => parseLsn(printLsn(lsn)) === lsn,
      ),
    );
  });

  it('are refused where a text is none', () => {
    for (const text of ['', '0', '0/', '/0', '0/123456789', '0x1/2', ' 0/0']) {
      expect(() => parseLsn(text)).toThrow(RangeError);
    }
  });
});
