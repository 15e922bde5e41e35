/**
 * Cuts rows into columns and groups them by the set of columns they carry,
 * so that a sparse row never overwrites what it does not carry.
 */
import { ReplicatorError } from '../failure/failure.ts';
import { areSameBytes, viewOf } from '../lib/byte-view.ts';
import { valueEnd } from '../mutation/json-bytes.ts';
import {
  scanArray,
  scanObject,
  skipBlank,
  unescape,
} from '../mutation/json-text.ts';
import type { JsonText } from '../mutation/mutation.ts';
import { CellsWriter } from './cells.ts';
import { requireKeyWidth } from './row-shape.ts';
import { cellValues } from './row-values.ts';
import type { ColumnShape, ShapeRows, TableShape } from './target.ts';

export interface KeyedRow {
  readonly key: JsonText;
  readonly after: JsonText;
}

export interface RowShapeOptions {
  /** Columns that the target does not have are left out instead of E4012. */
  readonly ignoreUnknownColumns: boolean;
  /** See {@link ShapeRows.replace}. */
  readonly replace: boolean;
}

/** How rows whose members have the same names in the same order are cut. */
interface Cut {
  /** Columns of the table, in catalog order, and their names as one text. */
  readonly columns: readonly ColumnShape[];
  readonly shape: string;
  /** For each member the number of its column among them; -1 drops it. */
  readonly columnOf: readonly number[];
  /** Key columns that the row lacks: number among the columns, place in the key. */
  readonly fromKey: readonly {
    readonly column: number;
    readonly ordinal: number;
  }[];
}

interface Group {
  readonly columns: readonly ColumnShape[];
  readonly writer: CellsWriter;
}

/** A cut, and what stands before, between and behind the values of a row. */
interface Layout {
  readonly cut: Cut;
  /** One behind the other, and the length of each. */
  readonly pieces: DataView;
  readonly lengths: readonly number[];
}

/** What is known of a table's rows from one batch to the next. */
interface KnownLayouts {
  readonly cuts: Map<string, Cut>;
  last: Layout | null;
}

const layoutsOf = {
  strict: new WeakMap<TableShape, KnownLayouts>(),
  lenient: new WeakMap<TableShape, KnownLayouts>(),
};

/** More than a table's rows have: nobody's names fill the memory. */
const mostCuts = 100;

function knownLayouts(
  table: TableShape,
  { ignoreUnknownColumns }: RowShapeOptions,
): KnownLayouts {
  const known = layoutsOf[ignoreUnknownColumns ? 'lenient' : 'strict'];
  let layouts = known.get(table);
  if (!layouts || layouts.cuts.size > mostCuts) {
    layouts = { cuts: new Map(), last: null };
    known.set(table, layouts);
  }
  return layouts;
}

/**
 * Texts of more characters do not share a source: those of all rows of a large
 * transaction may be more than one text can have.
 */
const sourceLength = 1 << 20;

const space = 0x20;

/** Where the values of a row start and end. */
interface ValueRanges {
  readonly starts: number[];
  readonly ends: number[];
}

export function groupByShape(
  table: TableShape,
  rows: readonly KeyedRow[],
  options: RowShapeOptions,
): ShapeRows[] {
  const cutter = new RowCutter(table, options);
  cutter.addAll(rows);
  return cutter.shapes();
}

/**
 * Rows of one feed nearly always have the same names and blanks at the same
 * places, so the last row's layout is tried first: only values are read.
 */
export class RowCutter {
  readonly #table: TableShape;
  readonly #options: RowShapeOptions;
  readonly #rowCount: number;
  readonly #layouts: KnownLayouts;
  /** By the names of their columns: names in another order are one shape. */
  readonly #groups = new Map<string, Group>();
  readonly #ranges: ValueRanges = { starts: [], ends: [] };
  #source: Buffer | null = null;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #cut: Cut | null = null;
  #group: Group | null = null;

