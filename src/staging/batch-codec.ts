/**
 * How the mutations of one request become log entries, and back.
 *
 * A body is one version byte, the CRC32 of the rest (big-endian), and one
 * UTF-8 text. The text is the names of the key's columns as a JSON array,
 *
 *     <length>:<names>            since version 2; `-:` where they are not known,
 *                                 and `2:[]` where the table has no key
 *
 * and then, row after row,
 *
 *     <time> <key length>,<after length>,<before length>:<key><after><before>
 *
 * or, in an entry of version 3, which is written where a row of it has moved,
 *
 *     <time> <key length>,…,<before length>,<moved length>:<key>…<moved from>
 *
 * or the same with versions (mutation/row-version.ts) in place of times, in one
 * of version 4, which is written where a row of it came under another time,
 *
 * where `=` in place of the 30 characters of a time repeats the time of the
 * row before, `-` in place of a length is null, and lengths count UTF-16
 * units. So reading is one Buffer-to-string decode and then slices, which V8
 * makes without copying; no JSON is parsed. Measured with rows of 370 bytes:
 * 0.3 µs a row to write (0.8 where a row is not all Latin-1), 0.25 to read.
 */
import { crc32 } from 'node:zlib';
import { ReplicatorError } from '../failure/failure.ts';
import { detachedText } from '../lib/detached-text.ts';
import {
  type JsonText,
  type Mutation,
  type TableMutations,
} from '../mutation/mutation.ts';
import {
  inVersionOrder,
  timesOfVersion,
  versionLengthAt,
  versionOf,
} from '../mutation/row-version.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import { type Timestamp, timeBucket } from '../mutation/timestamp.ts';
import { type NewEntry, placeStride, type StagedEntry } from './staging.ts';

const bodyVersion = 2;
/** Without the names of the key's columns; read, and no longer written. */
export const namelessVersion = 1;
/** With the keys that rows have moved from. */
const movedVersion = 3;
/** As that, and with the times under which rows came. */
const scannedVersion = 4;
/** The version byte and the CRC, as placeholder characters of one byte each. */
const headPlaceholder = '\0\0\0\0\0';
export const headBytes = 5;
export const timeLength = 30;

/**
 * An entry is closed when its text has grown to this many UTF-16 units, so
 * that a reader, who takes whole entries, stays within its memory.
 */
const entryTextLimit = 1 << 20;

export const charDash = 45;
export const charZero = 48;
export const charEquals = 61;

/**
 * The entries of one request: per table and second of source time one, or
 * more where it is large. Mutations are sorted by version; those of equal ones
 * keep their order. Tables without mutations give no entry.
 */
export function encodeEntries(
  schema: SchemaName,
  tables: readonly TableMutations[],
): NewEntry[] {
  const entries: NewEntry[] = [];
  for (const { table, keyColumns, mutations } of tables) {
    const head = headOf(keyColumns);
    const sorted = inVersionOrder(mutations);
    let start = 0;
    while (start < sorted.length) {
      const entry = encodeRun(schema, table, head, sorted, start);
      entries.push(entry);
      start += entry.rowCount;
    }
  }
  return entries;
}

/**
 * An entry without rows, of no table. It ends a part of a transaction that is
 * staged in parts: what lies between two of these happened in one run of
 * statements, so that it can be applied by itself.
 */
export function partEnd(schema: SchemaName, time: Timestamp): NewEntry {
  const body = Buffer.from(headOf(undefined), 'utf8');
  body[0] = bodyVersion;
  body.writeUInt32BE(checksum(body), 1);
  return { schema, table: '', minTime: time, maxTime: time, rowCount: 0, body };
}

/** See {@link partEnd}. */
export function isPartEnd({ table }: { readonly table: string }): boolean {
  return table === '';
}

/** The mutations of an entry, in the order in which they were encoded. */
export function decodeEntry(entry: StagedEntry): readonly Mutation[] {
  return decodeTable(entry).mutations;
}

/**
 * The mutations of an entry, and what their keys consist of. Throws E2006
 * (halt) when the body is not what was written.
 */
