/**
 * Hybrid logical clock timestamps, as CockroachDB prints them:
 * `<nanoseconds since 1970>.<10 logical digits>`.
 *
 * Kept as text, zero-padded to 19 + 1 + 10 characters, so that `<` on strings
 * is the order of the clock, a Map can be keyed by it, and it prints as itself.
 */
declare const timestampBrand: unique symbol;
export type Timestamp = string & { readonly [timestampBrand]: true };

/** Before every mutation: nothing has been applied. */
export const zeroTimestamp = '0000000000000000000.0000000000' as Timestamp;
/** The largest time a source can print: int64 nanoseconds, int32 logical. */
export const maxTimestamp = '9223372036854775807.2147483647' as Timestamp;

const hlcPattern = /^(\d{1,19})\.(\d{1,10})$/;

/**
 * Reads a timestamp in the peer's grammar: one dot, decimal nanoseconds, and
 * a logical part of exactly 10 digits or of any width when it is zero.
 * Returns null when the text is not one; the caller knows where it stood.
 */
export function parseTimestamp(text: string): Timestamp | null {
  return parseTimestampAt(text, 0, text.length);
}

/** Reads the timestamp between the positions of a longer text. */
export function parseTimestampAt(
  text: string,
  start: number,
  end: number,
): Timestamp | null {
  // What CockroachDB really sends is canonical already: one loop, one slice.
  if (end - start === 30 && isCanonical(text, start)) {
    return text.slice(start, end) as Timestamp;
  }
  const match = hlcPattern.exec(text.slice(start, end));
  if (!match) {
    return null;
  }
  const nanos = match[1]!;
  const logical = match[2]!;
  if (logical.length !== 10 && !/^0+$/.test(logical)) {
    return null;
  }
  const padded =
    `${nanos.padStart(19, '0')}.${logical.padStart(10, '0')}` as Timestamp;
  return padded <= maxTimestamp && logical <= '2147483647' ? padded : null;
}

/** Whether 30 characters are of the padded form, and safely in range. */
function isCanonical(text: string, start: number): boolean {
  // Beyond these first digits the limits must be compared in full.
  if (text.charCodeAt(start) > 0x38 || text.charCodeAt(start + 20) > 0x31) {
    return false;
  }
  for (let at = 0; at < 30; at += 1) {
    const code = text.charCodeAt(start + at);
    if (at === 19 ? code !== 0x2e : code < 0x30 || code > 0x39) {
      return false;
    }
  }
  return true;
}

/**
 * Without the padding of the nanoseconds: the form CockroachDB prints. Of a
 * version that is no time (row-version.ts) what was resolved before it.
 */
export function printTimestamp(time: Timestamp): string {
  return time.slice(0, zeroTimestamp.length).replace(/^0{1,18}(?=\d+\.)/, '');
}

/** The wall-clock part, in milliseconds since 1970 (for lag, never for order). */
export function wallTimeMs(time: Timestamp): number {
  return Number(time.slice(0, 13));
}

/** The timestamp of a wall-clock instant, logical part zero. */
export function timestampFromMs(timeMs: number): Timestamp {
  return `${Math.trunc(timeMs).toString().padStart(13, '0')}000000.0000000000` as Timestamp;
}

/**
 * The second in which the time lies, as sortable text of 10 digits. A staged
 * batch never spans two of these (see staging/staging.ts).
 */
export function timeBucket(time: Timestamp): string {
  return time.slice(0, 10);
}

export function laterTimestamp(a: Timestamp, b: Timestamp): Timestamp {
  return a < b ? b : a;
}

/** The next instant of the clock: one logical tick later. */
export function nextTimestamp(time: Timestamp): Timestamp {
  const logical = Number(time.slice(20)) + 1;
  if (logical <= 2_147_483_647) {
    return `${time.slice(0, 20)}${String(logical).padStart(10, '0')}` as Timestamp;
  }
  const nanos = BigInt(time.slice(0, 19)) + 1n;
  return `${String(nanos).padStart(19, '0')}.0000000000` as Timestamp;
}

/** The instant before: one logical tick earlier. Not for the zero timestamp. */
export function previousTimestamp(time: Timestamp): Timestamp {
  const logical = Number(time.slice(20));
  if (logical > 0) {
    return `${time.slice(0, 20)}${String(logical - 1).padStart(10, '0')}` as Timestamp;
  }
  const nanos = BigInt(time.slice(0, 19)) - 1n;
  return `${String(nanos).padStart(19, '0')}.2147483647` as Timestamp;
}
