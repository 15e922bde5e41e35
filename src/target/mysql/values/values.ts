/**
 * JSON tokens to the text that MySQL and MariaDB store, without ever making
 * numbers; bytes become hexadecimal digits.
 *
 * Even a strict server changes some values in silence: it rounds fractions of
 * decimals and seconds, takes a text for the place of an enum's label, drops
 * spaces and fills up bytes. Such values are refused here.
 */
import { arrayElements, jsonString } from '../../../mutation/json-text.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import {
  parseDecimal,
  printDecimal,
  roundDecimal,
} from '../../values/value-decimal.ts';
import {
  dateCheck,
  decimalCheck,
  floatCheck,
  integerCheck,
  textCheck,
  timeCheck,
  timestampCheck,
  type ValueCheck,
} from '../../values/value-limits.ts';
import { UnstorableValue } from '../../value-policy.ts';
import type { MysqlCodec } from './codec.ts';
import { geometryText } from './geometry.ts';
import { bitHex, bytesHex } from './bytes.ts';

/** Throws UnstorableValue. Null is SQL NULL. */
export type ValueReader = (token: JsonText) => string | null;

const readers = new WeakMap<MysqlCodec, ValueReader>();

/** Made once for each column. */
export function readerOf(codec: MysqlCodec): ValueReader {
  let reader = readers.get(codec);
  if (!reader) {
    const read = newReader(codec);
    reader = (token) => (token.charCodeAt(0) === lowerN ? null : read(token));
    readers.set(codec, reader);
  }
  return reader;
}

const lowerN = 0x6e;
const quote = 0x22;
const openBracket = 0x5b;
const openBrace = 0x7b;
const zero = 0x30;
const nine = 0x39;
const jsonNullObject = /^\{\s*"__crdb_json_null__"\s*:\s*true\s*\}$/;

function newReader(codec: MysqlCodec): (token: JsonText) => string {
  switch (codec.kind) {
    case 'integer':
      return numberReader(
        integerCheck(BigInt(codec.min), BigInt(codec.max)),
        wholeNumber,
      );
    case 'decimal':
      return numberReader(decimalCheck(codec.precision, codec.scale));
    case 'float':
      return numberReader(
        floatCheck(codec.bits),
        codec.bits === 32 ? withinFloat : undefined,
      );
    case 'bit':
      return (token) => bitHex(token, codec.bits);
    case 'text':
      return textReader(codec);
    case 'binary':
      return (token) => bytesHex(plainText(token), codec);
    case 'enum':
    case 'set':
      return labelReader(codec.kind, new Set(codec.labels));
    case 'json':
      return (token) => jsonDocument(token, codec.isText);
    case 'date':
      return checked(
        dateCheck({ min: '0001-01-01', max: '9999-12-31' }),
        (text) => text.slice(0, 10),
      );
    case 'datetime':
      return checked(
        timestampCheck({
          min: codec.until === null ? '0001-01-01' : '1970-01-01T00:00:01',
          max: cutFraction(
            codec.until ?? '9999-12-31T23:59:59.999999',
            codec.fractionDigits,
          ),
          fractionDigits: codec.fractionDigits,
        }),
        utcDateTime,
      );
    case 'time':
      return checked(
        timeCheck({
          min: '-838:59:59',
          max: '838:59:59',
          fractionDigits: codec.fractionDigits,
        }),
      );
    case 'geometry':
      return (token) => geometryText(token, codec.srid);
    case 'other':
      return plainText;
  }
}

/** The characters of a string; of anything else its JSON. */
function plainText(token: JsonText): string {
  return token.charCodeAt(0) === quote ? decoded(token) : token;
}

function decoded(token: JsonText): string {
  const text = jsonString(token);
  // A lone surrogate would silently become U+FFFD on its way to the socket.
  if (!text.isWellFormed()) {
    throw new UnstorableValue(
      'holds half of a surrogate pair, which UTF-8 cannot express',
      text.toWellFormed(),
    );
  }
  return text;
}

function checked(
  check: ValueCheck,
  finish: (text: string) => string = (text) => text,
): (token: JsonText) => string {
  return (token) => {
    const text = plainText(token);
    const refusal = check(text);
    if (refusal) {
      throw refusal.clamped === null
        ? refusal
        : new UnstorableValue(refusal.message, finish(refusal.clamped));
    }
    return finish(text);
  };
}