export function decodeTable(entry: StagedEntry): TableMutations {
  const { body } = entry;
  const version = checkedFormat(entry);
  const hasMoves = !isPlainFormat(version);
  const hasVersions = version === scannedVersion;
  const text = body.toString('utf8', headBytes);
  const mutations: Mutation[] = [];
  let position = 0;
  let time = '' as Timestamp;
  let cameAt: Timestamp | undefined;
  const readLength = (): number => {
    let code = text.charCodeAt(position++);
    if (code === charDash) {
      position++;
      return -1;
    }
    let length = 0;
    // A digit, until the ',' or ':' behind the number; NaN ends it too.
    while (code >= charZero && code <= charZero + 9) {
      length = length * 10 + code - charZero;
      code = text.charCodeAt(position++);
    }
    return length;
  };
  const namesLength = version === namelessVersion ? -1 : readLength();
  const names = text.slice(position, position + Math.max(namesLength, 0));
  position += names.length;
  while (position < text.length) {
    if (text.charCodeAt(position) === charEquals) {
      position += 2;
    } else {
      const length = hasVersions ? versionLengthAt(text, position) : timeLength;
      const version = text.slice(position, position + length) as Timestamp;
      ({ time, cameAt } = hasVersions
        ? timesOfVersion(version)
        : { time: version });
      position += length + 1;
    }
    const keyLength = readLength();
    const afterLength = readLength();
    const beforeLength = readLength();
    const movedLength = hasMoves ? readLength() : -1;
    const movedStart =
      position +
      keyLength +
      Math.max(afterLength, 0) +
      Math.max(beforeLength, 0);
    const end = movedStart + Math.max(movedLength, 0);
    const mutation = mutationAt(
      text,
      time,
      position,
      keyLength,
      afterLength,
      beforeLength,
    );
    // Nearly every row is of this one shape: a literal is cheaper than spreading.
    mutations.push(
      movedLength < 0 && cameAt === undefined
        ? mutation
        : {
            ...mutation,
            ...(movedLength >= 0 && {
              movedFrom: text.slice(movedStart, end) as JsonText,
            }),
            ...(cameAt !== undefined && { cameAt }),
          },
    );
    position = end;
  }
  if (position !== text.length || mutations.length !== entry.rowCount) {
    throw damaged(entry, 'its rows do not add up');
  }
  const { table } = entry;
  return names === ''
    ? { table, mutations }
    : { table, keyColumns: JSON.parse(names) as string[], mutations };
}

/** The row whose key begins at `start`; what is null has the length -1. */
export function mutationAt(
  text: string,
  time: Timestamp,
  start: number,
  keyLength: number,
  afterLength: number,
  beforeLength: number,
): Mutation {
  const afterStart = start + keyLength;
  const beforeStart = afterStart + Math.max(afterLength, 0);
  return {
    time,
    key: text.slice(start, afterStart) as JsonText,
    after:
      afterLength < 0
        ? null
        : (text.slice(afterStart, beforeStart) as JsonText),
    before:
      beforeLength < 0
        ? null
        : (text.slice(beforeStart, beforeStart + beforeLength) as JsonText),
  };
}

/** Throws E2006 when the body is not what was written. */
export function checkedFormat(entry: StagedEntry): number {
  const { body } = entry;
  const format = body[0]!;
  if (
    body.length < headBytes ||
    format < namelessVersion ||
    format > scannedVersion
  ) {
    throw damaged(entry, 'its format is not known');
  }
  if (checksum(body) !== body.readUInt32BE(1)) {
    throw damaged(entry, 'its checksum does not fit');
  }
  return format;
}

/** Of rows that have not moved and came under their own time. */
export function isPlainFormat(format: number): boolean {
  return format === bodyVersion || format === namelessVersion;
}

/** A source names the key of a table by one array again and again. */
const knownHeads = new WeakMap<readonly string[], string>();

function headOf(keyColumns: readonly string[] | undefined): string {
  const known = keyColumns && knownHeads.get(keyColumns);
  if (known !== undefined) {
    return known;
  }
  const head = headPlaceholder + keyNamesHead(keyColumns);
  if (keyColumns !== undefined) {
    knownHeads.set(keyColumns, head);
  }
  return head;
}

/** How the text of a body begins. */
export function keyNamesHead(
  keyColumns: readonly string[] | undefined,
): string {
  if (keyColumns === undefined) {
    return '-:';
  }
  const names = JSON.stringify(keyColumns);
  return `${names.length}:${names}`;
}

