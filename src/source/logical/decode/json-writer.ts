/**
 * Rows as JSON, written byte by byte into one buffer and read out as one flat
 * string: no string and no Buffer is made for a single value.
 */
import { constants, isUtf8 } from 'node:buffer';
import { ReplicatorError } from '../../../failure/failure.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import { columnJson, jsonNullDocument } from './column-text.ts';
import type { SourceType } from './type-catalog.ts';

/** What is kept from row to row; a larger row gets a buffer of its own. */
const usualBytes = 1 << 16;
/** No string is longer (V8). */
const maxBytes = constants.MAX_STRING_LENGTH;
/** Behind this, a call of the runtime copies faster than a loop. */
const loopedBytes = 48;

/**
 * What Node's declarations do not say: `toString('latin1')` of short texts takes
 * half as long again to come here.
 */
interface Latin1Buffer extends Buffer {
  latin1Slice(start: number, end: number): string;
}

const quote = 0x22;
const plus = 0x2b;
const minus = 0x2d;
const dot = 0x2e;
const letterE = 0x65;
const letterF = 0x66;
const letterT = 0x74;
const backslash = 0x5c;

/** By byte: what its escape adds to its length; as JSON.stringify writes it. */
const escapeExtras = new Uint8Array(256);
const escapes: Uint8Array[] = [];
for (let code = 0; code < 0x80; code += 1) {
  const escaped = JSON.stringify(String.fromCharCode(code)).slice(1, -1);
  escapeExtras[code] = escaped.length - 1;
  escapes.push(Buffer.from(escaped));
}

const jsonNullBytes = Buffer.from(jsonNullDocument);

