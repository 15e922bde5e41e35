/**
 * The file that LOAD DATA reads: cells between tabs, rows between newlines.
 *
 * Most cells are written as they lie (plain-cells.ts); of the others a text is
 * made first.
 */
import type { JsonText } from '../../../mutation/mutation.ts';
import { type Cells, cellStride } from '../../cells.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';
import type { ValuePolicies } from '../../value-policy.ts';
import {
  type ColumnarRows,
  keyIndexes,
  textInstead,
} from '../../values/column-texts.ts';
import { codecOf } from './codec.ts';
import {
  type CellWriter,
  longestPlain,
  notPlain,
  plainCellWriter,
} from './plain-cells.ts';
import { fileCellReader } from './row-encoding.ts';

const tab = 0x09;
const newline = 0x0a;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;
/** Below the smallest max_allowed_packet that one meets. */
const chunkBytes = 256 * 1024;

interface FileColumn {
  readonly writePlain: CellWriter;
  /** The cell as text; null for NULL. */
  readonly textOf: (row: number) => string | null;
}

/** Rows whose values are in the file, and nowhere else. */
export interface LoadedRows {
  readonly table: TableShape;
  readonly columns: readonly ColumnShape[];
  readonly rowCount: number;
  /** Of each column the bytes of its longest value, as JSON. */
  readonly longestBytes: readonly number[];
  /**
   * All parts of all keys are whole numbers, and written as such: of two rows
   * they differ, for else it were one row, and no index needs to look.
   */
  readonly hasNumberKeys: boolean;
  readonly file: readonly Buffer[];
}

export function loadedRows(
  rows: ShapeRows,
  policies: ValuePolicies,
): LoadedRows {
  const { table, columns, rowCount } = rows;
  const { cells } = rows.values;
  return {
    table,
    columns,
    rowCount,
    longestBytes: longestCells(cells),
    hasNumberKeys:
      table.primaryKey.length > 0 &&
      table.primaryKey.every((key) => codecOf(key).kind === 'integer') &&
      keyIndexes(rows).every((index) => areCells(cells, index, isPlainInteger)),
    file: loadFile(rows, policies),
  };
}

function areCells(
  { sources, places, rowCount, columnCount }: Cells,
  column: number,
  test: (source: Buffer, start: number, end: number) => boolean,
): boolean {
  const stride = cellStride(columnCount);
  for (let row = 0; row < rowCount; row += 1) {
    const place = row * stride;
    const start = places[place + 1 + 2 * column]!;
    const end = places[place + 2 + 2 * column]!;
    if (!test(sources[places[place]!]!, start, end)) {
      return false;
    }
  }
  return true;
}

/** In the one way in which a whole number is written: not `1.0`, `1e2`, `-0`. */
function isPlainInteger(source: Buffer, start: number, end: number): boolean {
  const isNegative = source[start] === minus;
  const first = isNegative ? start + 1 : start;
  for (let at = first; at < end; at += 1) {
    const code = source[at]!;
    if (code < zero || code > nine) {
      return false;
    }
  }
  return !isNegative || source[first]! > zero;
}

function longestCells({ places, rowCount, columnCount }: Cells): number[] {
  const longest = Array.from({ length: columnCount }, () => 0);
  let place = 0;
  for (let row = 0; row < rowCount; row += 1) {
    place += 1;
    for (let column = 0; column < columnCount; column += 1) {
      const length = places[place + 1]! - places[place]!;
      if (length > longest[column]!) {
        longest[column] = length;
      }
      place += 2;
    }
  }
  return longest;
}

/**
 * The file in pieces, none of them larger than a packet may be, and none
 * empty: that would be the end of the file.
 */
export function loadFile(
  rows: ColumnarRows,
  policies: ValuePolicies,
): Buffer[] {
  const { sources, places, columnCount } = rows.values.cells;
  const stride = cellStride(columnCount);
  const columns = rows.columns.map((_, place) =>
    fileColumn(rows, place, policies),
  );
  const chunks: Buffer[] = [];
  let chunk = Buffer.allocUnsafeSlow(firstChunkBytes(rows));
  let at = 0;
  const last = columns.length - 1;
  for (let row = 0; row < rows.rowCount; row++) {
    const source = sources[places[row * stride]!]!;
    for (let column = 0; column <= last; column++) {
      const { writePlain, textOf } = columns[column]!;
      const cellStart = places[row * stride + 1 + 2 * column]!;
      const cellEnd = places[row * stride + 2 + 2 * column]!;
      // Room for a plain cell and its end.
      if (at + longestPlain >= chunk.length) {
        chunks.push(chunk.subarray(0, at));
        chunk = Buffer.allocUnsafeSlow(chunkBytes);
        at = 0;
      }
      let end =
        cellEnd - cellStart <= longestPlain
          ? writePlain(source, cellStart, cellEnd, chunk, at)
          : notPlain;
      if (end === notPlain) {
        const text = textOf(row) ?? String.raw`\N`;
        // A character takes three bytes at most.
        if (at + text.length * 3 < chunk.length) {
          end = at + chunk.write(text, at);
        } else {
          if (at > 0) {
            chunks.push(chunk.subarray(0, at));
          }
          chunks.push(...pieces(text));
          chunk = Buffer.allocUnsafeSlow(chunkBytes);
          end = 0;
        }
      }
      chunk[end] = column === last ? newline : tab;
      at = end + 1;
    }
  }
  chunks.push(chunk.subarray(0, at));
  return chunks;
}

function fileColumn(
  rows: ColumnarRows,
  place: number,
  policies: ValuePolicies,
): FileColumn {
  const column = rows.columns[place]!;
  const read = fileCellReader(column);
  let tokens: readonly JsonText[] | null = null;
  return {
    writePlain: plainCellWriter(column),
    textOf(row) {
      tokens ??= rows.values.cells.tokens(place);
      try {
        return read(tokens[row]!);
      } catch (error) {
        return textInstead(error, rows, { row, index: place }, policies);
      }
    },
  };
}

/** About as much as the rows need, where that is less than a chunk. */
function firstChunkBytes({ values, rowCount, columns }: ColumnarRows): number {
  const rowBytes = values.cells.rowBytes(0) + 2 * columns.length;
  return Math.min(chunkBytes, longestPlain + 1 + rowCount * rowBytes);
}

function pieces(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    found.push(bytes.subarray(at, at + chunkBytes));
  }
  return found;
}
