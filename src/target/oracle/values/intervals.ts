/**
 * Intervals and times of day as CockroachDB and PostgreSQL write them, to the
 * two interval types of Oracle: months, or days and seconds, never both.
 */
import { UnstorableValue } from '../../value-policy.ts';

interface Interval {
  readonly months: bigint;
  /** Of days of 24 hours, as Oracle counts them. */
  readonly seconds: bigint;
  /** Nanoseconds of the last second, with the sign of the whole. */
  readonly nanos: bigint;
}

const nanosPerSecond = 1_000_000_000n;
const unitMonths: Readonly<Record<string, bigint>> = {
  year: 12n,
  years: 12n,
  mon: 1n,
  mons: 1n,
  month: 1n,
  months: 1n,
};
const clockPattern = /^([+-]?)(\d+):(\d\d)(?::(\d\d)(?:\.(\d{1,9})0*)?)?$/;
const isoPattern =
  /^P(?:([+-]?\d+)Y)?(?:([+-]?\d+)M)?(?:([+-]?\d+)W)?(?:([+-]?\d+)D)?(?:T(?:([+-]?\d+)H)?(?:([+-]?\d+)M)?(?:([+-]?)(\d+)(?:\.(\d{1,9})0*)?S)?)?$/;

/** Null for what is no interval. */
function parseInterval(text: string): Interval | null {
  return text.startsWith('P') ? parseIso(text) : parseWords(text);
}

function parseIso(text: string): Interval | null {
  const match = isoPattern.exec(text);
  if (!match || text === 'P' || text.endsWith('T')) {
    return null;
  }
  const [years, months, weeks, days, hours, minutes] = match
    .slice(1, 7)
    .map((part) => BigInt(part ?? 0)) as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  const sign = match[7] === '-' ? -1n : 1n;
  const total =
    ((weeks * 7n + days) * 86_400n +
      hours * 3600n +
      minutes * 60n +
      sign * BigInt(match[8] ?? 0)) *
      nanosPerSecond +
    sign * nanosOf(match[9]);
  return interval(years * 12n + months, total);
}

/** `1 year 2 mons -3 days 04:05:06.7`, or a time of day alone. */
function parseWords(text: string): Interval | null {
  const words = text.split(' ').filter((word) => word !== '');
  let months = 0n;
  let total = 0n;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]!;
    const clock = clockPattern.exec(word);
    if (clock) {
      const [, sign, hours, minutes, seconds = 0, fraction] = clock;
      if (Number(minutes) > 59 || Number(seconds) > 59) {
        return null;
      }
      const value =
        (BigInt(hours!) * 3600n + BigInt(minutes!) * 60n + BigInt(seconds)) *
          nanosPerSecond +
        nanosOf(fraction);
      total += sign === '-' ? -value : value;
      continue;
    }
    const unit = words[at + 1];
    if (!/^[+-]?\d+$/.test(word) || unit === undefined) {
      return null;
    }
    if (unit === 'day' || unit === 'days') {
      total += BigInt(word) * 86_400n * nanosPerSecond;
    } else if (Object.hasOwn(unitMonths, unit)) {
      months += BigInt(word) * unitMonths[unit]!;
    } else {
      return null;
    }
    at += 1;
  }
  return words.length === 0 ? null : interval(months, total);
}

function nanosOf(fraction: string | undefined): bigint {
  return BigInt((fraction ?? '').padEnd(9, '0'));
}

function interval(months: bigint, totalNanos: bigint): Interval {
  return {
    months,
    seconds: totalNanos / nanosPerSecond,
    nanos: totalNanos % nanosPerSecond,
  };
}

/** The text for to_yminterval: `-0001-02`. Throws UnstorableValue. */
export function yearMonthText(text: string, yearDigits: number): string {
  const parsed = parseInterval(text);
  if (!parsed) {
    throw new UnstorableValue('is not an interval');
  }
  if (parsed.seconds !== 0n || parsed.nanos !== 0n) {
    throw new UnstorableValue(
      'has days or a time, and the column holds years and months',
    );
  }
  const months = absolute(parsed.months);
  const years = String(months / 12n);
  if (years.length > yearDigits && years !== '0') {
    throw new UnstorableValue(`has more than ${yearDigits} digits of years`);
  }
  return `${parsed.months < 0n ? '-' : '+'}${years}-${String(months % 12n).padStart(2, '0')}`;
}

/** The text for to_dsinterval: `-3 04:05:06.789000000`. Throws UnstorableValue. */
export function daySecondText(
  text: string,
  {
    dayDigits,
    fractionDigits,
  }: { readonly dayDigits: number; readonly fractionDigits: number },
): string {
  const parsed = parseInterval(text);
  if (!parsed) {
    throw new UnstorableValue('is neither an interval nor a time of day');
  }
  if (parsed.months !== 0n) {
    throw new UnstorableValue(
      'has years or months, and the column holds days and a time',
    );
  }
  const seconds = absolute(parsed.seconds);
  const days = String(seconds / 86_400n);
  // A leading precision of zero still holds "no days".
  if (days.length > dayDigits && days !== '0') {
    throw new UnstorableValue(`has more than ${dayDigits} digits of days`);
  }
  const fraction = String(absolute(parsed.nanos)).padStart(9, '0');
  if (/[1-9]/.test(fraction.slice(fractionDigits))) {
    throw new UnstorableValue(
      `has more than ${fractionDigits} digits in the fraction of its second`,
    );
  }
  const sign = parsed.seconds < 0n || parsed.nanos < 0n ? '-' : '+';
  const clock = [seconds / 3600n, seconds / 60n, seconds].map((part, index) =>
    String(part % (index === 0 ? 24n : 60n)).padStart(2, '0'),
  );
  return `${sign}${days} ${clock.join(':')}.${fraction}`;
}

function absolute(number: bigint): bigint {
  return number < 0n ? -number : number;
}
