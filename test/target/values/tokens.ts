/** JSON of values that are nearly what columns hold, or just so. */
import fc from 'fast-check';
import type { JsonText } from '../../../src/mutation/mutation.ts';

const digits = (most: number): fc.Arbitrary<string> =>
  fc.stringMatching(new RegExp(`^\\d{1,${most}}$`));

const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits(21),
    fc.option(digits(5), { nil: null }),
    fc.constantFrom('', '', '', 'e3'),
  )
  .map(
    ([sign, whole, fraction, exponent]) =>
      `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${exponent}`,
  );

/** A date, a time, or both. */
const instant = fc
  .tuple(
    fc.constantFrom(
      '0000-',
      '0001-',
      '1970-',
      '1971-',
      '2024-',
      '2024/',
      '2038-',
      '9999-',
      '',
    ),
    fc.constantFrom(
      '02-29',
      '02-28',
      '02-30',
      '12-31',
      '13-01',
      '01-01',
      '01/01',
      '',
    ),
    fc.constantFrom('T', ' ', 't', ''),
    fc.constantFrom('00:00:00', '23:59:59', '24:00:00', '12:60:00', ''),
    fc.option(digits(8), { nil: null }),
    fc.constantFrom('', 'Z', '+00', '+00:00', '-00', '+02:00', ' ', ' BC'),
  )
  .map(
    ([year, day, between, time, fraction, zone]) =>
      `${year}${day}${between}${time}${fraction === null ? '' : `.${fraction}`}${zone}`,
  );

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.stringMatching(/^[ -~]{0,80}$/),
  fc.stringMatching(/^[a-z\\"\t\n\f\0é]{0,20} ?$/),
  fc.nat(300).map((length) => 'é,{}'.repeat(length)),
);

export const token = fc.oneof(
  fc.constantFrom(
    // Twice: what is plain everywhere is to be met often.
    'null',
    'null',
    'true',
    'false',
    '""',
    '""',
    '"a"',
    '"a"',
    '[1]',
    '[1,"x"]',
    '{"a": "b"}',
    String.raw`{"a": "b\\"}`,
    String.raw`"a\/b"`,
    String.raw`"\u0000"`,
    String.raw`"\ud800"`,
  ),
  number,
  fc.oneof(number, instant, text).map((value) => JSON.stringify(value)),
) as fc.Arbitrary<JsonText>;
