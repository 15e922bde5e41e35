/**
 * Does a value fit its target column as it is? Pure checks on decoded text,
 * for every engine: introspect.ts of an engine knows the limits, its values.ts
 * runs the checks. The ordinary value passes without being parsed.
 */
import {
  areEqualDecimals,
  largestDecimal,
  parseDecimal,
  type PlainDecimal,
  printDecimal,
  roundDecimal,
} from './value-decimal.ts';
import {
  dateRefusal,
  limitInstant,
  limitTime,
  timeRefusal,
  timestampRefusal,
} from './value-times.ts';
import { UnstorableValue } from '../value-policy.ts';
import {
  asciiBytes,
  isPlainDate,
  isPlainDecimal,
  isPlainTime,
  isPlainTimestamp,
  type PlainYears,
} from './plain-bytes.ts';

/**
 * Null: fits. The error's message holds no row data; its clamped text is
 * written as the source writes values, so an engine that writes the type
 * otherwise turns it into its own form as well.
 */
export type ValueCheck = (text: string) => UnstorableValue | null;

const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;

/** `1.0` and `1e3` are whole numbers too. */
export function integerCheck(min: bigint, max: bigint): ValueCheck {
  // The range must reach down to zero for digits alone to decide.
  const largest = min <= 0n && max >= 0n ? String(max) : '';
  const smallest = min <= 0n && max >= 0n ? String(-min) : '';
  return (text) => {
    const start = text.charCodeAt(0) === minus ? 1 : 0;
    const limit = start === 0 ? largest : smallest;
    const length = text.length - start;
    const fits =
      length > 0 &&
      areDigits(text, start) &&
      // Digits of one length compare as text.
      (length < limit.length ||
        (length === limit.length && text.slice(start) <= limit));
    return fits ? null : integerRefusal(text, min, max);
  };
}

function areDigits(text: string, start: number): boolean {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < zero || code > nine) {
      return false;
    }
  }
  return true;
}

function integerRefusal(
  text: string,
  min: bigint,
  max: bigint,
): UnstorableValue | null {
  const decimal = parseDecimal(text);
  if (decimal === null) {
    return new UnstorableValue('is not a whole number');
  }
  const rounded = roundDecimal(decimal, 0);
  // Written out only when it is known to be short.
  const isLong = rounded.point > String(min).length + String(max).length;
  const whole = isLong ? null : BigInt(printDecimal(rounded));
  if (whole === null || whole < min || whole > max) {
    const isBelow = whole === null ? decimal.negative : whole < min;
    return new UnstorableValue(
      `is outside ${min} to ${max}`,
      String(isBelow ? min : max),
    );
  }
  return areEqualDecimals(decimal, rounded)
    ? null
    : new UnstorableValue(
        'has a fraction, and the column holds whole numbers',
        String(whole),
      );
}

export interface DecimalCheckOptions {
  /** PostgreSQL's numeric, also of limited precision. */
  readonly allowsNaN?: boolean;
}

/** Zeros at the end of a fraction are no digits. A scale may be negative. */
export function decimalCheck(
  precision: number,
  scale: number,
  { allowsNaN = false }: DecimalCheckOptions = {},
): ValueCheck {
  const wholeCount = precision - scale;
  return (text) =>
    (wholeCount > 0 && scale >= 0 && isPlainText(text, wholeCount, scale)) ||
    (allowsNaN && text === 'NaN')
      ? null
      : decimalRefusal(text, precision, scale);
}

/** Digits with at most one dot, so few that it fits. */
function isPlainText(
  text: string,
  wholeCount: number,
  fractionCount: number,
): boolean {
  const bytes = asciiBytes(text);
  return (
    bytes !== null &&
    isPlainDecimal(bytes, 0, text.length, wholeCount, fractionCount)
  );
}

function decimalRefusal(
  text: string,
  precision: number,
  scale: number,
): UnstorableValue | null {
  const decimal = parseDecimal(text);
  if (decimal === null) {
    return new UnstorableValue('is not a finite decimal number');
  }
  const rounded = roundDecimal(decimal, scale);
  if (rounded.digits !== '' && rounded.point > precision - scale) {
    return new UnstorableValue(
      `has more than ${precision - scale} digits before the point`,
      printDecimal(largestDecimal(decimal.negative, precision, scale)),
    );
  }
  return areEqualDecimals(decimal, rounded)
    ? null
    : new UnstorableValue(
        `has digits beyond the scale of ${scale}`,
        printDecimal(rounded),
      );
}

/**
 * Numbers of any size with at most so many significant digits (Oracle's
 * NUMBER). `maxPoint` is how many digits may stand before the point, and
 * how far behind it the first digit may stand.
 */
export function significantDigitsCheck(
  digitCount: number,
  maxPoint: number,
): ValueCheck {
  return (text) =>
    isPlainText(text, Math.min(digitCount, maxPoint), 0)
      ? null
      : significantDigitsRefusal(text, digitCount, maxPoint);
}

