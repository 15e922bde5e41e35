/**
 * Each type's texts, and what SQL Server would change in them without a word:
 * an empty text is 0 and 1900-01-01 to it, digits beyond a scale are rounded,
 * characters that a code page has not become `?`. All that is refused here,
 * always: {@link UnstorableValue}, settled by the column's policy.
 */
import { parseDecimal, printDecimal } from '../../values/value-decimal.ts';
import {
  decimalCheck,
  floatCheck,
  integerCheck,
  textCheck,
} from '../../values/value-limits.ts';
import { UnstorableValue } from '../../value-policy.ts';
import { bytesInCodePage } from './code-page.ts';
import type { SqlServerCodec } from './codec.ts';
import { geometryText } from './geometry-text.ts';
import {
  dateWriter,
  timestamptzWriter,
  timestampWriter,
  timeWriter,
} from './temporal-writers.ts';
import { checked, type Writer } from './writer.ts';

const unsignedByte = { min: 0n, max: 255n };

/** By the type of the column. */
export function newWriter(codec: SqlServerCodec): Writer {
  switch (codec.kind) {
    case 'bit':
      return { wire: bitText };
    case 'integer': {
      const limit = 1n << BigInt(codec.bits - 1);
      const { min, max } =
        codec.bits === 8 ? unsignedByte : { min: -limit, max: limit - 1n };
      return { wire: checked(integerCheck(min, max), wholeNumber) };
    }
    case 'decimal':
      return {
        wire: checked(decimalCheck(codec.precision, codec.scale), plainNumber),
      };
    case 'money':
      return moneyWriter(codec.bits);
    case 'float':
      return { wire: checked(floatCheck(codec.bits), normalFloat(codec.bits)) };
    case 'text':
      return textWriter(codec);
    case 'json': {
      const inner = codec.text && newWriter(codec.text);
      return {
        text: (token) => (jsonNullObject.test(token) ? 'null' : token),
        wire: inner ? inner.wire : wellFormed,
      };
    }
    case 'xml':
      return { wire: (text) => withoutDeclaration(wellFormed(text)) };
    case 'binary':
      return { wire: (text) => hexDigits(codec, text) };
    case 'uuid':
      return { wire: uuidText };
    case 'date':
      return dateWriter();
    case 'time':
      return timeWriter(codec.fractionDigits);
    case 'timestamp':
      return timestampWriter(codec);
    case 'timestamptz':
      return timestamptzWriter(codec.fractionDigits);
    case 'spatial':
      return {
        wire(text) {
          const { srid, wkt } = geometryText(text);
          return `${srid ?? (codec.type === 'geography' ? 4326 : 0)};${wkt}`;
        },
      };
    case 'hierarchyid':
      return {
        wire: checked(textCheck({ maxLength: 4000, unit: 'utf16' })),
      };
    case 'unsupported':
      return {
        wire() {
          throw new UnstorableValue(
            `cannot be written to a column of the type ${codec.type}`,
          );
        },
      };
  }
}

function bitText(text: string): string {
  switch (text) {
    case 'true':
    case '1':
      return '1';
    case 'false':
    case '0':
      return '0';
    default:
      throw new UnstorableValue('is neither true nor false');
  }
}

/** An exponent is no digit to a cast, nor is more than what fits on the wire. */
function plainNumber(text: string): string {
  return text.length <= 40 && /^-?\d+(?:\.\d+)?$/.test(text)
    ? text
    : printDecimal(parseDecimal(text)!);
}

function wholeNumber(text: string): string {
  return /^-?\d{1,19}$/.test(text) ? text : printDecimal(parseDecimal(text)!);
}

function moneyWriter(bits: 32 | 64): Writer {
  const precision = bits === 64 ? 19 : 10;
  const largest = (1n << BigInt(bits - 1)) - 1n;
  return {
    wire: checked(decimalCheck(precision, 4), (text) => {
      const plain = plainNumber(text);
      const [whole, fraction = ''] = plain.split('.');
      const units = BigInt(`${whole}${fraction.slice(0, 4).padEnd(4, '0')}`);
      if (units > largest || units < -largest - 1n) {
        const end = units > 0n ? String(largest) : String(-largest - 1n);
        throw new UnstorableValue(
          'is outside the range of the type',
          `${end.slice(0, -4)}.${end.slice(-4)}`,
        );
      }
      return plain;
    }),
  };
}

const smallestNormal = {
  32: 1.1754943508222875e-38,
  64: 2.2250738585072014e-308,
};

function normalFloat(bits: 32 | 64): (text: string) => string {
  return (text) => {
    const size = Math.abs(Number(text));
    if (size > 0 && size < smallestNormal[bits]) {
      throw new UnstorableValue('is too near to zero for the type', '0');
    }
    return text.length <= 30 ? text : String(Number(text));
  };
}

/** Nothing in it is escaped, and every character takes one byte or unit. */
const plainText = /^"[ !#-[\]-~]*"$/;

function textWriter(codec: SqlServerCodec & { kind: 'text' }): Writer {
  const { maxLength, codePage } = codec;
  const limit = maxLength ?? Number.POSITIVE_INFINITY;
  const check = textCheck({ maxLength, unit: 'utf16' });
  return {
    isPlain: (token) => token.length - 2 <= limit && plainText.test(token),
    wire(text) {
      wellFormed(text);
      if (codePage === null) {
        const refusal = check(text);
        if (refusal) {
          throw refusal;
        }
        return text;
      }
      const byteCount = bytesInCodePage(codePage, text);
      if (byteCount === null) {
        throw new UnstorableValue(
          `has characters that code page ${codePage} of the column's collation has not`,
        );
      }
      if (byteCount > limit) {
        throw new UnstorableValue(
          `is longer than ${limit} bytes`,
          cutToBytes(codePage, text, limit),
        );
      }
      return text;
    },
  };
}

function cutToBytes(codePage: number, text: string, limit: number): string {
  let kept = '';
  let byteCount = 0;
  for (const character of text) {
    byteCount += bytesInCodePage(codePage, character)!;
    if (byteCount > limit) {
      break;
    }
    kept += character;
  }
  return kept;
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) {
    throw new UnstorableValue('holds half of a surrogate pair');
  }
  return text;
}

const jsonNullObject = /^\{\s*"__crdb_json_null__"\s*:\s*true\s*\}$/;

/** The column keeps none; one that names UTF-8 is refused in UTF-16. */
function withoutDeclaration(text: string): string {
  return text.replace(/^\s*<\?xml\s[^>]*\?>/, '');
}

function hexDigits(
  { maxLength, isPadded }: SqlServerCodec & { kind: 'binary' },
  text: string,
): string {
  const digits = /^\\x((?:[0-9a-f]{2})*)$/i.exec(text)?.[1];
  if (digits === undefined) {
    throw new UnstorableValue('is not of the form \\x<hexadecimal digits>');
  }
  const byteCount = digits.length / 2;
  if (maxLength !== null && byteCount > maxLength) {
    throw new UnstorableValue(
      `is longer than ${maxLength} bytes`,
      `\\x${digits.slice(0, 2 * maxLength)}`,
    );
  }
  if (isPadded && byteCount < maxLength!) {
    throw new UnstorableValue(
      `is shorter than ${maxLength} bytes, and would get zeros behind it`,
      `\\x${digits.padEnd(2 * maxLength!, '0')}`,
    );
  }
  return digits;
}

function uuidText(text: string): string {
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new UnstorableValue('is not a UUID');
  }
  return text;
}
