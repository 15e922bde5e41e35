/**
 * Reading JSON as text: no objects are built and no digit is interpreted.
 *
 * `validateJson` looks at every character once, at the socket. Everything
 * else here trusts what it let through: on text that was never validated the
 * answers are arbitrary, though no call loops for ever.
 */
import { ReplicatorError } from '../failure/failure.ts';
import type { JsonText } from './mutation.ts';

export type JsonKind =
  | 'null'
  | 'boolean'
  | 'number'
  | 'string'
  | 'array'
  | 'object';

export interface JsonMember {
  /** Unescaped. */
  readonly name: string;
  readonly value: JsonText;
}

export interface JsonLimits {
  /** How many arrays and objects may stand inside one another. */
  readonly maxDepth: number;
}

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
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
 * Throws E1001 unless the text is one JSON value of RFC 8259, E1004 when it
 * is nested deeper than `maxDepth`. Lone surrogate escapes and `\u0000` are
 * grammatical and pass: whether they may be stored is not decided here.
 */
export function validateJson(text: string, limits: JsonLimits): void {
  const end = validateValue(text, skipBlank(text, 0), limits.maxDepth);
  if (skipBlank(text, end) !== text.length) {
    throw invalidAt(text, skipBlank(text, end));
  }
}

/** Validates the value at `pos` and returns the position behind it. */
function validateValue(text: string, pos: number, depthLeft: number): number {
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

function validateString(text: string, start: number): number {
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

function invalidAt(text: string, pos: number): ReplicatorError {
  return new ReplicatorError('E1001', {
    detail:
      pos >= text.length
        ? `the body is not valid JSON: it ends too early, after ${text.length} characters`
        : `the body is not valid JSON at character ${pos}`,
  });
}

function tooDeepAt(pos: number): ReplicatorError {
  return new ReplicatorError('E1004', {
    detail: `the JSON is nested too deeply at character ${pos}`,
  });
}

/** The position of the first character at or behind `pos` that is not blank. */
export function skipBlank(text: string, pos: number): number {
  let at = pos;
  for (;;) {
    const code = text.charCodeAt(at);
    if (
      code > SPACE ||
      (code !== SPACE && code !== NEWLINE && code !== RETURN && code !== TAB)
    ) {
      return at;
    }
    at += 1;
  }
}

/** The position behind the value that starts at `pos`. */
export function skipValue(text: string, pos: number): number {
  const first = text.charCodeAt(pos);
  if (first === QUOTE) {
    return skipString(text, pos);
  }
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
    return skipContainer(text, pos);
  }
  let at = pos + 1;
  for (;;) {
    const code = text.charCodeAt(at);
    // Digits, signs, dots and letters are all above the comma, or a plus.
    if (
      code === PLUS ||
      (code > COMMA && code !== CLOSE_ARRAY && code !== CLOSE_OBJECT)
    ) {
      at += 1;
    } else {
      return at;
    }
  }
}

function skipContainer(text: string, start: number): number {
  let at = start + 1;
  let depth = 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipString(text, at);
      continue;
    }
    at += 1;
    // `[` and `{`, `]` and `}` differ in one bit.
    const folded = code | 0x20;
    if (folded === OPEN_OBJECT) {
      depth += 1;
    } else if (folded === CLOSE_OBJECT) {
      depth -= 1;
      if (depth === 0) {
        return at;
      }
    }
  }
  return at;
}

function skipString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      return at + 1;
    }
    at += code === BACKSLASH ? 2 : 1;
  }
  return text.length;
}

/**
 * Calls `visit` for every member of the object that starts at `start`, in
 * text order, duplicates too. The name's range excludes its quotes and is
 * not unescaped. Returns the position behind the object.
 */
export function scanObject(
  text: string,
  start: number,
  visit: (
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ) => void,
): number {
  let at = skipBlank(text, start + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const nameStart = at + 1;
    const nameEnd = skipString(text, at) - 1;
    const colon = skipBlank(text, nameEnd + 1);
    const valueStart = skipBlank(text, colon + 1);
    const valueEnd = skipValue(text, valueStart);
    visit(nameStart, nameEnd, valueStart, valueEnd);
    at = skipBlank(text, valueEnd);
    if (text.charCodeAt(at) !== COMMA) {
      return at + 1;
    }
    at = skipBlank(text, at + 1);
  }
  return at + 1;
}

/**
 * The members of an object in text order. Of a repeated name only the last
 * value is kept, in the place of the first, as JSON.parse does.
 */
export function objectMembers(text: JsonText): JsonMember[] {
  const members: JsonMember[] = [];
  let places: Map<string, number> | null = null;
  scanObject(text, skipBlank(text, 0), (nameStart, nameEnd, start, end) => {
    const name = unescape(text, nameStart, nameEnd);
    const member = { name, value: text.slice(start, end) as JsonText };
    // A few names are compared faster than they are hashed.
    let place: number | undefined;
    if (members.length < 16) {
      place = members.findIndex((earlier) => earlier.name === name);
    } else {
      places ??= new Map(
        members.map((earlier, index) => [earlier.name, index]),
      );
      place = places.get(name) ?? -1;
      if (place < 0) {
        places.set(name, members.length);
      }
    }
    if (place >= 0) {
      members[place] = member;
    } else {
      members.push(member);
    }
  });
  return members;
}

export function arrayElements(text: JsonText): JsonText[] {
  const elements: JsonText[] = [];
  let at = skipBlank(text, skipBlank(text, 0) + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_ARRAY) {
    const end = skipValue(text, at);
    elements.push(text.slice(at, end) as JsonText);
    at = skipBlank(text, end);
    if (text.charCodeAt(at) !== COMMA) {
      break;
    }
    at = skipBlank(text, at + 1);
  }
  return elements;
}

/** The characters that a JSON string token stands for. */
export function jsonString(token: JsonText): string {
  const start = skipBlank(token, 0);
  return unescape(token, start + 1, skipString(token, start) - 1);
}

/** The JSON token that stands for the characters; inverse of jsonString. */
export function jsonToken(characters: string): JsonText {
  return JSON.stringify(characters) as JsonText;
}

/** Unescapes the inside of a string token. */
export function unescape(text: string, start: number, end: number): string {
  const raw = text.slice(start, end);
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}

export function jsonKind(token: JsonText): JsonKind {
  switch (token.charCodeAt(skipBlank(token, 0))) {
    case 0x6e:
      return 'null';
    case 0x74:
    case 0x66:
      return 'boolean';
    case QUOTE:
      return 'string';
    case OPEN_ARRAY:
      return 'array';
    case OPEN_OBJECT:
      return 'object';
    default:
      return 'number';
  }
}