  /** For about so many rows. */
  constructor(table: TableShape, options: RowShapeOptions, rowCount = 0) {
    this.#table = table;
    this.#options = options;
    this.#rowCount = rowCount;
    this.#layouts = knownLayouts(table, options);
  }

  /** The row lies in the source from `start` to `end`, its key from `keyStart` on. */
  add(source: Buffer, start: number, end: number, keyStart: number): void {
    if (source !== this.#source) {
      this.#source = source;
      this.#view = viewOf(source);
    }
    const ranges = this.#ranges;
    const { last } = this.#layouts;
    const { cut } =
      last !== null &&
      findValues({ source, view: this.#view }, start, end, last, ranges)
        ? last
        : this.#newLayout(source, start, end);
    if (cut !== this.#cut || this.#group === null) {
      this.#cut = cut;
      this.#group = this.#groupOf(cut);
    }
    const { writer } = this.#group;
    writer.addRow(source);
    const { starts, ends } = ranges;
    const { columnOf } = cut;
    for (let member = 0; member < columnOf.length; member += 1) {
      const column = columnOf[member]!;
      if (column >= 0) {
        // Of a repeated name the last value stays, as in JSON.parse.
        writer.set(column, starts[member]!, ends[member]!);
      }
    }
    if (cut.fromKey.length > 0) {
      addKey(this.#table, cut, writer, source, keyStart);
    }
  }

  #newLayout(source: Buffer, start: number, end: number): Layout {
    const ranges = this.#ranges;
    const names = findMembers(source, start, end, ranges);
    const joined = names.join('"');
    const { cuts } = this.#layouts;
    let cut = cuts.get(joined);
    if (!cut) {
      cut = newCut(this.#table, names, this.#options);
      cuts.set(joined, cut);
    }
    const layout = {
      cut,
      ...piecesOf(source, start, end, names.length, ranges),
    };
    this.#layouts.last = layout;
    return layout;
  }

  #groupOf({ columns, shape }: Cut): Group {
    let group = this.#groups.get(shape);
    if (!group) {
      // Those of the first shape are mostly all there are.
      const rowCount = this.#groups.size === 0 ? this.#rowCount : 0;
      group = { columns, writer: new CellsWriter(columns.length, rowCount) };
      this.#groups.set(shape, group);
    }
    return group;
  }

  addAll(rows: readonly KeyedRow[]): void {
    let start = 0;
    while (start < rows.length) {
      let end = start;
      for (let length = 0; end < rows.length && length < sourceLength;) {
        const { key, after } = rows[end]!;
        length += key.length + after.length;
        end += 1;
      }
      this.#addTogether(rows.slice(start, end));
      start = end;
    }
  }

  #addTogether(rows: readonly KeyedRow[]): void {
    const texts = rows.flatMap(({ key, after }) => [after, key]);
    const text = texts.join('');
    const source = Buffer.from(text);
    const isAscii = source.length === text.length;
    let at = 0;
    for (const { key, after } of rows) {
      const end = at + (isAscii ? after.length : Buffer.byteLength(after));
      this.add(source, at, end, end);
      at = end + (isAscii ? key.length : Buffer.byteLength(key));
    }
  }

  /** Of all rows so far. */
  shapes(): ShapeRows[] {
    const table = this.#table;
    return [...this.#groups.values()].map(({ columns, writer }) => ({
      table,
      columns,
      values: cellValues(writer.cells()),
      rowCount: writer.rowCount,
      ...(this.#options.replace && { replace: true }),
    }));
  }
}

