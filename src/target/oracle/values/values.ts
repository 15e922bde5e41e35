/**
 * JSON tokens to what is bound for a column of Oracle, without ever making
 * numbers of digits or Dates of times. Statements.ts converts the bound text
 * with fixed formats. A BINARY_DOUBLE alone is bound as the double that it
 * is: JavaScript reads decimal digits into the nearest one, and the driver
 * sends its bits.
 *
 * Whatever the column would change in silence is refused here.
 */
import { jsonString } from '../../../mutation/json-text.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import type { ColumnShape } from '../../target.ts';
import { parseDecimal, printDecimal } from '../../values/value-decimal.ts';
import { UnstorableValue } from '../../value-policy.ts';
import { type OracleCodec, type TextCodec, codecOf } from './codec.ts';
import { daySecondText, yearMonthText } from './intervals.ts';
import {
  type ValueCheck,
  columnCheck,
  specialFloat,
} from '../statements/checks.ts';

/**
 * `inline`: as VARCHAR2. `lob`: too long for that, by a temporary LOB, which
 * costs two round trips. The texts of the statements differ.
 */
export interface BoundValue {
  readonly value: string | number | Buffer | null;
  readonly mode: BindMode;
}
export type BindMode = 'inline' | 'lob';

/** MAX_STRING_SIZE=STANDARD: longer VARCHAR2 is bound as LONG (ORA-01461). */
const maxInlineBytes = 4000;
/** NVARCHAR2: the driver announces four times the size of what it binds. */
const maxInlineNationalBytes = maxInlineBytes / 4;
/** MAX_STRING_SIZE=EXTENDED, which a column of more than 4000 bytes proves. */
const maxExtendedBytes = 32_767;

const nullValue: BoundValue = { value: null, mode: 'inline' };

const lowerN = 0x6e;
const lowerT = 0x74;
const lowerF = 0x66;
const quote = 0x22;
const openBrace = 0x7b;
const openBracket = 0x5b;
const jsonNullObject = /^\{\s*"__crdb_json_null__"\s*:\s*true\s*\}$/;

export interface ValueWriter {
  /** Throws UnstorableValue, whose clamped text {@link bound} takes. */
  text(token: JsonText): string | null;
  bound(text: string | null): BoundValue;
}

export function valueWriter(
  column: ColumnShape,
  emptyString: 'error' | 'space',
): ValueWriter {
  const codec = codecOf(column);
  const check = columnCheck(codec);
  return {
    text: (token) => columnText({ column, codec, check, emptyString }, token),
    bound: (text) => (text === null ? nullValue : boundValue(codec, text)),
  };
}

interface Place {
  readonly column: ColumnShape;
  readonly codec: OracleCodec;
  readonly check: ValueCheck;
  readonly emptyString: 'error' | 'space';
}

function columnText(place: Place, token: JsonText): string | null {
  const { codec, check, column } = place;
  const text = decodedText(codec, token);
  if (text === null) {
    if (codec.replacesNull) {
      throw new UnstorableValue(
        'is null, which the column replaces by its default',
      );
    }
    return null;
  }
  const isEmpty =
    (text === '' && codec.kind === 'text') ||
    (text === String.raw`\x` && codec.kind === 'raw');
  if (isEmpty) {
    return emptyText(codec, column, place.emptyString);
  }
  const refusal = check(text);
  if (refusal) {
    throw refusal;
  }
  return text;
}

/** Oracle takes an empty text for null. */
function emptyText(
  codec: OracleCodec,
  { keyOrdinal, nullable }: ColumnShape,
  emptyString: 'error' | 'space',
): string | null {
  if (nullable && !codec.replacesNull) {
    return null;
  }
  // In a key, a blank is the key of another row.
  if (
    keyOrdinal === null &&
    codec.kind === 'text' &&
    emptyString === 'space' &&
    !codec.replacesNull
  ) {
    return ' ';
  }
  throw new UnstorableValue(
    'is empty, which Oracle takes for null, and the column may not be null',
    codec.kind === 'text' ? ' ' : null,
  );
}

/** Null is SQL NULL. */
function decodedText(codec: OracleCodec, token: JsonText): string | null {
  const first = token.charCodeAt(0);
  if (first === lowerN) {
    return null;
  }
  if (codec.kind === 'json') {
    return first === openBrace && jsonNullObject.test(token) ? 'null' : token;
  }
  if (first === quote) {
    const text = jsonString(token);
    if (!text.isWellFormed()) {
      throw new UnstorableValue(
        'holds half of a surrogate pair, which UTF-8 cannot express',
      );
    }
    return text;
  }
  if (first === lowerT || first === lowerF) {
    return booleanText(codec, token === 'true');
  }
  if (
    (first === openBrace || first === openBracket) &&
    !['text', 'clob', 'unsupported'].includes(codec.kind)
  ) {
    throw new UnstorableValue('is an object or an array');
  }
  return token;
}

function booleanText(codec: OracleCodec, value: boolean): string {
  if (codec.kind === 'text') {
    return booleanWord(codec, value);
  }
  if (codec.kind === 'decimal' || codec.kind === 'number') {
    return value ? '1' : '0';
  }
  if (['boolean', 'clob', 'unsupported'].includes(codec.kind)) {
    return String(value);
  }
  throw new UnstorableValue('is a boolean');
}

