/**
 * Where a JSON value ends in the bytes of its UTF-8: `skipValue` of json-text.ts
 * for rows that are written as they came, so that no text is ever made of them.
 *
 * Every character was looked at once, at the socket (json-validation.ts).
 * Here that is trusted: on bytes that were never validated the answers are
 * arbitrary, though no call reads beyond `end`.
 */

const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** The ends of longer strings are searched for, which has a price of its own. */
const nearBytes = 64;

/** The position behind the value that starts at `pos`. */
export function valueEnd(bytes: Buffer, pos: number, end: number): number {
  const first = bytes[pos]!;
  if (first === QUOTE) {
    return stringEnd(bytes, pos, end);
  }
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
    return containerEnd(bytes, pos, end);
  }
  let at = pos + 1;
  while (at < end) {
    const code = bytes[at]!;
    // Digits, signs, dots and letters are all above the comma, or a plus.
    const isBehind =
      code <= COMMA
        ? code !== PLUS
        : code === CLOSE_ARRAY || code === CLOSE_OBJECT;
    if (isBehind) {
      return at;
    }
    at += 1;
  }
  return end;
}

function stringEnd(bytes: Buffer, start: number, end: number): number {
  const near = Math.min(end, start + nearBytes);
  let at = start + 1;
  while (at < near) {
    const code = bytes[at]!;
    if (code === QUOTE) {
      return at + 1;
    }
    at += code === BACKSLASH ? 2 : 1;
  }
  return at < end ? farStringEnd(bytes, at, end) : end;
}

/** Nothing before `from` escapes what is there. */
function farStringEnd(bytes: Buffer, from: number, end: number): number {
  for (let at = from - 1; ;) {
    at = bytes.indexOf(QUOTE, at + 1);
    if (at < 0 || at >= end) {
      return end;
    }
    // Behind an odd number of backslashes it is one of the string's characters.
    let first = at;
    while (first > from && bytes[first - 1] === BACKSLASH) {
      first -= 1;
    }
    if ((at - first) % 2 === 0) {
      return at + 1;
    }
  }
}

function containerEnd(bytes: Buffer, start: number, end: number): number {
  let at = start + 1;
  let depth = 1;
  while (at < end) {
    const code = bytes[at]!;
    if (code === QUOTE) {
      at = stringEnd(bytes, at, end);
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
  return end;
}
