/** Does a value fit its column in Oracle without being changed in silence? */
import {
  type ValueCheck,
  decimalCheck,
  floatCheck,
  significantDigitsCheck,
  textCheck,
  timestampCheck,
} from '../../values/value-limits.ts';
import { UnstorableValue } from '../../value-policy.ts';
import type { CharacterSet, OracleCodec, TextCodec } from '../values/codec.ts';
import { daySecondText, yearMonthText } from '../values/intervals.ts';

export type { ValueCheck } from '../../values/value-limits.ts';

/** NUMBER: 1E-130 to 9.99…E125; symmetrical here, which is a little less. */
const maxNumberPoint = 125;
const hexText = /^\\x(?:[0-9a-f]{2})*$/i;
const uuidText = /^[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i;
const booleanWords = /^(?:true|false)$/;

const always: ValueCheck = () => null;

export function columnCheck(codec: OracleCodec): ValueCheck {
  switch (codec.kind) {
    case 'decimal':
      return decimalCheck(codec.precision, codec.scale);
    case 'number':
      return significantDigitsCheck(codec.digitCount, maxNumberPoint);
    case 'float':
      return floatCheck(codec.bits, { allowsSpecial: true });
    case 'boolean':
      return (text) =>
        booleanWords.test(text) ? null : new UnstorableValue('is no boolean');
    case 'text':
      return textChecks(codec);
    case 'clob':
      return codec.isNational ? always : characterCheck(codec.characterSet);
    case 'json':
      return codec.carrier === 'clob' || codec.carrier === 'text'
        ? characterCheck(codec.characterSet)
        : always;
    case 'xml':
      return characterCheck(codec.characterSet);
    case 'blob':
      return (text) =>
        hexText.test(text)
          ? null
          : new UnstorableValue(String.raw`is not of the form \x00ff`);
    case 'date':
      return instantCheck(0, false);
    case 'timestamp':
      return instantCheck(codec.fractionDigits, codec.hasZone);
    case 'year-month':
      return refusalOf((text) => yearMonthText(text, codec.yearDigits));
    case 'day-second':
      return refusalOf((text) => daySecondText(text, codec));
    case 'raw':
      return rawCheck(codec.maxBytes);
    case 'unsupported':
      return () =>
        new UnstorableValue(
          `is for a column of the type ${codec.typeName}, which is not supported`,
        );
  }
}

function textChecks(codec: TextCodec): ValueCheck {
  const length = textCheck({ maxLength: codec.maxLength, unit: codec.unit });
  const bytes = codec.isNational
    ? always
    : textCheck({ maxLength: codec.maxBytes, unit: 'bytes' });
  const characters = codec.isNational
    ? always
    : characterCheck(codec.characterSet);
  return (text) => length(text) ?? bytes(text) ?? characters(text);
}

/** Characters that the set lacks are replaced by the server without a word. */
function characterCheck(characterSet: CharacterSet): ValueCheck {
  if (characterSet === 'unicode') {
    return always;
  }
  const foreign =
    characterSet === 'latin1' ? /[^\0-\x7f\xa0-\xff]/ : /[^\0-\x7f]/;
  return (text) =>
    foreign.test(text)
      ? new UnstorableValue(
          'has characters that the character set of the database may not have',
        )
      : null;
}

/**
 * Years before 1 are refused: Oracle's calendar is the Julian one before
 * 1582-10-15, and the ten days before that do not exist in it (it would take
 * the day after them).
 */
function instantCheck(fractionDigits: number, hasZone: boolean): ValueCheck {
  const check = timestampCheck({
    min: '0001-01-01 00:00:00',
    max: `9999-12-31 23:59:59${fractionDigits > 0 ? `.${'9'.repeat(fractionDigits)}` : ''}`,
    fractionDigits,
    zone: hasZone ? 'kept' : 'utc',
  });
  return (text) => check(text) ?? calendarRefusal(text, hasZone);
}

function calendarRefusal(
  text: string,
  hasZone: boolean,
): UnstorableValue | null {
  if (/^1582-10-(?:0[5-9]|1[0-4])/.test(text)) {
    return new UnstorableValue(
      'is one of the ten days that the Gregorian calendar left out in 1582, and so does Oracle',
    );
  }
  const zone = hasZone ? /([+-])(\d\d):?(\d\d)?(:?\d\d)?$/.exec(text) : null;
  // Behind a date alone it is the day.
  if (!zone || text.length === 10) {
    return null;
  }
  const minutes = Number(zone[2]) * 60 + Number(zone[3] ?? 0);
  const limit = (zone[1] === '-' ? 12 : 14) * 60;
  return minutes > limit || zone[4] !== undefined
    ? new UnstorableValue('has a zone that Oracle does not have')
    : null;
}

function rawCheck(maxBytes: number): ValueCheck {
  return (text) => {
    if (!hexText.test(text) && !uuidText.test(text)) {
      return new UnstorableValue(
        String.raw`is neither a uuid nor of the form \x00ff`,
      );
    }
    const byteCount = text.startsWith('\\')
      ? (text.length - 2) / 2
      : text.replaceAll('-', '').length / 2;
    return byteCount > maxBytes
      ? new UnstorableValue(`is longer than ${maxBytes} bytes`)
      : null;
  };
}

function refusalOf(write: (text: string) => string): ValueCheck {
  return (text) => {
    try {
      write(text);
      return null;
    } catch (error) {
      if (error instanceof UnstorableValue) {
        return error;
      }
      throw error;
    }
  };
}

/** What JavaScript does not read as a number: null for ordinary digits. */
export function specialFloat(text: string): number | null {
  switch (text.toLowerCase().replace(/^\+/, '')) {
    case 'nan':
      return Number.NaN;
    case 'inf':
    case 'infinity':
      return Number.POSITIVE_INFINITY;
    case '-inf':
    case '-infinity':
      return Number.NEGATIVE_INFINITY;
    default:
      return null;
  }
}