function booleanWord(codec: TextCodec, value: boolean): string {
  if (codec.booleans) {
    return codec.booleans[value ? 0 : 1];
  }
  if (codec.maxLength < 'false'.length) {
    throw new UnstorableValue(
      `is a boolean, and no check constraint such as in ('Y', 'N') says how the column writes one`,
    );
  }
  return String(value);
}

function boundValue(codec: OracleCodec, text: string): BoundValue {
  switch (codec.kind) {
    case 'decimal':
    case 'number':
      return inline(/e/i.test(text) ? printDecimal(parseDecimal(text)!) : text);
    case 'float':
      return { value: specialFloat(text) ?? Number(text), mode: 'inline' };
    case 'boolean':
    case 'unsupported':
      return inline(text);
    case 'text':
      return boundText(codec, text);
    case 'clob':
      return boundClob(codec, text);
    case 'blob':
      return boundBytes(hexOf(text), true);
    case 'json':
      return boundJson(codec, text);
    case 'xml':
      return fitsInline(text) ? inline(text) : { value: text, mode: 'lob' };
    case 'date':
      return inline(dateText(text));
    case 'timestamp':
      return inline(timestampText(text, codec.hasZone));
    case 'year-month':
      return inline(yearMonthText(text, codec.yearDigits));
    case 'day-second':
      return inline(daySecondText(text, codec));
    case 'raw':
      return inline(hexOf(text));
  }
}

function inline(value: string): BoundValue {
  return { value, mode: 'inline' };
}

function fitsInline(text: string, maxBytes = maxInlineBytes): boolean {
  // UTF-8 takes three bytes for a UTF-16 unit at most.
  return text.length <= maxBytes / 3 || Buffer.byteLength(text) <= maxBytes;
}

function boundText(codec: TextCodec, text: string): BoundValue {
  const padded = codec.isPadded ? paddedText(codec, text) : text;
  const limit = isBoundNational(codec)
    ? maxInlineNationalBytes
    : codec.maxBytes > maxInlineBytes
      ? maxExtendedBytes
      : maxInlineBytes;
  return { value: padded, mode: fitsInline(padded, limit) ? 'inline' : 'lob' };
}

/** Where the database's own character set would lose what the column holds. */
export function isBoundNational(codec: OracleCodec): boolean {
  return (
    (codec.kind === 'text' || codec.kind === 'clob') &&
    codec.isNational &&
    codec.characterSet !== 'unicode'
  );
}

/**
 * As the column stores it: a comparison with what is bound does not pad, and
 * a key would not be found again.
 */
function paddedText({ unit, maxLength }: TextCodec, text: string): string {
  const length =
    unit === 'bytes'
      ? Buffer.byteLength(text)
      : unit === 'utf16'
        ? text.length
        : Array.from(text).length;
  return text + ' '.repeat(Math.max(0, maxLength - length));
}

/** An `x` before it tells an empty LOB from null (statements.ts takes it off). */
function boundClob(codec: OracleCodec, text: string): BoundValue {
  const marked = `x${text}`;
  // A CLOB made of text would go through the database's character set.
  const staysInline = isBoundNational(codec) ? text === '' : fitsInline(marked);
  return staysInline ? inline(marked) : { value: text, mode: 'lob' };
}

function boundBytes(hex: string, isMarked: boolean): BoundValue {
  const text = isMarked ? `x${hex}` : hex;
  return text.length <= maxInlineBytes
    ? inline(text)
    : { value: Buffer.from(hex, 'hex'), mode: 'lob' };
}

function boundJson(
  { carrier }: OracleCodec & { kind: 'json' },
  text: string,
): BoundValue {
  if (carrier === 'blob') {
    return boundBytes(Buffer.from(text).toString('hex'), false);
  }
  return fitsInline(text) ? inline(text) : { value: text, mode: 'lob' };
}

/** `\x00ff`, or a uuid; the check has seen that it is one of them. */
function hexOf(text: string): string {
  return text.startsWith(String.raw`\x`)
    ? text.slice(2)
    : text.replaceAll('-', '');
}

const instantParts =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(Z|[+-][\d:]+)?$/;

function dateText(text: string): string {
  const [, date, minutes = '00:00', seconds = '00'] = instantParts.exec(text)!;
  return `${date} ${minutes}:${seconds}`;
}

function timestampText(text: string, hasZone: boolean): string {
  const [, , , , fraction = '', zone] = instantParts.exec(text)!;
  const plain = `${dateText(text)}.${fraction.slice(0, 9).padEnd(9, '0')}`;
  return hasZone ? `${plain} ${zoneText(zone)}` : plain;
}

function zoneText(zone: string | undefined): string {
  if (zone === undefined || zone === 'Z') {
    return '+00:00';
  }
  const digits = zone.slice(1).replaceAll(':', '');
  return `${zone[0]!}${digits.slice(0, 2)}:${digits.slice(2, 4).padEnd(2, '0')}`;
}
