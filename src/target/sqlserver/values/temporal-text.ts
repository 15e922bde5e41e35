/**
 * Dates and times that have been checked (value-limits.ts) to the one form
 * each that SQL Server reads the same in every language.
 */

const instantPattern =
  /^\+?0*(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?)?$/;

export interface InstantText {
  /** `2024-02-29` */
  readonly date: string;
  /** `12:00:00` or `12:00:00.5` */
  readonly clock: string;
  /** `+05:30`; null where it is no whole number of minutes. */
  readonly offset: string | null;
}

/** Null for what is no instant of the years 1 to 9999. */
export function instantText(text: string): InstantText | null {
  const match = instantPattern.exec(text);
  if (!match) {
    return null;
  }
  const [, year, month, day, hourMinute = '00:00', second = '00'] = match;
  return {
    date: `${year}-${month}-${day}`,
    clock: clockText(hourMinute, second, match[6] ?? ''),
    offset: offsetText(match[7] ?? 'Z'),
  };
}

const timePattern = /^(\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?$/;

export function timeText(text: string): string | null {
  const match = timePattern.exec(text);
  return match && clockText(match[1]!, match[2] ?? '00', match[3] ?? '');
}

function clockText(
  hourMinute: string,
  second: string,
  fraction: string,
): string {
  const digits = fraction.replace(/0+$/, '');
  return `${hourMinute}:${second}${digits === '' ? '' : `.${digits}`}`;
}

function offsetText(zone: string): string | null {
  const match = /^([+-])(\d\d):?(\d\d)?:?(\d\d)?$/.exec(zone);
  if (!match) {
    return '+00:00';
  }
  const [, sign, hours, minutes = '00', seconds = '00'] = match;
  return seconds === '00' ? `${sign}${hours}:${minutes}` : null;
}

/**
 * The nearest time not later that datetime has: it counts three hundredths of
 * a second, shown as milliseconds that end in 0, 3 and 7.
 */
export function onDatetimeGrid(clock: string): string {
  const [whole, fraction = ''] = clock.split('.');
  const last = Number(fraction.padEnd(3, '0').charAt(2));
  const kept = last >= 7 ? '7' : last >= 3 ? '3' : '0';
  const digits = `${fraction.padEnd(3, '0').slice(0, 2)}${kept}`.replace(
    /0+$/,
    '',
  );
  return digits === '' ? whole! : `${whole}.${digits}`;
}
