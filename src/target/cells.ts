/**
 * The values of rows where they lie in bytes, as JSON in UTF-8. A row takes a
 * few numbers, and no text is made of a value that is written as it is.
 */
import { isAscii } from 'node:buffer';

import type { JsonText } from '../mutation/mutation.ts';

const lowerN = 0x6e;

/** Of a row with so many columns: its source, and of each value start and end. */
export function cellStride(columnCount: number): number {
  return 1 + 2 * columnCount;
}

export class Cells {
  readonly columnCount: number;
  readonly rowCount: number;
  readonly sources: readonly Buffer[];
  /** Of row r from r × {@link cellStride} on; the source is one of `sources`. */
  readonly places: Int32Array;
  #byteCount: number | null = null;
  /** One text for all columns: what is cut from it keeps all of it. */
  #texts: readonly SourceText[] | null = null;

  constructor(
    columnCount: number,
    sources: readonly Buffer[],
    places: Int32Array,
  ) {
    this.columnCount = columnCount;
    this.rowCount = places.length / cellStride(columnCount);
    this.sources = sources;
    this.places = places;
  }

  isNull(column: number, row: number): boolean {
    const place = this.#placeOf(column, row);
    return this.#sourceOf(row)[this.places[place]!] === lowerN;
  }

  hasNull(column: number): boolean {
    for (let row = 0; row < this.rowCount; row += 1) {
      if (this.isNull(column, row)) {
        return true;
      }
    }
    return false;
  }

  token(column: number, row: number): JsonText {
    const place = this.#placeOf(column, row);
    return this.#sourceOf(row).toString(
      'utf8',
      this.places[place],
      this.places[place + 1],
    ) as JsonText;
  }

  /** Of a column, row after row. */
  tokens(column: number): JsonText[] {
    const texts = (this.#texts ??= this.#sourceTexts());
    const tokens: JsonText[] = [];
    for (let row = 0; row < this.rowCount; row += 1) {
      const { text, start } =
        texts[this.places[row * cellStride(this.columnCount)]!]!;
      const place = this.#placeOf(column, row);
      tokens.push(
        text === null
          ? this.token(column, row)
          : (text.slice(
              this.places[place]! - start,
              this.places[place + 1]! - start,
            ) as JsonText),
      );
    }
    return tokens;
  }

  /** Of each source what lies between its first value and its last one. */
  #sourceTexts(): SourceText[] {
    const { places, sources } = this;
    const stride = cellStride(this.columnCount);
    const starts = sources.map(() => Infinity);
    const ends = sources.map(() => 0);
    for (let row = 0; row < places.length; row += stride) {
      const at = places[row]!;
      for (let place = row + 1; place < row + stride; place += 2) {
        starts[at] = Math.min(starts[at]!, places[place]!);
        ends[at] = Math.max(ends[at]!, places[place + 1]!);
      }
    }
    // A slice has few of the sources.
    return sources.map((source, at) =>
      ends[at] === 0 ? noText : sourceText(source, starts[at]!, ends[at]!),
    );
  }

  get byteCount(): number {
    this.#byteCount ??= this.#countBytes();
    return this.#byteCount;
  }

  #countBytes(): number {
    let count = 0;
    for (let row = 0; row < this.rowCount; row += 1) {
      count += this.rowBytes(row);
    }
    return count;
  }

  /** Of all values of the row. */
  rowBytes(row: number): number {
    const stride = cellStride(this.columnCount);
    const end = (row + 1) * stride;
    let count = 0;
    for (let place = row * stride + 1; place < end; place += 2) {
      count += this.places[place + 1]! - this.places[place]!;
    }
    return count;
  }

  slice(start: number, end: number): Cells {
    const stride = cellStride(this.columnCount);
    return new Cells(
      this.columnCount,
      this.sources,
      this.places.subarray(start * stride, end * stride),
    );
  }

  #placeOf(column: number, row: number): number {
    return row * cellStride(this.columnCount) + 1 + 2 * column;
  }

  #sourceOf(row: number): Buffer {
    return this.sources[this.places[row * cellStride(this.columnCount)]!]!;
  }
}

interface SourceText {
  /** Null where there are others than ASCII: positions in it would be others. */
  readonly text: string | null;
  /** Where in the source it starts. */
  readonly start: number;
}

const noText: SourceText = { text: null, start: 0 };

function sourceText(source: Buffer, start: number, end: number): SourceText {
  return isAscii(source.subarray(start, end))
    ? { text: source.toString('latin1', start, end), start }
    : noText;
}

/** Rows of cells that are written down one behind the other. */
export class CellsWriter {
  readonly #columnCount: number;
  readonly #sources: Buffer[] = [];
  readonly #indexes = new Map<Buffer, number>();
  #last: Buffer | null = null;
  #index = -1;
  #places: Int32Array;
  #rowCount = 0;

  /** For so many rows at first. */
  constructor(columnCount: number, rowCount: number) {
    this.#columnCount = columnCount;
    this.#places = new Int32Array(cellStride(columnCount) * rowCount);
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** Its values are set afterwards. */
  addRow(source: Buffer): void {
    const stride = cellStride(this.#columnCount);
    const start = this.#rowCount * stride;
    if (start + stride > this.#places.length) {
      this.#grow(stride);
    }
    if (source !== this.#last) {
      this.#last = source;
      this.#index = this.#indexes.get(source) ?? this.#sources.push(source) - 1;
      this.#indexes.set(source, this.#index);
    }
    this.#places[start] = this.#index;
    this.#rowCount += 1;
  }

  /** In the row that was added last. */
  set(column: number, start: number, end: number): void {
    const place =
      (this.#rowCount - 1) * cellStride(this.#columnCount) + 1 + 2 * column;
    this.#places[place] = start;
    this.#places[place + 1] = end;
  }

  cells(): Cells {
    return new Cells(
      this.#columnCount,
      this.#sources,
      this.#places.subarray(0, this.#rowCount * cellStride(this.#columnCount)),
    );
  }

  #grow(stride: number): void {
    const larger = new Int32Array(
      Math.max(2 * this.#places.length, 16 * stride),
    );
    larger.set(this.#places);
    this.#places = larger;
  }
}

/** `values[c][r]` is the JSON of column c in row r. */
export function encodedCells(
  values: readonly (readonly JsonText[])[],
  rowCount: number,
): Cells {
  const columns = values.map((tokens) => tokens.join(''));
  const text = columns.join('');
  const source = Buffer.from(text);
  const bytesOf =
    source.length === text.length
      ? (token: string) => token.length
      : (token: string) => Buffer.byteLength(token);
  let columnStart = 0;
  const ends = columns.map((column) => {
    const start = columnStart;
    columnStart += bytesOf(column);
    return start;
  });
  const writer = new CellsWriter(values.length, rowCount);
  for (let row = 0; row < rowCount; row += 1) {
    writer.addRow(source);
    for (let column = 0; column < values.length; column += 1) {
      const start = ends[column]!;
      const end = start + bytesOf(values[column]![row]!);
      writer.set(column, start, end);
      ends[column] = end;
    }
  }
  return writer.cells();
}
