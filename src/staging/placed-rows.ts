/** Rows of one table in the bytes in which they are staged, as batches hold them. */
import { unitsHash } from '../lib/text-hash.ts';
import type {
  EncodedRows,
  Mutation,
  TableMutations,
  VisitEncodedKey,
  VisitEncodedRow,
} from '../mutation/mutation.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import { isPlainFormat, mutationAt } from './batch-codec.ts';
import {
  type EncodedRow,
  textOf,
  type Units,
  visitRows,
} from './encoded-rows.ts';
import type { NewEntry } from './staging.ts';

/** Rows of one table, at least one, of any entries: decoded when asked for. */
export function encodedTable(
  table: string,
  rows: readonly EncodedRow[],
): TableMutations {
  const held = placedRows(rows);
  return {
    table,
    encoded: held,
    get mutations() {
      return held.decode();
    },
  };
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
class HeldTable implements TableMutations {
  readonly table: string;
  readonly keyColumns?: readonly string[];
  readonly encoded: PlacedRows;
  #mutations: readonly Mutation[] | null = null;

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
    return (this.#mutations ??= this.encoded.decode());
  }
}

/** Of a row its text, its time, where it starts, and three lengths. */
const stride = 6;

interface Places {
  readonly texts: readonly Units[];
  readonly times: readonly Timestamp[];
  /** Of texts and times their numbers in these lists. */
  readonly places: Int32Array;
  readonly keyHashes: Int32Array;
}

const noPlaces: Places = {
  texts: [],
  times: [],
  places: new Int32Array(0),
  keyHashes: new Int32Array(0),
};

class PlacedRows implements EncodedRows {
  readonly rowCount: number;
  readonly textLength: number;
  readonly isEmptied: boolean;
  #parts: Places;

  constructor(parts: Places) {
    const { places, keyHashes } = parts;
    let textLength = 0;
    let isEmptied = false;
    for (let place = 0; place < places.length; place += stride) {
      const keyLength = places[place + 3]!;
      textLength +=
        keyLength +
        Math.max(places[place + 4]!, 0) +
        Math.max(places[place + 5]!, 0);
      // No row has a key without columns (mutation.ts `truncation`).
      isEmptied ||= keyLength === 2;
    }
    this.#parts = parts;
    this.rowCount = keyHashes.length;
    this.textLength = textLength;
    this.isEmptied = isEmptied;
  }

  get parts(): Places {
    return this.#parts;
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
    const { places, times } = this.parts;
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
        times[places[place + 1]!]!,
      );
    }
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
      place += stride;
    }
  }

  picked(marks: Uint8Array, mark: number): PlacedRows {
    const { texts, times, places, keyHashes } = this.parts;
    const pickedTimes: Timestamp[] = [];
    const pickedPlaces = new Int32Array(places.length);
    let end = 0;
    let lastTime = -1;
    for (let row = 0; row < marks.length; row += 1) {
      if (marks[row] !== mark) {
        continue;
      }
      const place = row * stride;
      pickedPlaces.set(places.subarray(place, place + stride), end);
      if (places[place + 1] !== lastTime) {
        lastTime = places[place + 1]!;
        pickedTimes.push(times[lastTime]!);
      }
      pickedPlaces[end + 1] = pickedTimes.length - 1;
      end += stride;
    }
    return new PlacedRows({
      texts,
      times: pickedTimes,
      places: pickedPlaces.slice(0, end),
      keyHashes: keyHashes.filter((_, row) => marks[row] === mark),
    });
  }

  release(): void {
    this.#parts = noPlaces;
  }

  decode(): Mutation[] {
    const { places, times } = this.parts;
    const texts = this.#decodedTexts();
    const mutations: Mutation[] = [];
    for (let place = 0; place < places.length; place += stride) {
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

  /** Of each text what its rows need; nothing where they are picked from others. */
  #decodedTexts(): { readonly text: string; readonly start: number }[] {
    const { places, texts } = this.parts;
    const starts = texts.map(() => Infinity);
    const ends = texts.map(() => 0);
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
    return texts.map((units, at) =>
      ends[at] === 0
        ? { text: '', start: 0 }
        : {
            text: textOf(units, starts[at]!, ends[at]!),
            start: starts[at]!,
          },
    );
  }
}

function placedRows(rows: readonly EncodedRow[]): PlacedRows {
  const indexes = new Map<Units, number>();
  const texts: Units[] = [];
  const times: Timestamp[] = [];
  const places = new Int32Array(rows.length * stride);
  const keyHashes = new Int32Array(rows.length);
  let last: Units | null = null;
  let text = -1;
  let place = 0;
  for (let at = 0; at < rows.length; at += 1) {
    const row = rows[at]!;
    if (row.units !== last) {
      last = row.units;
      text = indexes.get(last) ?? texts.push(last) - 1;
      indexes.set(last, text);
    }
    if (row.time !== times.at(-1)) {
      times.push(row.time);
    }
    places[place] = text;
    places[place + 1] = times.length - 1;
    places[place + 2] = row.start;
    places[place + 3] = row.keyLength;
    places[place + 4] = row.afterLength;
    places[place + 5] = row.beforeLength;
    place += stride;
    keyHashes[at] = row.keyHash;
  }
  return new PlacedRows({ texts, times, places, keyHashes });
}

/** Of an entry in plain format that was made here, not read: it is as it must be. */
function rowsOfEntry({ body, rowCount }: NewEntry): PlacedRows {
  const times: Timestamp[] = [];
  const places = new Int32Array(rowCount * stride);
  const keyHashes = new Int32Array(rowCount);
  let text: Units = body;
  let row = 0;
  let place = 0;
  visitRows(
    body,
    body[0]!,
    (units, time, start, keyLength, afterLength, beforeLength) => {
      text = units;
      if (time !== times.at(-1)) {
        times.push(time);
      }
      places[place + 1] = times.length - 1;
      places[place + 2] = start;
      places[place + 3] = keyLength;
      places[place + 4] = afterLength;
      places[place + 5] = beforeLength;
      place += stride;
      keyHashes[row] = unitsHash(units, start, start + keyLength);
      row += 1;
    },
  );
  return new PlacedRows({ texts: [text], times, places, keyHashes });
}

function joinedRows(list: readonly PlacedRows[]): PlacedRows {
  if (list.length === 1) {
    return list[0]!;
  }
  const rowCount = list.reduce((sum, rows) => sum + rows.rowCount, 0);
  const texts: Units[] = [];
  const times: Timestamp[] = [];
  const places = new Int32Array(rowCount * stride);
  const keyHashes = new Int32Array(rowCount);
  let row = 0;
  for (const { parts } of list) {
    const start = row * stride;
    const end = start + parts.places.length;
    places.set(parts.places, start);
    for (let place = start; place < end; place += stride) {
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
