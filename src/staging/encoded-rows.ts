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
import type {
  EncodedRows,
  Mutation,
  TableMutations,
  VisitEncodedRow,
} from '../mutation/mutation.ts';
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
type Units = Buffer | Uint16Array;

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
    return encodedTable(this.table, [this]).mutations[0]!;
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
  const { table, body } = entry;
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
  const rows: EncodedRow[] = [];
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
  }
  if (position !== length || rows.length !== entry.rowCount) {
    throw damaged(entry, 'its rows do not add up');
  }
  return { keyColumns: keyColumnsOf(names), rows };
}

/** Rows of one table, at least one, of any entries: decoded when asked for. */
export function encodedTable(
  table: string,
  rows: readonly EncodedRow[],
): TableMutations {
  const held = new PlacedRows(rows);
  return {
    table,
    encoded: held,
    get mutations() {
      return held.decode();
    },
  };
}

/** `places`: of a row its text, its time, where it starts, and three lengths. */
const stride = 6;

class PlacedRows implements EncodedRows {
  readonly rowCount: number;
  readonly oldest: Timestamp;
  readonly keyHashes: Int32Array;
  readonly isEmptied: boolean;
  readonly #texts: Units[] = [];
  readonly #times: Timestamp[] = [];
  readonly #places: Int32Array;

  constructor(rows: readonly EncodedRow[]) {
    const indexes = new Map<Units, number>();
    const places = new Int32Array(rows.length * stride);
    this.keyHashes = new Int32Array(rows.length);
    let isEmptied = false;
    let last: Units | null = null;
    let text = -1;
    let place = 0;
    for (let at = 0; at < rows.length; at += 1) {
      const row = rows[at]!;
      if (row.units !== last) {
        last = row.units;
        text = indexes.get(last) ?? this.#texts.push(last) - 1;
        indexes.set(last, text);
      }
      if (row.time !== this.#times.at(-1)) {
        this.#times.push(row.time);
      }
      places[place] = text;
      places[place + 1] = this.#times.length - 1;
      places[place + 2] = row.start;
      places[place + 3] = row.keyLength;
      places[place + 4] = row.afterLength;
      places[place + 5] = row.beforeLength;
      place += stride;
      this.keyHashes[at] = row.keyHash;
      // No row has a key without columns (mutation.ts `truncation`).
      isEmptied ||= row.keyLength === 2;
    }
    this.rowCount = rows.length;
    this.oldest = rows[0]!.time;
    this.isEmptied = isEmptied;
    this.#places = places;
  }

  forEach(visit: VisitEncodedRow): void {
    const places = this.#places;
    const texts = this.#decodedTexts();
    for (let place = 0; place < places.length; place += stride) {
      const { text, start } = texts[places[place]!]!;
      const keyStart = places[place + 2]! - start;
      const afterStart = keyStart + places[place + 3]!;
      const afterLength = places[place + 4]!;
      visit(
        text,
        keyStart,
        afterStart,
        afterLength < 0 ? -1 : afterStart + afterLength,
        this.#times[places[place + 1]!]!,
      );
    }
  }

  decode(): Mutation[] {
    const places = this.#places;
    const texts = this.#decodedTexts();
    const mutations: Mutation[] = [];
    for (let place = 0; place < places.length; place += stride) {
      const { text, start } = texts[places[place]!]!;
      mutations.push(
        mutationAt(
          text,
          this.#times[places[place + 1]!]!,
          places[place + 2]! - start,
          places[place + 3]!,
          places[place + 4]!,
          places[place + 5]!,
        ),
      );
    }
    return mutations;
  }

  /** Of each text what its rows need. */
  #decodedTexts(): { readonly text: string; readonly start: number }[] {
    const places = this.#places;
    const starts = this.#texts.map(() => Infinity);
    const ends = this.#texts.map(() => 0);
    for (let place = 0; place < places.length; place += stride) {
      const at = places[place]!;
      const start = places[place + 2]!;
      starts[at] = Math.min(starts[at]!, start);
      ends[at] = Math.max(
        ends[at]!,
        start +
          places[place + 3]! +
          Math.max(places[place + 4]!, 0) +
          Math.max(places[place + 5]!, 0),
      );
    }
    return this.#texts.map((units, at) => ({
      text: textOf(units, starts[at]!, ends[at]!),
      start: starts[at]!,
    }));
  }
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

function textOf(units: Units, start: number, end: number): string {
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
