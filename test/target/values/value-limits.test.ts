import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decimalCheck,
  floatCheck,
  integerCheck,
  significantDigitsCheck,
  textCheck,
} from '../../../src/target/values/value-limits.ts';
import { expectClampToFit, verdict, verdicts } from '../value-verdicts.ts';

describe('integers', () => {
  const int4 = integerCheck(-2147483648n, 2147483647n);

  test('fit to the last digit of the range', () => {
    expect(
      verdicts(int4, [
        '0',
        '-0',
        '2147483647',
        '2147483648',
        '-2147483648',
        '-2147483649',
        '99999999999999999999',
        '0000000000000000001',
      ]),
    ).toEqual({
      '0': 'fits',
      '-0': 'fits',
      '2147483647': 'fits',
      '2147483648': '2147483647',
      '-2147483648': 'fits',
      '-2147483649': '-2147483648',
      '99999999999999999999': '2147483647',
      '0000000000000000001': 'fits',
    });
  });

  test('may be written as decimals, but have no fraction', () => {
    expect(
      verdicts(int4, [
        '1.0',
        '1e3',
        '1.5',
        '-2.5',
        '0.4',
        '1e-400',
        '1e999999999',
      ]),
    ).toEqual({
      '1.0': 'fits',
      '1e3': 'fits',
      '1.5': '2',
      '-2.5': '-3',
      '0.4': '0',
      '1e-400': '0',
      '1e999999999': '2147483647',
    });
  });

  test('are neither words nor nothing', () => {
    for (const text of ['', '-', 'NaN', 'true', '1e', '1.2.3', '0x10', '1 ']) {
      expect([text, int4(text)?.message, int4(text)?.clamped]).toEqual([
        text,
        'is not a whole number',
        null,
      ]);
    }
  });

  test('of any range are judged as numbers are', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
        fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
        fc.bigInt({ min: -(2n ** 71n), max: 2n ** 71n }),
        (a, b, value) => {
          const [min, max] = a < b ? [a, b] : [b, a];
          const expected =
            value < min ? String(min) : value > max ? String(max) : 'fits';
          expect(verdict(integerCheck(min, max), String(value))).toBe(expected);
        },
      ),
    );
  });
});

describe('decimals', () => {
  test('fit within precision and scale', () => {
    expect(
      verdicts(decimalCheck(5, 2), [
        '123.45',
        '-999.99',
        '1000',
        '0.001',
        '0.005',
        '-0.005',
        '999.995',
        '1.5000000',
        '1e2',
        '1e3',
        '1e-2',
        '1e-400000',
        '.5',
        '-1e999999999999999999999',
      ]),
    ).toEqual({
      '123.45': 'fits',
      '-999.99': 'fits',
      '1000': '999.99',
      '0.001': '0',
      '0.005': '0.01',
      '-0.005': '-0.01',
      '999.995': '999.99',
      '1.5000000': 'fits',
      '1e2': 'fits',
      '1e3': '999.99',
      '1e-2': 'fits',
      '1e-400000': '0',
      '.5': 'fits',
      '-1e999999999999999999999': '-999.99',
    });
  });

  test('take scales below zero and above the precision', () => {
    expect(
      verdicts(decimalCheck(3, -2), ['100', '99900', '150', '99960', '0']),
    ).toEqual({
      '100': 'fits',
      '99900': 'fits',
      '150': '200',
      '99960': '99900',
      '0': 'fits',
    });
    expect(verdicts(decimalCheck(2, 4), ['0.0099', '0.01', '0.00005'])).toEqual(
      {
        '0.0099': 'fits',
        '0.01': '0.0099',
        '0.00005': '0.0001',
      },
    );
    expect(verdict(decimalCheck(4, 4), '0.1234')).toBe('fits');
  });

  test('that are not finite are refused where the type has none', () => {
    expect(verdicts(decimalCheck(5, 2), ['NaN', 'Infinity', ''])).toEqual({
      NaN: null,
      Infinity: null,
      '': null,
    });
    const numeric = decimalCheck(5, 2, { allowsNaN: true });
    expect(verdicts(numeric, ['NaN', 'Infinity'])).toEqual({
      NaN: 'fits',
      Infinity: null,
    });
  });

  test('of any precision are judged as whole multiples of their last digit', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: -3, max: 8 }),
        (units, fractionDigits, precision, scale) => {
          const text = decimalText(units, fractionDigits);
          const check = decimalCheck(precision, scale);
          const wide = 20n;
          const scaled = units * 10n ** (wide - BigInt(fractionDigits));
          const step = 10n ** (wide - BigInt(scale));
          const fits =
            scaled % step === 0n &&
            abs(scaled / step) < 10n ** BigInt(precision);
          expect([text, check(text) === null]).toEqual([text, fits]);
          expectClampToFit(check, text);
        },
      ),
    );
  });

  test('of so many significant digits may stand anywhere', () => {
    expect(
      verdicts(significantDigitsCheck(5, 10), [
        '12345',
        '123456',
        '1234500000',
        '12345000000',
        '0.00012345',
        '0.000123456',
        '1e-30',
      ]),
    ).toEqual({
      '12345': 'fits',
      '123456': '123460',
      '1234500000': 'fits',
      '12345000000': '9999900000',
      '0.00012345': 'fits',
      '0.000123456': '0.00012346',
      '1e-30': '0',
    });
  });
});

