/**
 * Strict RFC 8259, in one walk and without objects: the gate at the socket.
 *
 * Lone surrogate escapes and `\u0000` are grammatical and pass: whether they
 * may be stored is decided where the column is known.
 */
import { ReplicatorError } from '../failure/failure.ts';
import { skipBlank } from './json-text.ts';

export interface JsonLimits {
  /** How many arrays and objects may stand inside one another. */
  readonly maxDepth: number;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Throws E1001 unless the text is one JSON value, E1004 when it is nested
 * deeper than `maxDepth`.
 */
export function validateJson(text: string, limits: JsonLimits): void {
  const end = validateValue(text, skipBlank(text, 0), limits.maxDepth);
  validateEnd(text, end);
}

/** Throws E1001 where anything but blanks follows. */
export function validateEnd(text: string, end: number): void {
  const pos = skipBlank(text, end);
  if (pos !== text.length) {
    throw invalidAt(text, pos);
  }
}

/**
 * Validates the value at `pos` and returns the position behind it; blanks
 * around it are the caller's. For those that read and validate in one walk.
 */
export function validateValue(
  text: string,
  pos: number,
  depthLeft: number,
): number {
  switch (text.charCodeAt(pos)) {
    case QUOTE:
      return validateString(text, pos);
    case OPEN_OBJECT:
      return validateObject(text, pos, depthLeft);
    case OPEN_ARRAY:
      return validateArray(text, pos, depthLeft);
    case 0x74:
      return validateWord(text, pos, 'true');
    case 0x66:
      return validateWord(text, pos, 'false');
    case 0x6e:
      return validateWord(text, pos, 'null');
    default:
      return validateNumber(text, pos);
  }
}

function validateObject(text: string, start: number, depthLeft: number) {
  if (depthLeft <= 0) {
    throw tooDeepAt(start);
  }
  let pos = skipBlank(text, start + 1);
  if (text.charCodeAt(pos) === CLOSE_OBJECT) {
    return pos + 1;
  }
  for (;;) {
    if (text.charCodeAt(pos) !== QUOTE) {
      throw invalidAt(text, pos);
    }
    pos = skipBlank(text, validateString(text, pos));
    if (text.charCodeAt(pos) !== COLON) {
      throw invalidAt(text, pos);
    }
    pos = validateValue(text, skipBlank(text, pos + 1), depthLeft - 1);
    pos = skipBlank(text, pos);
    const next = text.charCodeAt(pos);
    if (next === CLOSE_OBJECT) {
      return pos + 1;
    }
    if (next !== COMMA) {
      throw invalidAt(text, pos);
    }
    pos = skipBlank(text, pos + 1);
  }
}

function validateArray(text: string, start: number, depthLeft: number) {
  if (depthLeft <= 0) {
    throw tooDeepAt(start);
  }
  let pos = skipBlank(text, start + 1);
  if (text.charCodeAt(pos) === CLOSE_ARRAY) {
    return pos + 1;
  }
  for (;;) {
    pos = skipBlank(text, validateValue(text, pos, depthLeft - 1));
    const next = text.charCodeAt(pos);
    if (next === CLOSE_ARRAY) {
      return pos + 1;
    }
    if (next !== COMMA) {
      throw invalidAt(text, pos);
    }
    pos = skipBlank(text, pos + 1);
  }
}

export function validateString(text: string, start: number): number {
  let pos = start + 1;
  for (;;) {
    const code = text.charCodeAt(pos);
    if (code === QUOTE) {
      return pos + 1;
    }
    if (code === BACKSLASH) {
      pos = validateEscape(text, pos);
    } else if (code >= SPACE) {
      pos += 1;
    } else {
      // A control character, or NaN behind the end of the text.
      throw invalidAt(text, pos);
    }
  }
}

function validateEscape(text: string, pos: number): number {
  switch (text.charCodeAt(pos + 1)) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // slash
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return pos + 2;
    case 0x75: // u
      for (let at = pos + 2; at < pos + 6; at += 1) {
        const code = text.charCodeAt(at) | 0x20;
        if (!isDigit(text.charCodeAt(at)) && !(code >= 0x61 && code <= 0x66)) {
          throw invalidAt(text, at);
        }
      }
      return pos + 6;
    default:
      throw invalidAt(text, pos + 1);
  }
}

function validateNumber(text: string, start: number): number {
  let pos = text.charCodeAt(start) === MINUS ? start + 1 : start;
  pos = text.charCodeAt(pos) === ZERO ? pos + 1 : validateDigits(text, pos);
  if (text.charCodeAt(pos) === DOT) {
    pos = validateDigits(text, pos + 1);
  }
  if ((text.charCodeAt(pos) | 0x20) === 0x65) {
    const sign = text.charCodeAt(pos + 1);
    pos = validateDigits(
      text,
      sign === PLUS || sign === MINUS ? pos + 2 : pos + 1,
    );
  }
  return pos;
}

function validateDigits(text: string, start: number): number {
  let pos = start;
  while (isDigit(text.charCodeAt(pos))) {
    pos += 1;
  }
  if (pos === start) {
    throw invalidAt(text, pos);
  }
  return pos;
}

function validateWord(text: string, pos: number, word: string): number {
  if (!text.startsWith(word, pos)) {
    throw invalidAt(text, pos);
  }
  return pos + word.length;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

export function invalidAt(text: string, pos: number): ReplicatorError {
  return new ReplicatorError('E1001', {
    detail:
      pos >= text.length
        ? `the body is not valid JSON: it ends too early, after ${text.length} characters`
        : `the body is not valid JSON at character ${pos}`,
  });
}

export function tooDeepAt(pos: number): ReplicatorError {
  return new ReplicatorError('E1004', {
    detail: `the JSON is nested too deeply at character ${pos}`,
  });
}
