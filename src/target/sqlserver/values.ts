/**
 * JSON tokens to texts that SQL Server casts to the types of the columns,
 * without ever making numbers of digits.
 *
 * What a cast would change without a word (an empty text is 0 and 1900-01-01
 * to SQL Server, digits beyond a scale are rounded, characters that a code page
 * has not become `?`) is refused here, always: {@link UnstorableValue}, settled
 * by the column's policy.
 */
import { jsonString } from '../../mutation/json-text.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type { ColumnShape, TableShape } from '../target.ts';
import { parseDecimal, printDecimal } from '../value-decimal.ts';
import {
  dateCheck,
  decimalCheck,
  floatCheck,
  integerCheck,
  textCheck,
  timeCheck,
  timestampCheck,
  type ValueCheck,
} from '../value-limits.ts';
import {
  settleUnstorable,
  UnstorableValue,
  type ValuePolicies,
} from '../value-policy.ts';
import { bytesInCodePage } from './code-page.ts';
import { codecOf, type SqlServerCodec } from './codec.ts';
import { geometryText } from './geometry-text.ts';
import { instantText, onDatetimeGrid, timeText } from './temporal-text.ts';

/** Rows of one table by column: `values[c][r]`. */
export interface JsonColumns {
  readonly table: TableShape;
  readonly columns: readonly ColumnShape[];
  readonly values: readonly (readonly JsonText[])[];
  readonly rowCount: number;
}

/** `[["1","a"],["2",null]]`: the parameter of every statement. */
export function rowsParameter(
  { table, columns, values, rowCount }: JsonColumns,
  policies: ValuePolicies,
): string {
  const writers = columns.map(writerOf);
  const keyOf = (row: number) => (): JsonText[] =>
    table.primaryKey.map((column) => values[columns.indexOf(column)]![row]!);
  let text = '[';
  for (let row = 0; row < rowCount; row++) {
    text += row === 0 ? '[' : ',[';
    for (let index = 0; index < columns.length; index++) {
      if (index > 0) {
        text += ',';
      }
      const token = values[index]![row]!;
      try {
        text += writeToken(writers[index]!, token);
      } catch (error) {
        if (!(error instanceof UnstorableValue)) {
          throw error;
        }
        const settled = settleUnstorable(
          nearestStorable(writers[index]!, error),
          { table, column: columns[index]!, keyOf: keyOf(row) },
          policies,
        );
        text +=
          settled === null
            ? 'null'
            : JSON.stringify(writers[index]!.wire(settled));
      }
    }
    text += ']';
  }
  return `${text}]`;
}

/** What is nearest to one check may lie between two values of the type. */
function nearestStorable(
  writer: Writer,
  refusal: UnstorableValue,
): UnstorableValue {
  let { clamped } = refusal;
  for (let step = 0; clamped !== null && step < 3; step++) {
    try {
      writer.wire(clamped);
      return new UnstorableValue(refusal.message, clamped);
    } catch (error) {
      if (!(error instanceof UnstorableValue)) {
        throw error;
      }
      clamped = error.clamped;
    }
  }
  return new UnstorableValue(refusal.message);
}

interface Writer {
  /** The token is what is sent, as it is. */
  readonly isPlain?: (token: JsonText) => boolean;
  /** The value's text before it is checked; without it, the ordinary one. */
  readonly text?: (token: JsonText) => string;
  /** The text that is sent. Throws UnstorableValue. */
  readonly wire: (text: string) => string;
}

const writers = new WeakMap<ColumnShape, Writer>();

function writerOf(column: ColumnShape): Writer {
  let writer = writers.get(column);
  if (!writer) {
    writer = newWriter(codecOf(column));
    writers.set(column, writer);
  }
  return writer;
}

const lowerN = 0x6e;
const quote = 0x22;

function writeToken(writer: Writer, token: JsonText): string {
  if (token.charCodeAt(0) === lowerN) {
    return 'null';
  }
  if (writer.isPlain?.(token)) {
    return token;
  }
  const text = writer.text?.(token) ?? ordinaryText(token);
  return JSON.stringify(writer.wire(text));
}

function ordinaryText(token: JsonText): string {
  return token.charCodeAt(0) === quote ? jsonString(token) : token;
}

/** The text that the server is sent for this value; null is SQL NULL. */
export function columnText(
  codec: SqlServerCodec,
  token: JsonText,
): string | null {
  const written = JSON.parse(writeToken(newWriter(codec), token)) as
    | string
    | null;
  return written;
}

const unsignedByte = { min: 0n, max: 255n };

function newWriter(codec: SqlServerCodec): Writer {
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
      return {
        wire: checked(
          dateCheck({ min: '0001-01-01', max: '9999-12-31' }),
          (text) => instantOf(text).date,
        ),
      };
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

function checked(
  check: ValueCheck,
  wire: (text: string) => string = (text) => text,
): (text: string) => string {
  return (text) => {
    const refusal = check(text);
    if (refusal) {
      throw refusal;
    }
    return wire(text);
  };
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

function instantOf(text: string): {
  date: string;
  clock: string;
  offset: string | null;
} {
  const parts = instantText(text);
  if (!parts) {
    throw new UnstorableValue(
      'is not a date or timestamp of the years 1 to 9999',
    );
  }
  return parts;
}

function timeWriter(fractionDigits: number): Writer {
  return {
    wire: checked(
      timeCheck({
        min: '00:00:00',
        max: `23:59:59${nines(fractionDigits)}`,
        fractionDigits,
      }),
      (text) => {
        const clock = timeText(text);
        if (clock === null) {
          throw new UnstorableValue('is not a time of day');
        }
        return clock;
      },
    ),
  };
}

function timestampRange(
  type: 'datetime' | 'smalldatetime' | 'datetime2',
  fractionDigits: number,
): { min: string; max: string } {
  switch (type) {
    case 'datetime':
      return { min: '1753-01-01 00:00:00', max: '9999-12-31 23:59:59.997' };
    case 'smalldatetime':
      return { min: '1900-01-01 00:00:00', max: '2079-06-06 23:59:00' };
    case 'datetime2':
      return {
        min: '0001-01-01 00:00:00',
        max: `9999-12-31 23:59:59${nines(fractionDigits)}`,
      };
  }
}

function nines(fractionDigits: number): string {
  return fractionDigits > 0 ? `.${'9'.repeat(fractionDigits)}` : '';
}

function timestampWriter({
  type,
  fractionDigits,
}: SqlServerCodec & { kind: 'timestamp' }): Writer {
  return {
    wire: checked(
      timestampCheck({
        ...timestampRange(type, fractionDigits),
        fractionDigits,
        zone: 'utc',
      }),
      (text) => {
        const { date, clock } = instantOf(text);
        const kept =
          type === 'datetime'
            ? onDatetimeGrid(clock)
            : type === 'smalldatetime'
              ? `${clock.slice(0, 5)}:00`
              : clock;
        if (kept !== clock) {
          throw new UnstorableValue(
            `is between two times that ${type} can hold`,
            `${date}T${kept}`,
          );
        }
        return `${date}T${clock}`;
      },
    ),
  };
}

function timestamptzWriter(fractionDigits: number): Writer {
  return {
    wire: checked(
      timestampCheck({
        ...timestampRange('datetime2', fractionDigits),
        fractionDigits,
      }),
      (text) => {
        const { date, clock, offset } = instantOf(text);
        if (offset === null) {
          throw new UnstorableValue('has an offset with seconds');
        }
        return `${date}T${clock}${offset}`;
      },
    ),
  };
}