/** BOOL is TINYINT(1) here. */
function numberReader(
  check: ValueCheck,
  finish?: (text: string) => string,
): (token: JsonText) => string {
  const read = checked(check, finish);
  return (token) =>
    token === 'true' ? '1' : token === 'false' ? '0' : read(token);
}

const largestFloat = 3.4028234663852886e38;

/**
 * The server reads a double and compares it with the largest float: the
 * shortest digits of that, 3.4028235e38, lie beyond it.
 */
function withinFloat(text: string): string {
  return text.length > 6 && Math.abs(Number(text)) > largestFloat
    ? String(Math.fround(Number(text)))
    : text;
}

/** `1e3` is a number that a cast would end at the letter. */
function wholeNumber(text: string): string {
  for (let at = text.startsWith('-') ? 1 : 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < zero || code > nine) {
      return printDecimal(roundDecimal(parseDecimal(text)!, 0));
    }
  }
  return text;
}

function textReader(
  codec: MysqlCodec & { kind: 'text' },
): (token: JsonText) => string {
  // Of a text that is too long the server drops spaces at the end in silence.
  const check = textCheck({ maxLength: codec.maxLength, unit: codec.unit });
  return checked((text) =>
    codec.fixed && text.endsWith(' ')
      ? new UnstorableValue(
          'ends in spaces, which a CHAR drops',
          text.replace(/ +$/, ''),
        )
      : check(text),
  );
}

function labelReader(
  kind: 'enum' | 'set',
  labels: ReadonlySet<string>,
): (token: JsonText) => string {
  return (token) => {
    const members =
      token.charCodeAt(0) === openBracket
        ? arrayElements(token).map(plainText)
        : kind === 'set'
          ? plainText(token).split(',')
          : [plainText(token)];
    if (kind === 'set' && members.join() === '') {
      return '';
    }
    if (!members.every((member) => labels.has(member))) {
      throw new UnstorableValue(
        `is not ${kind === 'set' ? 'made of' : 'one of'} the labels of the column`,
      );
    }
    return members.join();
  };
}

function jsonDocument(token: JsonText, isText: boolean): string {
  if (token.charCodeAt(0) === openBrace && jsonNullObject.test(token)) {
    return 'null';
  }
  if (!isText && longDigits.test(token)) {
    refuseRoundedNumbers(token);
  }
  return token;
}

const longDigits = /[\d.]{16}/;
const doubleCheck = floatCheck(64);
const maxUnsigned = 18_446_744_073_709_551_615n;
const minSigned = -9_223_372_036_854_775_808n;

/** MySQL keeps whole numbers of 64 bits; of all others it makes doubles. */
function refuseRoundedNumbers(token: JsonText): void {
  const outside = token.replace(/"(?:[^"\\]|\\.)*"/g, '');
  for (const [number] of outside.matchAll(/-?\d[\d.eE+-]*/g)) {
    const isWhole = /^-?\d+$/.test(number);
    const fits = isWhole
      ? BigInt(number) <= maxUnsigned && BigInt(number) >= minSigned
      : doubleCheck(number) === null;
    if (!fits) {
      throw new UnstorableValue(
        'holds a number that JSON at the target would round',
      );
    }
  }
}

function cutFraction(text: string, digitCount: number): string {
  const point = text.indexOf('.');
  return text.slice(0, digitCount === 0 ? point : point + 1 + digitCount);
}

const plainZone = /[+-]00(?::?00)?$/;
const zonedTime =
  /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?\s*([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?$/;

/** DATETIME has no zone: instants are written in UTC. */
function utcDateTime(text: string): string {
  if (text.endsWith('Z')) {
    return text.slice(0, -1).trimEnd();
  }
  if (plainZone.test(text)) {
    return text.replace(plainZone, '').trimEnd();
  }
  const zoned = zonedTime.exec(text);
  if (!zoned) {
    return text;
  }
  const [
    ,
    date,
    time,
    fraction = '',
    sign,
    hours,
    minutes = '0',
    seconds = '0',
  ] = zoned;
  const offsetSeconds =
    Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  const instant =
    Date.parse(`${date}T${time}Z`) +
    (sign === '-' ? offsetSeconds : -offsetSeconds) * 1000;
  return `${new Date(instant).toISOString().slice(0, 19).replace('T', ' ')}${fraction}`;
}