function significantDigitsRefusal(
  text: string,
  digitCount: number,
  maxPoint: number,
): UnstorableValue | null {
  const decimal = parseDecimal(text);
  if (decimal === null) {
    return new UnstorableValue('is not a finite decimal number');
  }
  if (decimal.point > maxPoint) {
    return new UnstorableValue(
      `has more than ${maxPoint} digits before the point`,
      printDecimal(
        largestDecimal(decimal.negative, digitCount, digitCount - maxPoint),
      ),
    );
  }
  if (decimal.point < -maxPoint) {
    return new UnstorableValue('is too near to zero', '0');
  }
  const rounded = roundDecimal(decimal, digitCount - decimal.point);
  return areEqualDecimals(decimal, rounded)
    ? null
    : new UnstorableValue(
        `has more than ${digitCount} significant digits`,
        printDecimal(rounded),
      );
}

export interface FloatCheckOptions {
  /** NaN and the infinities are values of the type. */
  readonly allowsSpecial?: boolean;
}

/** So many significant digits always survive, and so many always suffice. */
const floatDigits = { 32: { safe: 6, full: 9 }, 64: { safe: 15, full: 17 } };
const smallestNormal32 = 2 ** -126;
const specialFloats = /^(?:nan|[+-]?inf(?:inity)?)$/i;

/**
 * Fits when reading the column gives the same number again: the text is the
 * shortest one of its float, or the one with all digits.
 */
export function floatCheck(
  bits: 32 | 64,
  { allowsSpecial = false }: FloatCheckOptions = {},
): ValueCheck {
  const { safe } = floatDigits[bits];
  return (text) =>
    // The dot only makes it stricter.
    (text.length <= safe && isPlainText(text, safe, safe)) ||
    (bits === 64 && isPrintedDouble(text))
      ? null
      : floatRefusal(text, bits, allowsSpecial);
}

/** Finite and as short as it can be, which is how every source prints it. */
function isPrintedDouble(text: string): boolean {
  const value = Number(text);
  return Number.isFinite(value) && String(value) === text;
}

function floatRefusal(
  text: string,
  bits: 32 | 64,
  allowsSpecial: boolean,
): UnstorableValue | null {
  const decimal = parseDecimal(text);
  if (decimal === null) {
    return specialFloats.test(text)
      ? allowsSpecial
        ? null
        : new UnstorableValue('is not a finite number')
      : new UnstorableValue('is not a number');
  }
  const double = Number(text);
  const float = bits === 32 ? Math.fround(double) : double;
  if (!Number.isFinite(float)) {
    return new UnstorableValue(
      `is outside what a float of ${bits} bits holds`,
      `${decimal.negative ? '-' : ''}${bits === 32 ? '3.4028235e+38' : '1.7976931348623157e+308'}`,
    );
  }
  // A float of 32 bits may have been written as the float of 64 that it is.
  if (
    (float === double && isFloatText(decimal, double, 64)) ||
    (bits === 32 && isFloatText(decimal, float, 32))
  ) {
    return null;
  }
  return new UnstorableValue(
    `would be rounded by a float of ${bits} bits`,
    shortestText(float, bits),
  );
}

/** The float itself, rounded to so few digits that it is still told by them. */
function isFloatText(
  decimal: PlainDecimal,
  float: number,
  bits: 32 | 64,
): boolean {
  return roundings(float, bits).some((text) =>
    areEqualDecimals(decimal, parseDecimal(text)!),
  );
}

function shortestText(float: number, bits: 32 | 64): string {
  return roundings(float, bits)[0]!;
}

/**
 * From the shortest on. Which one a server takes for the shortest depends on
 * whether a text half way between two floats counts: PostgreSQL prints
 * 1.8859421e+08 though 1.885942e+08 is read as the same float.
 */
function roundings(float: number, bits: 32 | 64): string[] {
  const { safe, full } = floatDigits[bits];
  if (bits === 64) {
    return [String(float), float.toPrecision(full)];
  }
  // Below the normal range fewer digits tell floats apart.
  const first = Math.abs(float) < smallestNormal32 ? 1 : safe;
  const texts: string[] = [];
  for (let digitCount = first; digitCount <= full; digitCount++) {
    const text = float.toPrecision(digitCount);
    if (digitCount === full || Math.fround(Number(text)) === float) {
      texts.push(text);
    }
  }
  return texts;
}

export interface TextCheckOptions {
  /** Null: any length. */
  readonly maxLength: number | null;
  /** `characters` are code points. */
  readonly unit: 'characters' | 'utf16' | 'bytes';
  readonly refusesNul?: boolean;
}

/** UTF-8 takes three bytes for a UTF-16 unit at most. */
const maxBytesPerUnit = 3;

export function textCheck({
  maxLength,
  unit,
  refusesNul = false,
}: TextCheckOptions): ValueCheck {
  const limit = maxLength ?? Number.POSITIVE_INFINITY;
  const safeLength =
    unit === 'bytes' ? Math.floor(limit / maxBytesPerUnit) : limit;
  return (text) =>
    (text.length <= safeLength || lengthIn(unit, text) <= limit) &&
    !(refusesNul && text.includes('\0'))
      ? null
      : textRefusal(text, limit, unit, refusesNul);
}

