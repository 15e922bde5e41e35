/**
 * The file that LOAD DATA reads: cells between tabs, rows between newlines.
 *
 * Most cells are written as bytes (plain-cells.ts); of the others a text is
 * made first. Measured with six columns: 0.37 µs a row, 0.75 where of all of
 * them texts are made and joined.
 */
import type { JsonText } from '../../../mutation/mutation.ts';
import type { ColumnShape, ShapeRows, TableShape } from '../../target.ts';
import type { ValuePolicies } from '../../value-policy.ts';
import {
  type ColumnarRows,
  keyValues,
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
  readonly tokens: readonly JsonText[];
  readonly writePlain: CellWriter;
  /** The cell as text; null for NULL. */
  readonly textOf: (row: number) => string | null;
}

/** Rows whose values are in the file, and nowhere else. */
export interface LoadedRows {
  readonly table: TableShape;
  readonly columns: readonly ColumnShape[];
  readonly rowCount: number;
  /** Of each column the length of its longest token. */
  readonly longestTokens: readonly number[];
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
  const { table, columns, values, rowCount } = rows;
  return {
    table,
    columns,
    rowCount,
    longestTokens: values.map(longestOf),
    hasNumberKeys:
      table.primaryKey.length > 0 &&
      table.primaryKey.every((key) => codecOf(key).kind === 'integer') &&
      keyValues(rows).every((tokens) => tokens.every(isPlainInteger)),
    file: loadFile(rows, policies),
  };
}

/** In the one way in which a whole number is written: not `1.0`, `1e2`, `-0`. */
function isPlainInteger(token: JsonText): boolean {
  const start = token.charCodeAt(0) === minus ? 1 : 0;
  for (let at = start; at < token.length; at += 1) {
    const code = token.charCodeAt(at);
    if (code < zero || code > nine) {
      return false;
    }
  }
  return start === 0 || token.charCodeAt(start) > zero;
}

function longestOf(tokens: readonly string[]): number {
  let longest = 0;
  for (const token of tokens) {
    if (token.length > longest) {
      longest = token.length;
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
  const columns = rows.columns.map((_, place) =>
    fileColumn(rows, place, policies),
  );
  const chunks: Buffer[] = [];
  let chunk = Buffer.allocUnsafeSlow(firstChunkBytes(rows));
  let at = 0;
  const last = columns.length - 1;
  for (let row = 0; row < rows.rowCount; row++) {
    for (let place = 0; place <= last; place++) {
      const { tokens, writePlain, textOf } = columns[place]!;
      const token = tokens[row]!;
      // Room for a plain cell and its end.
      if (at + longestPlain >= chunk.length) {
        chunks.push(chunk.subarray(0, at));
        chunk = Buffer.allocUnsafeSlow(chunkBytes);
        at = 0;
      }
      let end =
        token.length <= longestPlain ? writePlain(token, chunk, at) : notPlain;
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
      chunk[end] = place === last ? newline : tab;
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
  const tokens = rows.values[place]!;
  const read = fileCellReader(column);
  return {
    tokens,
    writePlain: plainCellWriter(column),
    textOf(row) {
      try {
        return read(tokens[row]!);
      } catch (error) {
        return textInstead(error, rows, { row, index: place }, policies);
      }
    },
  };
}

/** About as much as the rows need, where that is less than a chunk. */
function firstChunkBytes({ values, rowCount }: ColumnarRows): number {
  let rowBytes = 0;
  for (const tokens of values) {
    rowBytes += (tokens[0]?.length ?? 0) + 2;
  }
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