export class JsonWriter {
  #bytes = Buffer.allocUnsafeSlow(usualBytes);
  #length = 0;
  /** The bytes or-ed: 0x80 and more where not all are ASCII. */
  #seen = 0;

  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
    this.#seen = 0;
    if (this.#bytes.length > usualBytes) {
      this.#bytes = Buffer.allocUnsafeSlow(usualBytes);
    }
  }

  /** Ends an object: `,` was written before its first member. */
  endObject(): void {
    this.#reserve(2);
    if (this.#length === 0) {
      this.#length = 1;
    }
    this.#bytes[0] = 0x7b;
    this.#bytes[this.#length] = 0x7d;
    this.#length += 1;
  }

  member(prefix: Uint8Array): void {
    const { length } = prefix;
    this.#reserve(length + 4);
    const bytes = this.#bytes;
    const at = this.#length;
    let seen = this.#seen;
    for (let index = 0; index < length; index += 1) {
      const code = prefix[index]!;
      seen |= code;
      bytes[at + index] = code;
    }
    this.#seen = seen;
    this.#length = at + length;
  }

  null(): void {
    this.#reserve(4);
    const at = this.#length;
    const bytes = this.#bytes;
    bytes[at] = 0x6e;
    bytes[at + 1] = 0x75;
    bytes[at + 2] = 0x6c;
    bytes[at + 3] = 0x6c;
    this.#length = at + 4;
  }

  /** PostgreSQL's text of a value, which stands in `source`. */
  value(type: SourceType, source: Buffer, start: number, end: number): void {
    switch (type.kind) {
      case 'digits':
        this.#number(source, start, end);
        return;
      case 'number':
        if (isDigit(source[end - 1])) {
          this.#number(source, start, end);
        } else {
          this.#string(source, start, end);
        }
        return;
      case 'boolean':
        this.#boolean(source, start, end);
        return;
      case 'text':
        this.#string(source, start, end);
        return;
      case 'padded-text':
        this.#string(source, start, behindBlanks(source, start, end));
        return;
      case 'json':
        this.#document(source, start, end);
        return;
      case 'money':
      case 'array':
      case 'composite':
        this.#json(convertedJson(type, source, start, end));
        return;
    }
  }

  /** What was written, or a part of it. */
  text(start = 0, end: number = this.#length): JsonText {
    if (this.#seen < 0x80) {
      return (this.#bytes as Latin1Buffer).latin1Slice(start, end) as JsonText;
    }
    return utf8Text(this.#bytes, start, end) as JsonText;
  }

  /** The value of a member, from `start` to `end`, as an array of its own. */
  bracketed(start: number, end: number): JsonText {
    const bytes = this.#bytes;
    const before = bytes[start - 1]!;
    const behind = bytes[end]!;
    bytes[start - 1] = 0x5b;
    bytes[end] = 0x5d;
    const text = this.text(start - 1, end + 1);
    bytes[start - 1] = before;
    bytes[end] = behind;
    return text;
  }

  #copy(source: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length);
    const bytes = this.#bytes;
    const at = this.#length;
    if (length > loopedBytes) {
      source.copy(bytes, at, start, end);
    } else {
      for (let index = 0; index < length; index += 1) {
        bytes[at + index] = source[start + index]!;
      }
    }
    this.#length = at + length;
  }

  /**
   * Digits go into the JSON bare, so they are looked at: what is no number
   * would end the row's JSON in the middle.
   */
  #number(source: Buffer, start: number, end: number): void {
    let at = source[start] === minus ? start + 1 : start;
    at = digitsEnd(source, at, end);
    if (at < end && source[at] === dot) {
      at = digitsEnd(source, at + 1, end);
    }
    if (at < end && (source[at]! | 0x20) === letterE) {
      const sign = source[at + 1];
      at = digitsEnd(
        source,
        sign === minus || sign === plus ? at + 2 : at + 1,
        end,
      );
    }
    if (at !== end) {
      throw notOfType('a number');
    }
    this.#copy(source, start, end);
  }

  #boolean(source: Buffer, start: number, end: number): void {
    const code = source[start];
    if (end - start !== 1 || (code !== letterT && code !== letterF)) {
      throw notOfType('a boolean');
    }
    const word = code === letterT ? trueBytes : falseBytes;
    this.#copy(word, 0, word.length);
  }

  #string(source: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length + 2);
    const bytes = this.#bytes;
    const at = this.#length + 1;
    let seen = this.#seen;
    let extra = 0;
    if (length > loopedBytes) {
      for (let index = start; index < end; index += 1) {
        const code = source[index]!;
        seen |= code;
        extra += escapeExtras[code]!;
      }
      if (extra === 0) {
        source.copy(bytes, at, start, end);
      }
    } else {
      for (let index = 0; index < length; index += 1) {
        const code = source[start + index]!;
        bytes[at + index] = code;
        seen |= code;
        extra += escapeExtras[code]!;
      }
    }
    this.#seen = seen;
    bytes[at - 1] = quote;
    if (extra > 0) {
      this.#escaped(source, start, end, extra);
      return;
    }
    bytes[at + length] = quote;
    this.#length = at + length + 1;
  }

  /** The inside of a string whose opening quote is written. */
  #escaped(source: Buffer, start: number, end: number, extra: number): void {
    this.#reserve(end - start + extra + 2);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = quote;
    for (let index = start; index < end; index += 1) {
      const code = source[index]!;
      if (escapeExtras[code] === 0) {
        bytes[at++] = code;
      } else if (code === quote || code === backslash) {
        bytes[at++] = backslash;
        bytes[at++] = code;
      } else {
        const escape = escapes[code]!;
        for (let each = 0; each < escape.length; each += 1) {
          bytes[at++] = escape[each]!;
        }
      }
    }
    bytes[at] = quote;
    this.#length = at + 1;
  }

  #document(source: Buffer, start: number, end: number): void {
    let first = start;
    let last = end;
    while (first < last && source[first]! <= 0x20) {
      first += 1;
    }
    while (last > first && source[last - 1]! <= 0x20) {
      last -= 1;
    }
    if (last - first === 4 && source[first] === 0x6e) {
      this.#copy(jsonNullBytes, 0, jsonNullBytes.length);
      return;
    }
    let seen = this.#seen;
    for (let index = first; index < last; index += 1) {
      seen |= source[index]!;
    }
    this.#seen = seen;
    this.#copy(source, first, last);
  }

  #json(token: JsonText): void {
    // UTF-8 takes three bytes for a UTF-16 unit at most.
    this.#reserve(
      token.length > usualBytes ? Buffer.byteLength(token) : token.length * 3,
    );
    const written = this.#bytes.write(token, this.#length);
    if (written !== token.length) {
      this.#seen |= 0x80;
    }
    this.#length += written;
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed > this.#bytes.length) {
      this.#grow(needed);
    }
  }

  #grow(needed: number): void {
    if (needed > maxBytes) {
      throw tooLarge();
    }
    const grown = Buffer.allocUnsafeSlow(
      Math.min(maxBytes, Math.max(needed, this.#bytes.length * 2)),
    );
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

function convertedJson(
  type: SourceType,
  source: Buffer,
  start: number,
  end: number,
): JsonText {
  try {
    return columnJson(type, utf8Text(source, start, end));
  } catch (error) {
    // ERR_STRING_TOO_LONG of Node, or V8's "Invalid string length".
    throw error instanceof RangeError || end - start > maxBytes
      ? tooLarge()
      : error;
  }
}

/** Of a database that says SQL_ASCII the server passes on any bytes. */
function utf8Text(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) {
    throw new ReplicatorError('E6009', {
      detail: 'the source sent a row whose text is not UTF-8',
    });
  }
  return text;
}

function tooLarge(): ReplicatorError {
  return new ReplicatorError('E6012', {
    detail: `a row of the source takes more than ${maxBytes} characters as JSON`,
  });
}

const trueBytes = Buffer.from('true');
const falseBytes = Buffer.from('false');

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= 0x30 && code <= 0x39;
}

/** Behind at least one digit; beyond the end where there is none. */
function digitsEnd(source: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isDigit(source[at])) {
    at += 1;
  }
  return at === start ? end + 1 : at;
}

function notOfType(what: string): ReplicatorError {
  return new ReplicatorError('E6009', {
    detail: `the source sent a value that is not ${what}, of a column that holds such`,
  });
}

/** Only blanks: char(n) keeps other white space. */
function behindBlanks(source: Buffer, start: number, end: number): number {
  let last = end;
  while (last > start && source[last - 1] === 0x20) {
    last -= 1;
  }
  return last;
}
