/**
 * Dates, times and timestamps as CockroachDB and PostgreSQL write them, of any
 * year and with any number of fraction digits: never a JavaScript Date.
 */
import { UnstorableValue } from '../value-policy.ts';

const digitZero = 0x30;

const daySeconds = 86_400;
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export function daysInMonth(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 && isLeap ? 29 : monthDays[month - 1]!;
}

/** A point on the calendar; where a zone is known, in UTC. */
interface Instant {
  /** Since 1970-01-01. */
  readonly days: number;
  readonly seconds: number;
  /** Digits of the second's fraction without zeros at the end. */
  readonly fraction: string;
}

interface ParsedInstant {
  /** As on the calendar and the clock of the text's own zone. */
  readonly local: Instant;
  /** Astronomical: 0 is 1 BC. */
  readonly year: number;
  readonly offsetSeconds: number;
  /** As it stands in the text: '' for none. */
  readonly zone: string;
  readonly hasTime: boolean;
  /** `T` or a space. */
  readonly separator: string;
  /** 24:00:00, which is the next day's midnight. */
  readonly isMidnightAtEnd: boolean;
}

const instantPattern =
  /^([+-]?\d{4,9})-(\d\d)-(\d\d)(?:([T ])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?)?( BC)?$/;
const zonePattern = /^([+-])(\d\d):?(\d\d)?:?(\d\d)?$/;

function parseInstant(text: string): ParsedInstant | null {
  const match = instantPattern.exec(text);
  if (!match) {
    return null;
  }
  const [, yearText, monthText, dayText, separator, ...clock] = match;
  const [hour, minute, second] = clock.slice(0, 3).map((part) => +(part ?? 0));
  const fraction = (clock[3] ?? '').replace(/0+$/, '');
  const zone = clock[4] ?? '';
  const year = clock[5] === undefined ? Number(yearText) : 1 - Number(yearText);
  const month = Number(monthText);
  const day = Number(dayText);
  const isMidnightAtEnd =
    hour === 24 && minute === 0 && second === 0 && fraction === '';
  if (
    month < 1 ||
    month > 12 ||
    day < 1 ||
    day > daysInMonth(year, month) ||
    (hour! > 23 && !isMidnightAtEnd) ||
    minute! > 59 ||
    second! > 59
  ) {
    return null;
  }
  return {
    local: normalized(
      daysSinceEpoch(year, month, day),
      hour! * 3600 + minute! * 60 + second!,
      fraction,
    ),
    year,
    offsetSeconds: offsetOf(zone),
    zone,
    hasTime: separator !== undefined,
    separator: separator ?? ' ',
    isMidnightAtEnd,
  };
}

