/**
 * Cuts rows into columns and groups them by the set of columns they carry,
 * so that a sparse row never overwrites what it does not carry.
 */
import { ReplicatorError } from '../failure/failure.ts';
import {
  arrayElements,
  scanObject,
  skipBlank,
  unescape,
} from '../mutation/json-text.ts';
import type { JsonText } from '../mutation/mutation.ts';
import type {
  ColumnShape,
  KeyMoves,
  KeyRows,
  ShapeRows,
  TableShape,
} from './target.ts';

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
  /** Member names as they stand in the text, still escaped. */
  readonly rawNames: readonly string[];
  /** For each member the place of its column in the group; -1 drops it. */
  readonly places: readonly number[];
  /** Key columns that the row lacks: place in the group, place in the key. */
  readonly fromKey: readonly {
    readonly place: number;
    readonly ordinal: number;
  }[];
  readonly group: Group;
}

interface Group {
  readonly columns: readonly ColumnShape[];
  readonly values: JsonText[][];
  rowCount: number;
}

/**
 * Rows of one feed nearly always have their members in the same order, so the
 * last row's cut is tried first and names are compared, not looked up.
 */
export function groupByShape(
  table: TableShape,
  rows: Iterable<KeyedRow>,
  options: RowShapeOptions,
): ShapeRows[] {
  const groups = new Map<string, Group>();
  const cuts = new Map<string, Cut>();
  const scan = {
    starts: [] as number[],
    ends: [] as number[],
    names: [] as string[],
  };
  let last: Cut | null = null;
  for (const { key, after } of rows) {
    const isSame = scanRow(after, scan, last);
    if (!isSame) {
      const shape = scan.names.join('"');
      last = cuts.get(shape) ?? null;
      if (last === null) {
        last = newCut(table, scan.names, groups, options);
        cuts.set(shape, last);
      }
    }
    addRow(last!, key, after, scan);
  }
  return [...groups.values()].map(({ columns, values, rowCount }) => ({
    table,
    columns,
    values,
    rowCount,
    ...(options.replace && { replace: true }),
  }));
}

/** Fills `scan`; true when every member's name is where `last` has it. */
function scanRow(
  after: JsonText,
  scan: { starts: number[]; ends: number[]; names: string[] },
  last: Cut | null,
): boolean {
  const expected = last?.rawNames;
  let isSame = expected !== undefined;
  let count = 0;
  scan.names.length = 0;
  scanObject(after, skipBlank(after, 0), (nameStart, nameEnd, start, end) => {
    if (isSame) {
      const name = expected![count];
      isSame =
        name !== undefined &&
        name.length === nameEnd - nameStart &&
        after.startsWith(name, nameStart);
      if (!isSame) {
        scan.names.push(...expected!.slice(0, count));
      }
    }
    if (!isSame) {
      scan.names.push(after.slice(nameStart, nameEnd));
    }
    scan.starts[count] = start;
    scan.ends[count] = end;
    count += 1;
  });
  if (isSame && count < expected!.length) {
    scan.names.push(...expected!.slice(0, count));
    return false;
  }
  return isSame;
}

function addRow(
  { places, fromKey, group }: Cut,
  key: JsonText,
  after: JsonText,
  scan: { starts: readonly number[]; ends: readonly number[] },
): void {
  const { values } = group;
  const row = group.rowCount;
  for (let member = 0; member < places.length; member++) {
    const place = places[member]!;
    if (place >= 0) {
      // By index: of a repeated name the last value stays, as in JSON.parse.
      values[place]![row] = after.slice(
        scan.starts[member],
        scan.ends[member],
      ) as JsonText;
    }
  }
  if (fromKey.length > 0) {
    const elements = arrayElements(key);
    for (const { place, ordinal } of fromKey) {
      values[place]![row] = elements[ordinal]!;
    }
  }
  group.rowCount += 1;
}

function newCut(
  table: TableShape,
  rawNames: readonly string[],
  groups: Map<string, Group>,
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
  const shape = columns.map(({ name }) => name).join('\0');
  let group = groups.get(shape);
  if (!group) {
    group = { columns, values: columns.map(() => []), rowCount: 0 };
    groups.set(shape, group);
  }
  return {
    rawNames: [...rawNames],
    places: members.map((column) =>
      column === null ? -1 : columns.indexOf(column),
    ),
    fromKey: table.primaryKey
      .filter((column) => !carried.has(column))
      .map((column) => ({
        place: columns.indexOf(column),
        ordinal: column.keyOrdinal!,
      })),
    group,
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

/** Tells whether a row carries every column that the target does not compute. */
export function wholeRowTest(table: TableShape): (after: JsonText) => boolean {
  const needed = table.columns.filter(({ generated }) => !generated).length;
  return (after) => {
    const names = new Set<string>();
    scanObject(after, skipBlank(after, 0), (start, end) => {
      const column = table.columnByName.get(unescape(after, start, end));
      if (column && !column.generated) {
        names.add(column.name);
      }
    });
    return names.size === needed;
  };
}

/** A row that is new would lack what it must have. */
export function lacksNeeded(
  table: TableShape,
  columns: readonly ColumnShape[],
): boolean {
  return table.columns.some(
    (column) =>
      !column.nullable &&
      !column.hasDefault &&
      !column.generated &&
      !columns.includes(column),
  );
}

/** The keys of rows, laid out by key column. */
export function keyRows(table: TableShape, keys: readonly JsonText[]): KeyRows {
  const columns = table.primaryKey.map(() => [] as JsonText[]);
  for (const key of keys) {
    const elements = arrayElements(key);
    if (elements.length !== columns.length) {
      throw new ReplicatorError('E4011', {
        detail: `a key of table ${table.schema}.${table.name} has ${elements.length} columns, the primary key ${columns.length}`,
      });
    }
    for (let ordinal = 0; ordinal < columns.length; ordinal++) {
      columns[ordinal]!.push(elements[ordinal]!);
    }
  }
  return { table, keys: columns, rowCount: keys.length };
}

export interface KeyMove {
  readonly from: JsonText;
  readonly to: JsonText;
}

/** The keys of moves, laid out by key column. */
export function keyMoves(
  table: TableShape,
  moves: readonly KeyMove[],
): KeyMoves {
  return {
    table,
    from: keyRows(
      table,
      moves.map(({ from }) => from),
    ).keys,
    to: keyRows(
      table,
      moves.map(({ to }) => to),
    ).keys,
    rowCount: moves.length,
  };
}
