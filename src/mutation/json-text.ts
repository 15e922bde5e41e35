/**
 * Reading JSON as text: no objects are built and no digit is interpreted.
 *
 * Every character was looked at once, at the socket (json-validation.ts).
 * Here that is trusted: on text that was never validated the answers are
 * arbitrary, though no call loops for ever.
 */
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

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** The position of the first character at or behind `pos` that is not blank. */
export function skipBlank(text: string, pos: number): number {
  // Small enough to be inlined; few places have more than one blank.
  return text.charCodeAt(pos) > SPACE ? pos : skipBlanks(text, pos);
}

function skipBlanks(text: string, pos: number): number {
  let at = pos;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== SPACE && code !== NEWLINE && code !== RETURN && code !== TAB) {
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

/** By search, which takes half the time of looking at each character. */
function skipString(text: string, start: number): number {
  for (let at = start; ;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) {
      return text.length;
    }
    // Behind an odd number of backslashes it is one of the string's characters.
    let first = at;
    while (text.charCodeAt(first - 1) === BACKSLASH) {
      first -= 1;
    }
    if ((at - first) % 2 === 0) {
      return at + 1;
    }
  }
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

/** The value of one member, the last of that name; null without one. */
export function memberValue(text: JsonText, wanted: string): JsonText | null {
  let found: JsonText | null = null;
  scanObject(text, skipBlank(text, 0), (nameStart, nameEnd, start, end) => {
    // A name with escapes is longer than what it says.
    if (
      nameEnd - nameStart >= wanted.length &&
      unescape(text, nameStart, nameEnd) === wanted
    ) {
      found = text.slice(start, end) as JsonText;
    }
  });
  return found;
}

/**
 * Calls `visit` for the elements of the array that starts at `start`; of a
 * longer one for no more than `maxCount`.
 */
export function scanArray(
  text: string,
  start: number,
  visit: (elementStart: number, elementEnd: number) => void,
  maxCount = Infinity,
): void {
  let at = skipBlank(text, start + 1);
  for (
    let count = 0;
    count < maxCount && at < text.length && text.charCodeAt(at) !== CLOSE_ARRAY;
    count += 1
  ) {
    const end = skipValue(text, at);
    visit(at, end);
    at = skipBlank(text, end);
    if (text.charCodeAt(at) !== COMMA) {
      break;
    }
    at = skipBlank(text, at + 1);
  }
}

/** The elements of an array; of a longer one no more than `maxCount`. */
export function arrayElements(
  text: JsonText,
  maxCount: number = Infinity,
): JsonText[] {
  const elements: JsonText[] = [];
  scanArray(
    text,
    skipBlank(text, 0),
    (start, end) => elements.push(text.slice(start, end) as JsonText),
    maxCount,
  );
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