/** True when the row has the layout; then the ranges are those of its values. */
function findValues(
  { source, view }: { readonly source: Buffer; readonly view: DataView },
  start: number,
  end: number,
  { pieces, lengths }: Layout,
  { starts, ends }: ValueRanges,
): boolean {
  const count = lengths.length - 1;
  let at = start;
  let pieceStart = 0;
  for (let member = 0; member < count; member += 1) {
    const length = lengths[member]!;
    if (
      at + length >= end ||
      !areSameBytes(view, at, pieces, pieceStart, length)
    ) {
      return false;
    }
    at += length;
    pieceStart += length;
    // The layout has no blank there: it is none of the value.
    if (source[at]! <= space) {
      return false;
    }
    starts[member] = at;
    at = valueEnd(source, at, end);
    ends[member] = at;
  }
  const length = lengths[count]!;
  return (
    at + length === end && areSameBytes(view, at, pieces, pieceStart, length)
  );
}

/**
 * The names of all members as they stand there, still escaped. A character for
 * each byte: what JSON is made of is ASCII, and positions are those of bytes.
 */
function findMembers(
  source: Buffer,
  rowStart: number,
  rowEnd: number,
  { starts, ends }: ValueRanges,
): string[] {
  const names: string[] = [];
  const text = source.toString('latin1', rowStart, rowEnd);
  scanObject(text, skipBlank(text, 0), (nameStart, nameEnd, start, end) => {
    starts[names.length] = rowStart + start;
    ends[names.length] = rowStart + end;
    names.push(
      source.toString('utf8', rowStart + nameStart, rowStart + nameEnd),
    );
  });
  return names;
}

function piecesOf(
  source: Buffer,
  rowStart: number,
  rowEnd: number,
  count: number,
  { starts, ends }: ValueRanges,
): Pick<Layout, 'pieces' | 'lengths'> {
  const pieces: Buffer[] = [];
  let at = rowStart;
  for (let member = 0; member < count; member += 1) {
    pieces.push(source.subarray(at, starts[member]));
    at = ends[member]!;
  }
  pieces.push(source.subarray(at, rowEnd));
  return {
    pieces: viewOf(Buffer.concat(pieces)),
    lengths: pieces.map(({ length }) => length),
  };
}

function addKey(
  table: TableShape,
  { fromKey }: Cut,
  writer: CellsWriter,
  source: Buffer,
  keyStart: number,
): void {
  const keyEnd = valueEnd(source, keyStart, source.length);
  const text = source.toString('latin1', keyStart, keyEnd);
  const elements: { readonly start: number; readonly end: number }[] = [];
  scanArray(text, 0, (start, end) => elements.push({ start, end }));
  requireKeyWidth(table, elements.length);
  for (const { column, ordinal } of fromKey) {
    const { start, end } = elements[ordinal]!;
    writer.set(column, keyStart + start, keyStart + end);
  }
}

function newCut(
  table: TableShape,
  rawNames: readonly string[],
  options: RowShapeOptions,
): Cut {
  const members = rawNames.map((raw) =>
    memberColumn(table, unescape(raw, 0, raw.length), options),
  );
  const carried = new Set(members.filter((column) => column !== null));
  // Catalog order: two rows whose members differ in order only are one shape.
  const columns = table.columns.filter(
    (column) => carried.has(column) || column.keyOrdinal !== null,
  );
  return {
    columns,
    shape: columns.map(({ name }) => name).join('\0'),
    columnOf: members.map((column) =>
      column === null ? -1 : columns.indexOf(column),
    ),
    fromKey: table.primaryKey
      .filter((column) => !carried.has(column))
      .map((column) => ({
        column: columns.indexOf(column),
        ordinal: column.keyOrdinal!,
      })),
  };
}

/** Null for a column that is dropped. */
function memberColumn(
  table: TableShape,
  name: string,
  { ignoreUnknownColumns }: RowShapeOptions,
): ColumnShape | null {
  const column = table.columnByName.get(name);
  if (!column && !ignoreUnknownColumns) {
    throw new ReplicatorError('E4012', {
      detail: `column "${name}" of table ${table.schema}.${table.name} is not at the target, and staged rows carry it`,
    });
  }
  return !column || column.generated ? null : column;
}