describe('floats', () => {
  test('of 64 bits fit as the text that they are printed as', () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        (value) => {
          const check = floatCheck(64);
          expect(verdict(check, String(value))).toBe('fits');
          expect(verdict(check, value.toPrecision(17))).toBe('fits');
        },
      ),
    );
  });

  test('of 32 bits fit as their own text and as that of the wider float', () => {
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        (value) => {
          const check = floatCheck(32);
          expect(verdict(check, String(value))).toBe('fits');
          expect(verdict(check, value.toPrecision(9))).toBe('fits');
        },
      ),
    );
  });

  test('half way between two floats fit as a server prints them, and as others do', () => {
    expect(
      verdicts(floatCheck(32), ['18859421e1', '188594200', '188594208']),
    ).toEqual({ '18859421e1': 'fits', 188594200: 'fits', 188594208: 'fits' });
  });

  test('that would be rounded or overflow do not fit', () => {
    expect(
      verdicts(floatCheck(64), [
        '0.1',
        '12345678901234567890',
        '0.12345678901234567890',
        '1e400',
        '-1e400',
        '1e-400',
        'NaN',
        '-Infinity',
        'ten',
      ]),
    ).toEqual({
      '0.1': 'fits',
      '12345678901234567890': '12345678901234567000',
      '0.12345678901234567890': '0.12345678901234568',
      '1e400': '1.7976931348623157e+308',
      '-1e400': '-1.7976931348623157e+308',
      '1e-400': '0',
      NaN: null,
      '-Infinity': null,
      ten: null,
    });
    expect(
      verdicts(floatCheck(32, { allowsSpecial: true }), [
        '16777216',
        '16777217',
        '3.1415927',
        '3.14159265',
        '0.10000000149011612',
        '3.5e38',
        'NaN',
        'Infinity',
        '-inf',
        'ten',
      ]),
    ).toEqual({
      '16777216': 'fits',
      '16777217': '16777216',
      '3.1415927': 'fits',
      '3.14159265': '3.1415927',
      '0.10000000149011612': 'fits',
      '3.5e38': '3.4028235e+38',
      NaN: 'fits',
      Infinity: 'fits',
      '-inf': 'fits',
      ten: null,
    });
  });

  test('are clamped to what fits', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        expectClampToFit(floatCheck(32), String(value));
      }),
    );
  });
});

describe('texts', () => {
  test('are counted in the unit of the column', () => {
    const text = 'aé€😀';
    expect(verdict(textCheck({ maxLength: 4, unit: 'characters' }), text)).toBe(
      'fits',
    );
    expect(verdict(textCheck({ maxLength: 5, unit: 'utf16' }), text)).toBe(
      'fits',
    );
    expect(verdict(textCheck({ maxLength: 10, unit: 'bytes' }), text)).toBe(
      'fits',
    );
    expect(verdict(textCheck({ maxLength: 3, unit: 'characters' }), text)).toBe(
      'aé€',
    );
    expect(verdict(textCheck({ maxLength: 4, unit: 'utf16' }), text)).toBe(
      'aé€',
    );
    expect(verdict(textCheck({ maxLength: 9, unit: 'bytes' }), text)).toBe(
      'aé€',
    );
    expect(verdict(textCheck({ maxLength: null, unit: 'bytes' }), text)).toBe(
      'fits',
    );
  });

  test('lose U+0000 where the column refuses it', () => {
    const check = textCheck({
      maxLength: 2,
      unit: 'characters',
      refusesNul: true,
    });
    expect(verdict(check, 'a\0b')).toBe('ab');
    expect(check('a\0b')?.message).toBe('holds the character U+0000');
    expect(
      verdict(textCheck({ maxLength: 2, unit: 'characters' }), 'a\0'),
    ).toBe('fits');
  });

  test('are cut at a character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.nat(20),
        fc.constantFrom(
          'characters' as const,
          'utf16' as const,
          'bytes' as const,
        ),
        (text, maxLength, unit) => {
          const check = textCheck({ maxLength, unit });
          const cut = check(text)?.clamped ?? text;
          expect(text.startsWith(cut)).toBe(true);
          expect(cut.isWellFormed()).toBe(true);
          expectClampToFit(check, text);
          const length = {
            characters: Array.from(text).length,
            utf16: text.length,
            bytes: Buffer.byteLength(text),
          }[unit];
          expect(check(text) === null).toBe(length <= maxLength);
        },
      ),
    );
  });
});

function decimalText(units: bigint, fractionDigits: number): string {
  const digits = String(abs(units)).padStart(fractionDigits + 1, '0');
  const wholeEnd = digits.length - fractionDigits;
  const fraction = digits.slice(wholeEnd);
  return `${units < 0n ? '-' : ''}${digits.slice(0, wholeEnd)}${fraction && `.${fraction}`}`;
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}
