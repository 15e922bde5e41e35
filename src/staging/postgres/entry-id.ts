/**
 * Ids of log entries, made by the client, so that one statement can insert
 * any number of them and no sequence has to be asked.
 *
 * Stored is 23 hex digits: milliseconds, a counter within them, and a random
 * number of this store. Handed out is `<minTime>-<stored>`, which finds the
 * entry by the log's primary key.
 */
import { randomBytes } from 'node:crypto';
import type { Timestamp } from '../../mutation/timestamp.ts';

/** Ascending within one store, whatever the clock does. */
export function entryIds(): () => string {
  const instance = randomBytes(4).toString('hex');
  let timeMs = 0;
  let counter = 0;
  return () => {
    const nowMs = Date.now();
    counter++;
    if (nowMs > timeMs || counter > 0xffff) {
      timeMs = Math.max(nowMs, timeMs + 1);
      counter = 0;
    }
    const time = timeMs.toString(16).padStart(11, '0');
    return `${time}${counter.toString(16).padStart(4, '0')}${instance}`;
  };
}

export function printEntryId(minTime: Timestamp, stored: string): string {
  return `${minTime}-${stored}`;
}

/** Null when the text is not an id that this kind of store hands out. */
export function parseEntryId(
  id: string,
): { minTime: Timestamp; stored: string } | null {
  const match = /^(\d{19}\.\d{10}(?:\.\d{19}\.\d{10})?)-([0-9a-f]{23})$/.exec(
    id,
  );
  return match && { minTime: match[1]! as Timestamp, stored: match[2]! };
}