function lengthIn(unit: TextCheckOptions['unit'], text: string): number {
  switch (unit) {
    case 'utf16':
      return text.length;
    case 'bytes':
      return Buffer.byteLength(text);
    case 'characters': {
      let count = text.length;
      for (let at = 0; at < text.length; at++) {
        if (isPairAt(text, at)) {
          count -= 1;
          at += 1;
        }
      }
      return count;
    }
  }
}

function isPairAt(text: string, at: number): boolean {
  return text.codePointAt(at)! > 0xffff;
}

function textRefusal(
  text: string,
  limit: number,
  unit: TextCheckOptions['unit'],
  refusesNul: boolean,
): UnstorableValue {
  const kept = refusesNul ? text.replaceAll('\0', '') : text;
  const cut = cutText(kept, limit, unit);
  const unitName = unit === 'utf16' ? 'UTF-16 units' : unit;
  return new UnstorableValue(
    kept.length === text.length
      ? `is longer than ${limit} ${unitName}`
      : 'holds the character U+0000',
    cut,
  );
}

/** The longest start of the text that fits, whole code points only. */
function cutText(
  text: string,
  limit: number,
  unit: TextCheckOptions['unit'],
): string {
  let length = 0;
  let end = 0;
  while (end < text.length) {
    const unitCount = isPairAt(text, end) ? 2 : 1;
    length +=
      unit === 'bytes'
        ? Buffer.byteLength(text.slice(end, end + unitCount))
        : unit === 'utf16'
          ? unitCount
          : 1;
    if (length > limit) {
      break;
    }
    end += unitCount;
  }
  return text.slice(0, end);
}

export interface DateCheckOptions {
  /** `0001-01-01`; both are inclusive. */
  readonly min: string;
  readonly max: string;
  /** `infinity` and `-infinity` are values of the type. */
  readonly allowsInfinity?: boolean;
}

/** A date with a time other than midnight is no date. */
export function dateCheck(options: DateCheckOptions): ValueCheck {
  const limits = {
    min: limitInstant(options.min),
    max: limitInstant(options.max),
    allowsInfinity: options.allowsInfinity ?? false,
  };
  const plainYears = yearsWithin(options);
  return (text) => {
    const bytes = text.length === 10 ? asciiBytes(text) : null;
    return bytes && isPlainDate(bytes, 0, plainYears)
      ? null
      : dateRefusal(text, limits);
  };
}

export interface TimestampCheckOptions extends DateCheckOptions {
  readonly fractionDigits: number;
  /**
   * What the column does with a zone: `kept` as the instant that it means, or
   * `utc` for a type without zone that would drop it: only zero passes.
   */
  readonly zone?: 'kept' | 'utc';
}

export function timestampCheck(options: TimestampCheckOptions): ValueCheck {
  const { fractionDigits } = options;
  const max = limitInstant(options.max);
  const limits = {
    min: limitInstant(options.min),
    // The column ends where its digits do.
    max: { ...max, fraction: max.fraction.slice(0, fractionDigits) },
    allowsInfinity: options.allowsInfinity ?? false,
    fractionDigits,
    keepsZone: options.zone !== 'utc',
  };
  const plainYears = yearsWithin(options);
  return (text) => {
    const bytes = asciiBytes(text);
    return bytes &&
      isPlainTimestamp(bytes, 0, text.length, plainYears, fractionDigits)
      ? null
      : timestampRefusal(text, limits);
  };
}

export interface TimeCheckOptions {
  /** `00:00:00`, `-838:59:59`; both are inclusive. */
  readonly min: string;
  readonly max: string;
  readonly fractionDigits: number;
  /** The type holds an offset (timetz); else a time with one does not fit. */
  readonly hasZone?: boolean;
}

export function timeCheck(options: TimeCheckOptions): ValueCheck {
  const { fractionDigits, hasZone = false } = options;
  const end = limitTime(options.max);
  const max = { ...end, fraction: end.fraction.slice(0, fractionDigits) };
  const limits = {
    min: limitTime(options.min),
    max,
    fractionDigits,
    hasZone,
  };
  const holdsEveryDay =
    limits.min.total <= 0 &&
    (limits.min.negative || limits.min.fraction === '') &&
    (max.total > lastSecondOfDay ||
      (max.total === lastSecondOfDay &&
        max.fraction === '9'.repeat(fractionDigits)));
  return (text) => {
    const bytes = holdsEveryDay ? asciiBytes(text) : null;
    return bytes && isPlainTime(bytes, 0, text.length, fractionDigits)
      ? null
      : timeRefusal(text, limits);
  };
}

const lastSecondOfDay = 86_399;

/** The years of four digits all of whose instants, in any zone, are inside. */
function yearsWithin({ min, max }: DateCheckOptions): PlainYears {
  const first = limitInstant(min).year;
  const last = limitInstant(max).year;
  return {
    first: Math.max(1, first + 1),
    last: Math.min(9999, last - 1),
  };
}