function offsetOf(zone: string): number {
  const match = zonePattern.exec(zone);
  if (!match) {
    return 0;
  }
  const [, sign, hours, minutes = 0, seconds = 0] = match;
  return (
    (sign === '-' ? -1 : 1) *
    (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
  );
}

function normalized(days: number, seconds: number, fraction: string): Instant {
  const carried = Math.floor(seconds / daySeconds);
  return {
    days: days + carried,
    seconds: seconds - carried * daySeconds,
    fraction,
  };
}

/** Of the Gregorian calendar, extended in both directions. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  // Years that begin in March, in eras of 400.
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return (
    era * 146_097 +
    yearOfEra * 365 +
    Math.floor(yearOfEra / 4) -
    Math.floor(yearOfEra / 100) +
    dayOfYear -
    719_468
  );
}

function printDate(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra -
    (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = ((shiftedMonth + 2) % 12) + 1;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const printed = String(year > 0 ? year : 1 - year).padStart(4, '0');
  return `${printed}-${padded(month)}-${padded(day)}`;
}

function isBeforeChrist(days: number): boolean {
  return days < daysSinceEpoch(1, 1, 1);
}

function padded(count: number): string {
  return String(count).padStart(2, '0');
}

function printClock(seconds: number, fraction: string): string {
  const hours = padded(Math.floor(seconds / 3600));
  const minutes = padded(Math.floor(seconds / 60) % 60);
  const point = fraction === '' ? '' : `.${fraction}`;
  return `${hours}:${minutes}:${padded(seconds % 60)}${point}`;
}

function printInstant(
  { days, seconds, fraction }: Instant,
  { separator, zone }: { readonly separator: string; readonly zone: string },
): string {
  return `${printDate(days)}${separator}${printClock(seconds, fraction)}${zone}${isBeforeChrist(days) ? ' BC' : ''}`;
}

function printDay(days: number): string {
  return `${printDate(days)}${isBeforeChrist(days) ? ' BC' : ''}`;
}

function compareInstants(a: Instant, b: Instant): number {
  return (
    a.days - b.days ||
    a.seconds - b.seconds ||
    (a.fraction < b.fraction ? -1 : a.fraction > b.fraction ? 1 : 0)
  );
}

/** To so many fraction digits, halves up; `carry` is 1 where a second is full. */
function roundFraction(
  fraction: string,
  digitCount: number,
): { readonly fraction: string; readonly carry: number } {
  if (fraction.length <= digitCount) {
    return { fraction, carry: 0 };
  }
  const kept = fraction.slice(0, digitCount);
  const raised =
    fraction.charCodeAt(digitCount) < digitZero + 5
      ? kept
      : String(BigInt(kept === '' ? 0 : kept) + 1n).padStart(digitCount, '0');
  const isFull = raised.length > digitCount;
  return {
    fraction: isFull ? '' : raised.replace(/0+$/, ''),
    carry: isFull ? 1 : 0,
  };
}

export interface Limit extends Instant {
  readonly year: number;
}

/** For the ends of a range, which are ours and right; without zone: UTC. */
export function limitInstant(text: string): Limit {
  const parsed = parseInstant(text);
  if (!parsed) {
    throw new TypeError(`not a date or timestamp: ${text}`);
  }
  return { ...utcOf(parsed), year: parsed.year };
}

function utcOf({ local, offsetSeconds }: ParsedInstant): Instant {
  return offsetSeconds === 0
    ? local
    : normalized(local.days, local.seconds - offsetSeconds, local.fraction);
}

export interface InstantLimits {
  readonly min: Limit;
  readonly max: Limit;
  readonly allowsInfinity: boolean;
}

function infinityRefusal(
  text: string,
  limits: InstantLimits,
  print: (limit: Instant) => string,
): UnstorableValue | null | undefined {
  if (text !== 'infinity' && text !== '-infinity') {
    return undefined;
  }
  return limits.allowsInfinity
    ? null
    : new UnstorableValue(
        `is ${text}`,
        print(text === 'infinity' ? limits.max : limits.min),
      );
}

export function dateRefusal(
  text: string,
  limits: InstantLimits,
): UnstorableValue | null {
  const ofInfinity = infinityRefusal(text, limits, ({ days }) =>
    printDay(days),
  );
  if (ofInfinity !== undefined) {
    return ofInfinity;
  }
  const parsed = parseInstant(text);
  if (!parsed) {
    return new UnstorableValue('is not a date');
  }
  const { days, seconds, fraction } = parsed.local;
  const end =
    days < limits.min.days
      ? limits.min
      : days > limits.max.days
        ? limits.max
        : null;
  if (end) {
    return new UnstorableValue(
      `is outside ${printDay(limits.min.days)} to ${printDay(limits.max.days)}`,
      printDay(end.days),
    );
  }
  return seconds > 0 || fraction !== '' || parsed.isMidnightAtEnd
    ? new UnstorableValue(
        'has a time of day, which the column would drop',
        printDay(days),
      )
    : null;
}

export function timestampRefusal(
  text: string,
  limits: InstantLimits & {
    readonly fractionDigits: number;
    readonly keepsZone: boolean;
  },
): UnstorableValue | null {
  const { min, max } = limits;
  const plain = { separator: ' ', zone: '' };
  const ofInfinity = infinityRefusal(text, limits, (limit) =>
    printInstant(limit, plain),
  );
  if (ofInfinity !== undefined) {
    return ofInfinity;
  }
  const parsed = parseInstant(text);
  if (!parsed) {
    return new UnstorableValue('is not a timestamp');
  }
  const utc = utcOf(parsed);
  const { fraction, carry } = roundFraction(
    utc.fraction,
    limits.fractionDigits,
  );
  const rounded = normalized(utc.days, utc.seconds + carry, fraction);
  const end =
    compareInstants(rounded, min) < 0
      ? min
      : compareInstants(rounded, max) > 0
        ? max
        : null;
  const { separator } = parsed;
  // UTC, for the limits are.
  const zone = parsed.zone === '' || !limits.keepsZone ? '' : 'Z';
  if (end) {
    return new UnstorableValue(
      `is outside ${printInstant(min, plain)} to ${printInstant(max, plain)}`,
      printInstant(end, { separator, zone }),
    );
  }
  const reason =
    parsed.offsetSeconds !== 0 && !limits.keepsZone
      ? 'has a zone, which the column would drop'
      : fraction !== utc.fraction || carry > 0
        ? `has more than ${limits.fractionDigits} digits in the fraction of its second`
        : parsed.isMidnightAtEnd
          ? 'is at 24:00:00'
          : null;
  return reason === null
    ? null
    : new UnstorableValue(reason, printInstant(rounded, { separator, zone }));
}

export interface TimeLimit {
  readonly negative: boolean;
  /** Whole seconds with their sign. */
  readonly total: number;
  readonly fraction: string;
}

const timePattern =
  /^(-)?(\d{2,4}):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?$/;

function parseTime(text: string): (TimeLimit & { zone: string }) | null {
  const match = timePattern.exec(text);
  if (!match) {
    return null;
  }
  const [, sign, hours, minutes, seconds = 0, fraction = '', zone = ''] = match;
  if (Number(minutes) > 59 || Number(seconds) > 59) {
    return null;
  }
  const negative = sign !== undefined;
  const total = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return {
    negative,
    total: negative ? -total : total,
    fraction: fraction.replace(/0+$/, ''),
    zone,
  };
}

export function limitTime(text: string): TimeLimit {
  const parsed = parseTime(text);
  if (!parsed) {
    throw new TypeError(`not a time: ${text}`);
  }
  return parsed;
}

function compareTimes(a: TimeLimit, b: TimeLimit): number {
  if (a.total !== b.total) {
    return a.total - b.total;
  }
  if (a.negative !== b.negative) {
    // Of one total only when that is zero.
    return a.negative ? -1 : 1;
  }
  const order = a.fraction < b.fraction ? -1 : a.fraction > b.fraction ? 1 : 0;
  return a.negative ? -order : order;
}

function printTime({ negative, total, fraction }: TimeLimit): string {
  return `${negative ? '-' : ''}${printClock(Math.abs(total), fraction)}`;
}

export function timeRefusal(
  text: string,
  limits: {
    readonly min: TimeLimit;
    readonly max: TimeLimit;
    readonly fractionDigits: number;
    readonly hasZone: boolean;
  },
): UnstorableValue | null {
  const { min, max } = limits;
  const parsed = parseTime(text);
  if (!parsed) {
    return new UnstorableValue(
      parseInstant(text) === null
        ? 'is not a time of day'
        : 'has a date, which the column would drop',
    );
  }
  if (parsed.zone !== '' && !limits.hasZone) {
    return new UnstorableValue('has a zone, which the column would drop');
  }
  const { fraction, carry } = roundFraction(
    parsed.fraction,
    limits.fractionDigits,
  );
  const rounded = {
    negative: parsed.negative,
    total: parsed.total + (parsed.negative ? -carry : carry),
    fraction,
  };
  const end =
    compareTimes(rounded, min) < 0
      ? min
      : compareTimes(rounded, max) > 0
        ? max
        : null;
  if (end) {
    return new UnstorableValue(
      `is outside ${printTime(min)} to ${printTime(max)}`,
      printTime(end) + parsed.zone,
    );
  }
  return fraction !== parsed.fraction || carry > 0
    ? new UnstorableValue(
        `has more than ${limits.fractionDigits} digits in the fraction of its second`,
        printTime(rounded) + parsed.zone,
      )
    : null;
}
