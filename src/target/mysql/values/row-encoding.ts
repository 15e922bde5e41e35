/**
 * Rows laid out by column become the one text that crosses: a JSON array of
 * arrays for JSON_TABLE, or a file for LOAD DATA (load-file.ts).
 *
 * The escapes `\\ \" \/ \b \n \r \t` mean the same in both, so that most
 * strings of JSON pass as they are.
 */
import type { JsonText } from '../../../mutation/mutation.ts';
import { type ColumnarRows, columnTexts } from '../../values/column-texts.ts';
import type { ColumnShape, ShapeRows } from '../../target.ts';
import { UnstorableValue, type ValuePolicies } from '../../value-policy.ts';
import { codecOf } from './codec.ts';
import { readerOf } from './values.ts';

const quote = 0x22;
/** Escapes that are not the same in a file and in JSON. */
const foreignEscape = /\\[fu]/;

export function jsonRows(rows: ColumnarRows, policies: ValuePolicies): string {
  const cells = rows.columns.map((column, place) => {
    const read = cellReader(column, escapeForJson);
    return columnTexts(rows, place, {
      columnText: (_, token) => read(token),
      policies,
    });
  });
  let text = '[';
  for (let row = 0; row < rows.rowCount; row++) {
    text += row === 0 ? '[' : ',[';
    for (let place = 0; place < cells.length; place++) {
      const cell = cells[place]![row] ?? null;
      const element = cell === null ? 'null' : `"${cell}"`;
      text += place === 0 ? element : `,${element}`;
    }
    text += ']';
  }
  return `${text}]`;
}

/** The texts of one column, for literals. */
export function literalTexts(
  rows: ColumnarRows,
  place: number,
  policies: ValuePolicies,
): (string | null)[] {
  return columnTexts(rows, place, {
    columnText: (column, token) => readerOf(codecOf(column))(token),
    policies,
  });
}

/** Makes the cells of a column in a file; throws UnstorableValue. */
export function fileCellReader(
  column: ColumnShape,
): (token: JsonText) => string | null {
  return cellReader(column, escapeForFile);
}

/** Their texts hold digits, signs and marks that mean themselves in both. */
const unescapedKinds: ReadonlySet<string> = new Set([
  'integer',
  'decimal',
  'float',
  'bit',
  'binary',
  'date',
  'datetime',
  'time',
]);

function cellReader(
  column: ColumnShape,
  escape: (text: string) => string,
): (token: JsonText) => string | null {
  const codec = codecOf(column);
  const read = readerOf(codec);
  if (unescapedKinds.has(codec.kind)) {
    return read;
  }
  const escaped = (token: JsonText): string | null => {
    try {
      const text = read(token);
      return text === null ? null : escape(text);
    } catch (error) {
      throw error instanceof UnstorableValue && error.clamped !== null
        ? new UnstorableValue(error.message, escape(error.clamped))
        : error;
    }
  };
  if (codec.kind !== 'text' || codec.fixed) {
    return escaped;
  }
  // In bytes a text is at most three times as long.
  const safeLength =
    codec.maxLength === null
      ? Infinity
      : codec.unit === 'bytes'
        ? codec.maxLength / 3
        : codec.maxLength;
  return (token) =>
    token.charCodeAt(0) === quote &&
    token.length - 2 <= safeLength &&
    !foreignEscape.test(token)
      ? token.slice(1, -1)
      : escaped(token);
}

function escapeForFile(text: string): string {
  return /[\\\t\n\r\0]/.test(text)
    ? text
        .replaceAll('\\', '\\\\')
        .replaceAll('\t', '\\t')
        .replaceAll('\n', '\\n')
        .replaceAll('\r', '\\r')
        .replaceAll('\0', '\\0')
    : text;
}

function escapeForJson(text: string): string {
  return /["\\\x00-\x1f]/.test(text) ? JSON.stringify(text).slice(1, -1) : text;
}

/** Rows in pieces that fit into so many bytes; a row that alone does not, alone. */
export function* packetChunks(
  rows: ShapeRows,
  byteCount: number,
): Generator<ShapeRows> {
  // Less than what escapes make of them.
  const limit = Math.floor(byteCount / 3);
  let start = 0;
  let total = 0;
  for (let row = 0; row < rows.rowCount; row++) {
    const size = rows.values.cells.rowBytes(row) + 3 * rows.columns.length;
    if (total + size > limit && row > start) {
      yield slice(rows, start, row);
      start = row;
      total = 0;
    }
    total += size;
  }
  yield start === 0 ? rows : slice(rows, start, rows.rowCount);
}

function slice(rows: ShapeRows, start: number, end: number): ShapeRows {
  return {
    ...rows,
    values: rows.values.slice(start, end),
    rowCount: end - start,
  };
}
