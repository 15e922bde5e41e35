/** Rows of one table in the bytes in which they are staged, as batches hold them. */
import { unitsHash } from '../lib/text-hash.ts';
import {
  type EncodedRows,
  type Mutation,
  type TableMutations,
  type VisitEncodedKey,
  type VisitEncodedRow,
  withMutations,
} from '../mutation/mutation.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import { isPlainFormat, mutationAt } from './batch-codec.ts';
import {
  type EncodedRow,
  textOf,
  type Units,
  visitRows,
} from './encoded-rows.ts';
import { type NewEntry, placeStride, type RowPlaces } from './staging.ts';

/** Rows of one table, at least one, of any entries: decoded when asked for. */
export function encodedTable(
  table: string,
  rows: readonly EncodedRow[],
): TableMutations {
  return new PlacedTable(placedRows(rows), { table });
}

/** The rows, at least one, that have the mark in a list with one for each row. */
export function pickedTable(
  part: TableMutations,
  marks: Uint8Array,
  mark: number,
): TableMutations {
  return part.encoded instanceof PlacedRows
    ? new PlacedTable(part.encoded.picked(marks, mark), part)
    : withMutations(
        part,
        part.mutations.filter((_, row) => marks[row] === mark),
      );
}

class PlacedTable implements TableMutations {
  readonly table: string;
  readonly keyColumns?: readonly string[];
  readonly encoded: PlacedRows;

  constructor(
    rows: PlacedRows,
    { table, keyColumns }: Pick<TableMutations, 'table' | 'keyColumns'>,
  ) {
    this.table = table;
    if (keyColumns !== undefined) {
      this.keyColumns = keyColumns;
    }
    this.encoded = rows;
  }

  get mutations(): readonly Mutation[] {
    return this.encoded.decode();
  }
}

/**
 * The tables, each named once, with their rows as they lie in the entries that
 * were just made of them; as they are where rows have moved or came under
 * another time.
 */
export function tablesAsStaged(
  tables: readonly TableMutations[],
  entries: readonly NewEntry[],
): TableMutations[] {
  return tables.map((part) => {
    const own = entries.filter(({ table }) => table === part.table);
    return own.every(({ body }) => isPlainFormat(body[0]!))
      ? new HeldTable(joinedRows(own.map(rowsOfEntry)), part)
      : part;
  });
}

/** Parts of one table as one, in their order; encoded where all of them are. */
export function joinedTable(
  table: string,
  parts: readonly TableMutations[],
): TableMutations {
  const encoded = parts.flatMap((part) =>
    part.encoded instanceof PlacedRows ? part.encoded : [],
  );
  return encoded.length === parts.length
    ? new HeldTable(joinedRows(encoded), { table })
    : { table, mutations: parts.flatMap(({ mutations }) => mutations) };
}

/** Decoded once: who asks for its mutations again gets the same objects. */
class HeldTable extends PlacedTable {
  #mutations: readonly Mutation[] | null = null;

  override get mutations(): readonly Mutation[] {
    return (this.#mutations ??= super.mutations);
  }
}

interface Places extends RowPlaces {
  readonly texts: readonly Units[];
  readonly keyHashes: Int32Array;
}

/** Keys and what became of them, one behind the other. */
interface Utf8Rows {
  readonly texts: readonly string[];
  readonly bytes: Buffer;
  visitedCount: number;
  /** Of the rows that were visited. */
  end: number;
}

class PlacedRows implements EncodedRows {
  readonly rowCount: number;
  readonly textLength: number;
  readonly isEmptied: boolean;
  readonly parts: Places;

  constructor(parts: Places) {
    const { places, keyHashes } = parts;
    let textLength = 0;
    let isEmptied = false;
    for (let place = 0; place < places.length; place += placeStride) {
      const keyLength = places[place + 3]!;
      textLength +=
        keyLength +
        Math.max(places[place + 4]!, 0) +
        Math.max(places[place + 5]!, 0);
      // No row has a key without columns (mutation.ts `truncation`).
      isEmptied ||= keyLength === 2;
    }
    this.parts = parts;
    this.rowCount = keyHashes.length;
    this.textLength = textLength;
    this.isEmptied = isEmptied;
  }

