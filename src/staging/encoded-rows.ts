/**
 * Rows of the log that stay encoded until somebody needs them.
 *
 * Between the log and their commit some 16 000 rows wait at a full load, long
 * enough that the collector copies them twice and keeps what is left of them
 * until it looks at all memory. Encoded, a row is six numbers beside the bytes
 * in which it came.
 */
import { isAscii } from 'node:buffer';
import { unitsHash } from '../lib/text-hash.ts';
import type { Mutation } from '../mutation/mutation.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import {
  charDash,
  charEquals,
  charZero,
  checkedFormat,
  damaged,
  headBytes,
  isPlainFormat,
  mutationAt,
  namelessVersion,
  timeLength,
} from './batch-codec.ts';
import type { StagedEntry } from './staging.ts';

/** The UTF-16 units of an entry's text: of ASCII they are its bytes. */
export type Units = Buffer | Uint16Array;

/** Where a row of an entry lies. */
export class EncodedRow {
  readonly table: string;
  readonly time: Timestamp;
  readonly keyHash: number;
  readonly units: Units;
  /** Of its key; behind that lies what the row became, and what it was. */
  readonly start: number;
  readonly keyLength: number;
  /** -1 where it is null. */
  readonly afterLength: number;
  readonly beforeLength: number;
  /** See staged-rows.ts. */
  endsPart = false;

  constructor(
    table: string,
    time: Timestamp,
    units: Units,
    start: number,
    keyLength: number,
    afterLength: number,
    beforeLength: number,
  ) {
    this.table = table;
    this.time = time;
    this.keyHash = unitsHash(units, start, start + keyLength);
    this.units = units;
    this.start = start;
    this.keyLength = keyLength;
    this.afterLength = afterLength;
    this.beforeLength = beforeLength;
  }

  get cameAt(): undefined {
    return undefined;
  }

  get sharesKey(): false {
    return false;
  }

  get isDelete(): boolean {
    return this.afterLength < 0;
  }

  get textLength(): number {
    return (
      this.keyLength +
      Math.max(this.afterLength, 0) +
      Math.max(this.beforeLength, 0)
    );
  }

  get mutation(): Mutation {
    return mutationAt(
      textOf(this.units, this.start, this.start + this.textLength),
      this.time,
      0,
      this.keyLength,
      this.afterLength,
      this.beforeLength,
    );
  }
}

export interface EncodedEntry {
  readonly keyColumns: readonly string[] | undefined;
  readonly rows: readonly EncodedRow[];
}

/**
 * The rows of an entry, in their order. Null where rows have moved or came
 * under another time: decodeTable reads those. Throws E2006 as that does.
 */
export function encodedRows(entry: StagedEntry): EncodedEntry | null {
  const format = checkedFormat(entry);
  if (!isPlainFormat(format)) {
    return null;
  }
  const { table } = entry;
  const rows: EncodedRow[] = [];
  const { names, isWhole } = visitRows(
    entry.body,
    format,
    (units, time, start, keyLength, afterLength, beforeLength) => {
      rows.push(
        new EncodedRow(
          table,
          time,
          units,
          start,
          keyLength,
          afterLength,
          beforeLength,
        ),
      );
    },
  );
  if (!isWhole || rows.length !== entry.rowCount) {
    throw damaged(entry, 'its rows do not add up');
  }
  return { keyColumns: keyColumnsOf(names), rows };
}

type VisitPlace = (
  units: Units,
  time: Timestamp,
  start: number,
  keyLength: number,
  afterLength: number,
  beforeLength: number,
) => void;

/**
 * The rows of a body in plain format, and the names of its head. Not whole: the
 * lengths in it do not add up to it.
 */
export function visitRows(
  body: Buffer,
  format: number,
  visit: VisitPlace,
): { readonly names: string; readonly isWhole: boolean } {
  const units = unitsOf(body);
  const length = units.length;
  let position = units === body ? headBytes : 0;
  const readLength = (): number => {
    let code = units[position++]!;
    if (code === charDash) {
      position++;
      return -1;
    }
    let read = 0;
    while (code >= charZero && code <= charZero + 9) {
      read = read * 10 + code - charZero;
      code = units[position++]!;
    }
    return read;
  };
  const namesLength = format === namelessVersion ? -1 : readLength();
  const names = textOf(units, position, position + Math.max(namesLength, 0));
  position += names.length;
  let time = '' as Timestamp;
  while (position < length) {
    if (units[position] === charEquals) {
      position += 2;
    } else {
      time = textOf(units, position, position + timeLength) as Timestamp;
      position += timeLength + 1;
    }
    const keyLength = readLength();
    const afterLength = readLength();
    const beforeLength = readLength();
    const start = position;
    position +=
      keyLength + Math.max(afterLength, 0) + Math.max(beforeLength, 0);
    if (position > length) {
      break;
    }
    visit(units, time, start, keyLength, afterLength, beforeLength);
  }
  return { names, isWhole: position === length };
}

function unitsOf(body: Buffer): Units {
  if (isAscii(body.subarray(headBytes))) {
    return body;
  }
  const text = body.toString('utf8', headBytes);
  const units = new Uint16Array(text.length);
  Buffer.from(units.buffer).write(text, 'utf16le');
  return units;
}

export function textOf(units: Units, start: number, end: number): string {
  return units instanceof Uint16Array
    ? Buffer.from(
        units.buffer,
        units.byteOffset + 2 * start,
        2 * (end - start),
      ).toString('utf16le')
    : units.toString('latin1', start, end);
}

let lastNames: { text: string; columns: readonly string[] | undefined } = {
  text: '',
  columns: undefined,
};

/** Mostly they are those of the entry before. */
function keyColumnsOf(names: string): readonly string[] | undefined {
  if (names !== lastNames.text) {
    lastNames = {
      text: names,
      columns: names === '' ? undefined : (JSON.parse(names) as string[]),
    };
  }
  return lastNames.columns;
}
