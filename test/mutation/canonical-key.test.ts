import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  canonicalKey,
  canonicalValue,
} from '../../src/mutation/canonical-key.ts';
import { arrayElements } from '../../src/mutation/json-text.ts';
import type { JsonText } from '../../src/mutation/mutation.ts';

const canonical = (text: string) =>
  canonicalKey(arrayElements(text as JsonText));

/** `digits × 10^exponent`, spelled with a point and an exponent somewhere. */
const spelling = (digits: string, exponent: number) =>
  fc
    .record({
      leading: fc.nat(2),
      trailing: fc.nat(3),
      point: fc.nat(60),
      letter: fc.constantFrom('e', 'E'),
      plus: fc.constantFrom('', '+'),
    })
    .map(({ leading, trailing, point, letter, plus }) => {
      const all = digits + '0'.repeat(trailing);
      const scale = exponent - trailing;
      // Move the point to the left by `point` digits.
      const padded = all.padStart(point + 1, '0');
      const whole = padded
        .slice(0, padded.length - point)
        .replace(/^0+(?=\d)/, '');
      const fraction =
        point === 0 ? '' : `.${padded.slice(padded.length - point)}`;
      const power = scale + point;
      const plain = power === 0 && leading > 0;
      return plain
        ? whole + fraction
        : `${whole}${fraction}${letter}${power >= 0 ? plus : ''}${power}`;
    });

const aNumber = fc.record({
  sign: fc.constantFrom('', '-'),
  digits: fc.bigInt({ min: 1n, max: 10n ** 50n }).map(String),
  exponent: fc.integer({ min: -60, max: 60 }),
});

describe('canonicalKey', () => {
  test('two spellings of one number are one key', () => {
    const pair = aNumber.chain(({ sign, digits, exponent }) =>
      fc
        .tuple(spelling(digits, exponent), spelling(digits, exponent))
        .map(([one, other]) => [sign + one, sign + other] as const),
    );
    fc.assert(
      fc.property(pair, ([one, other]) => {
        expect(canonical(`[${one}]`)).toBe(canonical(`[${other}]`));
      }),
      { numRuns: 3000 },
    );
  });

  test('two different numbers are two keys', () => {
    const exact = ({
      sign,
      digits,
      exponent,
    }: {
      sign: string;
      digits: string;
      exponent: number;
    }) => BigInt(`${sign}${digits}`) * 10n ** BigInt(exponent + 60);
    const near = aNumber.chain((number) =>
      fc.tuple(
        fc.constant(number),
        fc.oneof(
          aNumber,
          fc.constant({ ...number, exponent: number.exponent + 1 }),
          fc.constant({
            ...number,
            digits: String(BigInt(number.digits) + 1n),
          }),
          fc.constant({ ...number, sign: number.sign === '' ? '-' : '' }),
        ),
      ),
    );
    fc.assert(
      fc.property(near, ([a, b]) => {
        fc.pre(exact(a) !== exact(b));
        const print = ({ sign, digits, exponent }: typeof a) =>
          canonical(`[${sign}${digits}e${exponent}]`);
        expect(print(a)).not.toBe(print(b));
      }),
    );
  });

  test('an exponent of a million digits is not worked out', () => {
    const digits = '9'.repeat(4_000_000);
    const userMs = Array.from({ length: 3 }, () => {
      const before = process.cpuUsage();
      expect(canonical(`[1.50E+${digits}]`)).toBe(`[1.50e${digits}]`);
      return process.cpuUsage(before).user / 1_000;
    });
    // It took two seconds. Other threads' work is counted too.
    expect(Math.min(...userMs)).toBeLessThan(500);
  });

  test('the canonical key of a canonical key is itself, and means the same', () => {
    fc.assert(
      fc.property(
        fc.array(fc.json({ maxDepth: 2 }), { minLength: 1 }),
        (elements) => {
          const key = canonical(`[ ${elements.join(' , ')} ]`);
          expect(canonical(key)).toBe(key);
          const positive = (text: string) =>
            JSON.parse(text.replaceAll(/-0(?![\d.])/g, '0')) as unknown;
          expect(positive(key)).toEqual(positive(`[${elements.join(',')}]`));
        },
      ),
    );
  });

  test('blanks and escapes do not make another key', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (strings) => {
        const escaped = strings.map(
          (text) =>
            `"${Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0').toUpperCase()}`).join('')}"`,
        );
        expect(canonical(`[ ${escaped.join('\t,\n')}]`)).toBe(
          canonical(JSON.stringify(strings)),
        );
      }),
    );
  });

  test.each([
    ['[1]', '[1]'],
    ['[ 1, "a" ]', '[1,"a"]'],
    ['[1.0]', '[1]'],
    ['[1.00]', '[1]'],
    ['[1e0]', '[1]'],
    ['[-0]', '[0]'],
    ['[-0.00E+7]', '[0]'],
    ['[0.10]', '[0.1]'],
    ['[12.500e1]', '[125]'],
    ['[-9223372036854775808]', '[-9223372036854775808]'],
    ['[9223372036854775807.0]', '[9223372036854775807]'],
    ['[1e400]', '[1e400]'],
    [`[1${'0'.repeat(400)}]`, '[1e400]'],
    ['[1e99999999999999999999]', '[1e99999999999999999999]'],
    ['["\\u0041\\/"]', '["A/"]'],
    ['["1.0"]', '["1.0"]'],
    ['["\\ud800"]', '["\\ud800"]'],
    ['[true, null]', '[true,null]'],
    ['[ { "b" : 1.0, "a" : [ 2 ] } ]', '[{"b":1,"a":[2]}]'],
  ])('%s is written %s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test('a value may stand between blanks', () => {
    expect(canonicalValue(' "a" ' as JsonText)).toBe('"a"');
    expect(canonicalValue(' 1.0 ' as JsonText)).toBe('1');
  });

  test('a decimal of a thousand digits keeps them all', () => {
    const digits = `${'123456789'.repeat(111)}1`;
    expect(canonical(`[${digits}]`)).toBe(`[${digits}]`);
    expect(canonical(`[0.${digits}]`)).toBe(`[${digits}e-1000]`);
  });
});