  get keyHashes(): Int32Array {
    return this.parts.keyHashes;
  }

  get oldest(): Timestamp {
    return this.parts.times.reduce((oldest, time) =>
      time < oldest ? time : oldest,
    );
  }

  get newest(): Timestamp {
    return this.parts.times.reduce((newest, time) =>
      time > newest ? time : newest,
    );
  }

  forEach(visit: VisitEncodedRow): void {
    const { places, times, texts } = this.parts;
    const inUtf8 = this.#rowsInUtf8();
    for (let place = 0; place < places.length; place += placeStride) {
      const units = texts[places[place]!]!;
      const keyLength = places[place + 3]!;
      const afterLength = places[place + 4]!;
      const time = times[places[place + 1]!]!;
      if (Buffer.isBuffer(units)) {
        const afterStart = places[place + 2]! + keyLength;
        const afterEnd = afterLength < 0 ? -1 : afterStart + afterLength;
        visit(units, places[place + 2]!, afterStart, afterEnd, time);
      } else {
        const rows = inUtf8[places[place]!]!;
        const text = rows.texts[rows.visitedCount]!;
        const start = rows.end;
        rows.visitedCount += 1;
        rows.end += Buffer.byteLength(text);
        visit(
          rows.bytes,
          start,
          start + Buffer.byteLength(text.slice(0, keyLength)),
          afterLength < 0 ? -1 : rows.end,
          time,
        );
      }
    }
  }

  /** Of each text that is not ASCII its rows; one source is cheaper than many. */
  #rowsInUtf8(): (Utf8Rows | null)[] {
    const { places, texts } = this.parts;
    const rowTexts = texts.map((units) =>
      Buffer.isBuffer(units) ? null : ([] as string[]),
    );
    for (let place = 0; place < places.length; place += placeStride) {
      const at = places[place]!;
      const start = places[place + 2]!;
      const end = start + places[place + 3]! + Math.max(places[place + 4]!, 0);
      rowTexts[at]?.push(textOf(texts[at]!, start, end));
    }
    return rowTexts.map(
      (list) =>
        list && {
          texts: list,
          bytes: Buffer.from(list.join('')),
          visitedCount: 0,
          end: 0,
        },
    );
  }

  forEachKey(visit: VisitEncodedKey): void {
    const { places, times, texts, keyHashes } = this.parts;
    let place = 0;
    for (let row = 0; row < keyHashes.length; row += 1) {
      const start = places[place + 2]!;
      visit(
        texts[places[place]!]!,
        start,
        start + places[place + 3]!,
        keyHashes[row]!,
        times[places[place + 1]!]!,
      );
      place += placeStride;
    }
  }

  picked(marks: Uint8Array, mark: number): PlacedRows {
    const { texts, times, places, keyHashes } = this.parts;
    const writer = new PlaceWriter(
      marks.reduce((count, each) => count + (each === mark ? 1 : 0), 0),
    );
    for (let row = 0; row < marks.length; row += 1) {
      if (marks[row] === mark) {
        const place = row * placeStride;
        writer.add(
          texts[places[place]!]!,
          times[places[place + 1]!]!,
          places[place + 2]!,
          places[place + 3]!,
          places[place + 4]!,
          places[place + 5]!,
          keyHashes[row]!,
        );
      }
    }
    return writer.rows();
  }