/** One entry: the longest run from `start` in one bucket and under the limit. */
function encodeRun(
  schema: SchemaName,
  table: string,
  head: string,
  sorted: readonly Mutation[],
  start: number,
  format = bodyVersion,
): NewEntry {
  const minTime = versionOf(sorted[start]!);
  const bucket = timeBucket(minTime);
  const hasMoves = format !== bodyVersion;
  const times: Timestamp[] = [];
  let text = head;
  let last = '';
  let next = start;
  while (next < sorted.length) {
    const mutation = sorted[next]!;
    const { key, after, before, movedFrom } = mutation;
    // The delete of the key that a row has left stays beside it.
    if (text.length >= entryTextLimit && movedFrom === undefined) {
      break;
    }
    if (mutation.cameAt !== undefined && format !== scannedVersion) {
      return encodeRun(schema, table, head, sorted, start, scannedVersion);
    }
    if (movedFrom !== undefined && !hasMoves) {
      return encodeRun(schema, table, head, sorted, start, movedVersion);
    }
    const version = versionOf(mutation);
    if (version === last) {
      text += '= ';
    } else if (timeBucket(version) === bucket) {
      last = version;
      times.push(detachedText(version));
      text += `${version} `;
    } else {
      break;
    }
    const lengths = printLengths(key.length, lengthOf(after), lengthOf(before));
    const place = (next - start) * placeStride;
    const places = placesFor(place + placeStride);
    places[place + 1] = times.length - 1;
    places[place + 3] = key.length;
    places[place + 4] = lengthOf(after);
    places[place + 5] = lengthOf(before);
    text += hasMoves
      ? `${lengths.slice(0, -1)},${printLength(lengthOf(movedFrom))}:`
      : lengths;
    places[place + 2] = text.length;
    text += key;
    if (after !== null) {
      text += after;
    }
    if (before !== null) {
      text += before;
    }
    if (movedFrom !== undefined) {
      text += movedFrom;
    }
    next++;
  }
  const body = utf8Of(text);
  body[0] = format;
  body.writeUInt32BE(checksum(body), 1);
  return {
    schema,
    table,
    minTime,
    maxTime: versionOf(sorted[next - 1]!),
    rowCount: next - start,
    body,
    // Of ASCII, units are bytes.
    ...(format === bodyVersion &&
      body.length === text.length && {
        places: {
          times,
          places: scratchPlaces.slice(0, (next - start) * placeStride),
        },
      }),
  };
}

/** Where places are noted first: how many an entry has is known at its end. */
let scratchPlaces = new Int32Array(1_024 * placeStride);

/** The scratch places, with room for so many numbers. */
function placesFor(count: number): Int32Array {
  if (count > scratchPlaces.length) {
    const larger = new Int32Array(2 * scratchPlaces.length);
    larger.set(scratchPlaces);
    scratchPlaces = larger;
  }
  return scratchPlaces;
}

/** -1 where there is no text. */
function lengthOf(text: string | null | undefined): number {
  return text?.length ?? -1;
}

/** As printed before: rows have the lengths of others, and numbers take long to print. */
const printedLengths = new Map<number, string>();
const maxPrintedLengths = 4_096;
/** Three of less than that are one number. */
const shortLength = 0x1_0000;

/** `<key>,<after>,<before>:` of lengths; -1 is that of null. */
function printLengths(key: number, after: number, before: number): string {
  if (Math.max(key, after, before) >= shortLength - 1) {
    return `${key},${printLength(after)},${printLength(before)}:`;
  }
  const place = ((before + 1) * shortLength + after + 1) * shortLength + key;
  let printed = printedLengths.get(place);
  if (printed === undefined) {
    printed = `${key},${printLength(after)},${printLength(before)}:`;
    if (printedLengths.size >= maxPrintedLengths) {
      printedLengths.clear();
    }
    printedLengths.set(place, printed);
  }
  return printed;
}

function printLength(length: number): string {
  return length < 0 ? '-' : String(length);
}

/** Where texts are written first: to ask for their length in bytes takes longer. */
const scratch = Buffer.allocUnsafeSlow(256 * 1_024);
const maxBytesPerUnit = 3;

function utf8Of(text: string): Buffer {
  return text.length * maxBytesPerUnit <= scratch.length
    ? Buffer.copyBytesFrom(scratch, 0, scratch.write(text, 'utf8'))
    : Buffer.from(text, 'utf8');
}

/**
 * One bit makes of a version 3 an older one, and the other way round: from
 * there on the sum begins with the version.
 */
function checksum(body: Buffer): number {
  const seed = body[0]! < movedVersion ? 0 : body[0]!;
  return crc32(body.subarray(headBytes), seed);
}

export function damaged(entry: StagedEntry, why: string): ReplicatorError {
  return new ReplicatorError('E2006', {
    detail: `the staged entry ${entry.id} of ${entry.schema}, table ${JSON.stringify(entry.table)}, time ${entry.minTime}, is damaged (${why})`,
  });
}
