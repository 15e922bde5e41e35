/**
 * Whether a value is spelled as it nearly always is, looked at where it lies in
 * bytes: digits with a dot, a date, a time in UTC. What is not may fit as well;
 * value-limits.ts knows.
 */
import { daysInMonth } from './value-times.ts';

const plus = 0x2b;
const minus = 0x2d;
const dash = 0x2d;
const dot = 0x2e;
const digitZero = 0x30;
const digitNine = 0x39;
const colon = 0x3a;
const space = 0x20;
const letterT = 0x54;
const letterZ = 0x5a;

/** Longer texts are none of these. */
const longest = 63;
const scratch = Buffer.alloc(longest + 1);

/**
 * A text as bytes, which are those of the next one after the next call, and a
 * zero behind them; null where it is too long, or not ASCII.
 */
export function asciiBytes(text: string): Buffer | null {
  const { length } = text;
  if (length > longest) {
    return null;
  }
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) {
      return null;
    }
    scratch[at] = code;
  }
  scratch[length] = 0;
  return scratch;
}

/**
 * A minus at most, digits, and a dot at most: no more of them before it and
 * behind it than these.
 */
export function isPlainDecimal(
  bytes: Buffer,
  start: number,
  end: number,
  wholeCount: number,
  fractionCount: number,
): boolean {
  const first = bytes[start] === minus ? start + 1 : start;
  let dotAt = -1;
  for (let at = first; at < end; at += 1) {
    const code = bytes[at]!;
    if (code === dot && dotAt < 0) {
      dotAt = at;
    } else if (code < digitZero || code > digitNine) {
      return false;
    }
  }
  const wholeEnd = dotAt < 0 ? end : dotAt;
  return (
    wholeEnd > first &&
    wholeEnd - first <= wholeCount &&
    (dotAt < 0 || end - dotAt - 1 <= fractionCount)
  );
}

/** NaN where there are no two digits. */
function twoDigits(bytes: Buffer, at: number): number {
  const tens = bytes[at]! - digitZero;
  const ones = bytes[at + 1]! - digitZero;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9
    ? tens * 10 + ones
    : Number.NaN;
}

/** Of four digits, inclusive. */
export interface PlainYears {
  readonly first: number;
  readonly last: number;
}

/** From `at` on stands a date of such a year: `2024-02-29`. */
export function isPlainDate(
  bytes: Buffer,
  at: number,
  years: PlainYears,
): boolean {
  const year = twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2);
  const month = twoDigits(bytes, at + 5);
  const day = twoDigits(bytes, at + 8);
  return (
    year >= years.first &&
    year <= years.last &&
    bytes[at + 4] === dash &&
    bytes[at + 7] === dash &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    (day <= 28 || day <= daysInMonth(year, month))
  );
}

/** `12:00:00`, and a fraction of at most so many digits. */
export function isPlainTime(
  bytes: Buffer,
  start: number,
  end: number,
  fractionDigits: number,
): boolean {
  return plainTimeEnd(bytes, start, fractionDigits) === end;
}

/** A date, `T` or a space, a time, and nothing or UTC's zone. */
export function isPlainTimestamp(
  bytes: Buffer,
  start: number,
  end: number,
  years: PlainYears,
  fractionDigits: number,
): boolean {
  const separator = bytes[start + 10];
  if (
    (separator !== letterT && separator !== space) ||
    !isPlainDate(bytes, start, years)
  ) {
    return false;
  }
  const timeEnd = plainTimeEnd(bytes, start + 11, fractionDigits);
  return timeEnd > 0 && plainZoneEnd(bytes, timeEnd) === end;
}

/** -1 where there is none. */
function plainTimeEnd(
  bytes: Buffer,
  start: number,
  fractionDigits: number,
): number {
  if (
    !(twoDigits(bytes, start) < 24) ||
    bytes[start + 2] !== colon ||
    !(twoDigits(bytes, start + 3) < 60) ||
    bytes[start + 5] !== colon ||
    !(twoDigits(bytes, start + 6) < 60)
  ) {
    return -1;
  }
  const dotAt = start + 8;
  if (bytes[dotAt] !== dot) {
    return dotAt;
  }
  let end = dotAt + 1;
  while (bytes[end]! >= digitZero && bytes[end]! <= digitNine) {
    end += 1;
  }
  const count = end - dotAt - 1;
  return count > 0 && count <= fractionDigits ? end : -1;
}

/** The same position where there is none. */
function plainZoneEnd(bytes: Buffer, start: number): number {
  if (bytes[start] === letterZ) {
    return start + 1;
  }
  if (bytes[start] !== plus || twoDigits(bytes, start + 1) !== 0) {
    return start;
  }
  return bytes[start + 3] === colon && twoDigits(bytes, start + 4) === 0
    ? start + 6
    : start + 3;
}