  decode(): Mutation[] {
    const { places, times } = this.parts;
    const texts = this.#decodedTexts();
    const mutations: Mutation[] = [];
    for (let place = 0; place < places.length; place += placeStride) {
      const { text, start } = texts[places[place]!]!;
      mutations.push(
        mutationAt(
          text,
          times[places[place + 1]!]!,
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
    const { places, texts } = this.parts;
    const starts = texts.map(() => Infinity);
    const ends = texts.map(() => 0);
    for (let place = 0; place < places.length; place += placeStride) {
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
    return texts.map((units, at) => ({
      text: textOf(units, starts[at]!, ends[at]!),
      start: starts[at]!,
    }));
  }
}

/** Rows written down one after the other, as many as were announced. */
class PlaceWriter {
  readonly #texts: Units[] = [];
  readonly #times: Timestamp[] = [];
  readonly #places: Int32Array;
  readonly #keyHashes: Int32Array;
  readonly #indexes = new Map<Units, number>();
  #last: Units | null = null;
  #text = -1;
  #row = 0;

  constructor(rowCount: number) {
    this.#places = new Int32Array(rowCount * placeStride);
    this.#keyHashes = new Int32Array(rowCount);
  }

  add(
    units: Units,
    time: Timestamp,
    start: number,
    keyLength: number,
    afterLength: number,
    beforeLength: number,
    keyHash: number,
  ): void {
    if (units !== this.#last) {
      this.#last = units;
      this.#text = this.#indexes.get(units) ?? this.#texts.push(units) - 1;
      this.#indexes.set(units, this.#text);
    }
    if (time !== this.#times.at(-1)) {
      this.#times.push(time);
    }
    const places = this.#places;
    const place = this.#row * placeStride;
    places[place] = this.#text;
    places[place + 1] = this.#times.length - 1;
    places[place + 2] = start;
    places[place + 3] = keyLength;
    places[place + 4] = afterLength;
    places[place + 5] = beforeLength;
    this.#keyHashes[this.#row] = keyHash;
    this.#row += 1;
  }

  rows(): PlacedRows {
    return new PlacedRows({
      texts: this.#texts,
      times: this.#times,
      places: this.#places,
      keyHashes: this.#keyHashes,
    });
  }
}

function placedRows(rows: readonly EncodedRow[]): PlacedRows {
  const writer = new PlaceWriter(rows.length);
  for (const row of rows) {
    writer.add(
      row.units,
      row.time,
      row.start,
      row.keyLength,
      row.afterLength,
      row.beforeLength,
      row.keyHash,
    );
  }
  return writer.rows();
}

/** Of an entry in plain format that was made here, not read: it is as it must be. */
function rowsOfEntry({ body, rowCount, places: known }: NewEntry): PlacedRows {
  if (known) {
    const { times, places } = known;
    const keyHashes = new Int32Array(rowCount);
    for (let row = 0; row < rowCount; row += 1) {
      const start = places[row * placeStride + 2]!;
      const end = start + places[row * placeStride + 3]!;
      keyHashes[row] = unitsHash(body, start, end);
    }
    return new PlacedRows({ texts: [body], times, places, keyHashes });
  }
  const writer = new PlaceWriter(rowCount);
  visitRows(
    body,
    body[0]!,
    (units, time, start, keyLength, afterLength, beforeLength) => {
      writer.add(
        units,
        time,
        start,
        keyLength,
        afterLength,
        beforeLength,
        unitsHash(units, start, start + keyLength),
      );
    },
  );
  return writer.rows();
}

function joinedRows(list: readonly PlacedRows[]): PlacedRows {
  if (list.length === 1) {
    return list[0]!;
  }
  const rowCount = list.reduce((sum, rows) => sum + rows.rowCount, 0);
  const texts: Units[] = [];
  const times: Timestamp[] = [];
  const places = new Int32Array(rowCount * placeStride);
  const keyHashes = new Int32Array(rowCount);
  let row = 0;
  for (const { parts } of list) {
    const start = row * placeStride;
    const end = start + parts.places.length;
    places.set(parts.places, start);
    for (let place = start; place < end; place += placeStride) {
      places[place]! += texts.length;
      places[place + 1]! += times.length;
    }
    keyHashes.set(parts.keyHashes, row);
    texts.push(...parts.texts);
    times.push(...parts.times);
    row += parts.keyHashes.length;
  }
  return new PlacedRows({ texts, times, places, keyHashes });
}
