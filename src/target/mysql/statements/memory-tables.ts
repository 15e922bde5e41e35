/**
 * Which rows may be loaded into a table of the engine MEMORY. It keeps no
 * undo log and is emptied at once: of rows of 100 bytes, 1000 a transaction, it
 * takes MySQL 3.1 µs instead of 7.8 from the load to the commit, MariaDB 2.7
 * instead of 5.5.
 *
 * MEMORY gives each row the space of the longest one and holds no TEXT. Texts
 * lie there in a VARCHAR as long as those that have come by now.
 */
import type { ColumnShape, TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import type { LoadedRows } from '../values/load-file.ts';

/** Of longer rows InnoDB takes as little time (measured with 2 to 24 KB). */
const mostRowBytes = 8 * 1024;
/** For the index and for what lies between rows. */
const overheadBytes = 40;
/** A character of any character set. */
const characterBytes = 4;
/** A decimal of 65 digits takes as many. */
const mostOtherBytes = 32;

export type MemoryLengths = readonly (number | null)[];

/**
 * For each column how long its texts or bytes may be, null where the type says
 * it; `atLeast` is what the table has already. Null: the rows go elsewhere.
 */
export function memoryLengths(
  {
    table,
    columns,
    rowCount,
    longestBytes,
  }: Omit<LoadedRows, 'file' | 'hasNumberKeys'>,
  tableBytes: number,
  atLeast: MemoryLengths | null,
): MemoryLengths | null {
  if (tableBytes === 0 || !canLieInMemory(table, columns)) {
    return null;
  }
  const lengths = columns.map((column, place) =>
    varies(column)
      ? Math.max(atLeast?.[place] ?? 0, lengthFor(column, longestBytes[place]!))
      : null,
  );
  let rowBytes = overheadBytes;
  columns.forEach((column, place) => {
    rowBytes += bytesOf(column, lengths[place]!);
  });
  // Half of what the server allows: it counts other things than we do.
  return rowBytes <= mostRowBytes && rowBytes * rowCount <= tableBytes / 2
    ? lengths
    : null;
}

/** The type of a column of such a table. */
export function memoryType(column: ColumnShape, length: number | null): string {
  const codec = codecOf(column);
  if (length === null) {
    return codec.definition;
  }
  const name = codec.kind === 'binary' ? 'varbinary' : 'varchar';
  return codec.definition.replace(/^\w+(?:\(\d+\))?/, `${name}(${length})`);
}

function canLieInMemory(
  table: TableShape,
  columns: readonly ColumnShape[],
): boolean {
  return (
    columns.every((column) => {
      const { kind, definition } = codecOf(column);
      return kind === 'other'
        ? /^(?:uuid|inet[46])$/i.test(definition)
        : kind !== 'geometry';
    }) &&
    table.primaryKey.every((column) => codecOf(column).keyPrefix === undefined)
  );
}

function varies(column: ColumnShape): boolean {
  const codec = codecOf(column);
  return (
    codec.kind === 'json' ||
    ((codec.kind === 'text' || codec.kind === 'binary') && !codec.fixed)
  );
}

/** Of few sizes, so that few tables are made for one that is too narrow. */
function lengthFor(column: ColumnShape, byteCount: number): number {
  const codec = codecOf(column);
  const length = Math.max(32, 2 ** Math.ceil(Math.log2(byteCount)));
  const isLimited =
    codec.kind === 'binary' ||
    (codec.kind === 'text' && codec.unit === 'characters');
  return isLimited
    ? Math.min(length, Math.max(1, codec.maxLength ?? length))
    : length;
}

function bytesOf(column: ColumnShape, length: number | null): number {
  const codec = codecOf(column);
  if (codec.kind === 'text' || codec.kind === 'json') {
    const fixed = codec.kind === 'text' ? codec.maxLength : null;
    return characterBytes * (length ?? fixed!) + 2;
  }
  return codec.kind === 'binary'
    ? (length ?? codec.maxLength) + 2
    : mostOtherBytes;
}
