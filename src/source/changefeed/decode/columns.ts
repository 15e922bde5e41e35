/**
 * From the members of a row to the columns of its table, in one walk.
 *
 * Rows of a feed repeat the same names in the same places: each name is first
 * compared with the one that stood there in the last row, and looked up only
 * when it differs.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { detachedText } from '../../../lib/detached-text.ts';
import {
  jsonString,
  jsonToken,
  skipBlank,
  skipValue,
} from '../../../mutation/json-text.ts';
import {
  invalidAt,
  tooDeepAt,
  validateString,
  validateValue,
} from '../../../mutation/json-validation.ts';
import type { JsonText } from '../../../mutation/mutation.ts';
import type { ColumnShape, TableShape } from '../../../target/target.ts';
import { resolveColumn } from '../../column-names.ts';

interface Member {
  /** The name as it stands in the text, with its quotes. */
  readonly token: string;
  /** Null where the table has no such column. */
  readonly column: ColumnShape | null;
  /** Position in the primary key, or -1. */
  readonly keyOrdinal: number;
  /** The target writes the name in another case. */
  readonly isRenamed: boolean;
}

/** What is known of a table's rows; one for each shape of the table. */
export interface RowLayout {
  readonly table: TableShape;
  /** Of its primary key, one array for all requests. */
  readonly keyColumns: readonly string[];
  readonly members: Map<string, Member>;
  /** By position in the last row. */
  readonly expected: Member[];
  /** Names under which each column has come. */
  readonly nameOf: Map<ColumnShape, string>;
  /** Some column has come under two names: rows must be looked at for it. */
  hasNameClash: boolean;
}

/** What one walk over a row found; reused from row to row. */
export interface RowScan {
  /** Ranges of the key columns' values, in target key order; -1: absent. */
  readonly keyStart: number[];
  readonly keyEnd: number[];
  unknownCount: number;
  renamedCount: number;
}

const layouts = new WeakMap<TableShape, RowLayout>();
/** Names that are no columns, in a feed gone mad, must not fill the memory. */
const maxCachedMembers = 4_000;

/** One for each table, learned from its rows and kept from request to request. */
export function rowLayout(table: TableShape): RowLayout {
  let layout = layouts.get(table);
  if (layout === undefined) {
    layout = {
      table,
      keyColumns: table.primaryKey.map(({ name }) => name),
      members: new Map(),
      expected: [],
      nameOf: new Map(),
      hasNameClash: false,
    };
    layouts.set(table, layout);
  }
  return layout;
}

/** Used again for each row: {@link scanRow} fills it. */
export function newRowScan(): RowScan {
  return { keyStart: [], keyEnd: [], unknownCount: 0, renamedCount: 0 };
}

/**
 * Walks and validates the object at `start`; returns the position behind it.
 */
export function scanRow(
  scan: RowScan,
  layout: RowLayout,
  text: string,
  start: number,
  depthLeft: number,
): number {
  if (depthLeft <= 0) {
    throw tooDeepAt(start);
  }
  const { keyStart, keyEnd } = scan;
  for (let at = 0; at < layout.table.primaryKey.length; at += 1) {
    keyStart[at] = -1;
  }
  scan.unknownCount = 0;
  scan.renamedCount = 0;
  const { expected } = layout;
  let pos = skipBlank(text, start + 1);
  if (text.charCodeAt(pos) === 0x7d) {
    return pos + 1;
  }
  for (let index = 0; ; index += 1) {
    let member = index < expected.length ? expected[index] : undefined;
    if (member === undefined || !text.startsWith(member.token, pos)) {
      requireFewColumns(index);
      member = memberAt(layout, text, pos);
      expected[index] = member;
    }
    const colon = skipBlank(text, pos + member.token.length);
    if (text.charCodeAt(colon) !== 0x3a) {
      throw invalidAt(text, colon);
    }
    const valueStart = skipBlank(text, colon + 1);
    const valueEnd = validateValue(text, valueStart, depthLeft - 1);
    if (member.keyOrdinal >= 0) {
      keyStart[member.keyOrdinal] = valueStart;
      keyEnd[member.keyOrdinal] = valueEnd;
    }
    if (member.column === null) {
      scan.unknownCount += 1;
    } else if (member.isRenamed) {
      scan.renamedCount += 1;
    }
    pos = skipBlank(text, valueEnd);
    const next = text.charCodeAt(pos);
    if (next === 0x7d) {
      if (layout.hasNameClash) {
        scanClashingRow(scan, layout, text.slice(start, pos + 1), start);
      }
      return pos + 1;
    }
    if (next !== 0x2c) {
      throw invalidAt(text, pos);
    }
    pos = skipBlank(text, pos + 1);
  }
}

/** Once more, for a row in which two names may mean one column. */
function scanClashingRow(
  scan: RowScan,
  layout: RowLayout,
  row: string,
  offset: number,
): void {
  scan.keyStart.fill(-1);
  scan.unknownCount = 0;
  scan.renamedCount = 0;
  for (const { name, column, value, start } of columnValues(layout, row)) {
    if (column === null) {
      scan.unknownCount += 1;
    } else {
      scan.renamedCount += column.name === name ? 0 : 1;
      if (column.keyOrdinal !== null) {
        scan.keyStart[column.keyOrdinal] = offset + start;
        scan.keyEnd[column.keyOrdinal] = offset + start + value.length;
      }
    }
  }
}

function memberAt(layout: RowLayout, text: string, pos: number): Member {
  if (text.charCodeAt(pos) !== 0x22) {
    throw invalidAt(text, pos);
  }
  const token = text.slice(pos, validateString(text, pos));
  const known = layout.members.get(token);
  if (known !== undefined) {
    return known;
  }
  const kept = detachedText(token);
  const name = jsonString(kept as JsonText);
  const column = resolveColumn(layout.table, name);
  const member = {
    token: kept,
    column,
    keyOrdinal: column?.keyOrdinal ?? -1,
    isRenamed: column !== null && column.name !== name,
  };
  if (column !== null) {
    layout.hasNameClash ||= (layout.nameOf.get(column) ?? name) !== name;
    layout.nameOf.set(column, name);
  }
  if (layout.members.size < maxCachedMembers) {
    layout.members.set(member.token, member);
  }
  return member;
}

/** One member of a row, resolved; for the rare walks that need them all. */
export interface ColumnValue {
  readonly name: string;
  /** Null where the table has no such column, or another member is it. */
  readonly column: ColumnShape | null;
  readonly value: string;
  /** Where the value begins in the row. */
  readonly start: number;
}

/**
 * The members of a row. Of several names that differ in case only, the one
 * that is spelled as at the target is the column; without such a one none is,
 * for nobody can tell which.
 */
export function columnValues(layout: RowLayout, row: string): ColumnValue[] {
  const values: ColumnValue[] = [];
  let pos = skipBlank(row, 1);
  while (row.charCodeAt(pos) === 0x22) {
    requireFewColumns(values.length);
    const { token, column } = memberAt(layout, row, pos);
    const name = jsonString(token as JsonText);
    const start = skipBlank(row, skipBlank(row, pos + token.length) + 1);
    const end = skipValue(row, start);
    values.push({ name, column, value: row.slice(start, end), start });
    pos = skipBlank(row, end);
    if (row.charCodeAt(pos) !== 0x2c) {
      break;
    }
    pos = skipBlank(row, pos + 1);
  }
  return layout.hasNameClash ? withoutClashes(values) : values;
}

/** SQL Server has the widest tables, of 30 000 columns. */
const maxRowColumns = 32_768;

/** Throws E1031: what is made of each column is larger than its text. */
export function requireFewColumns(count: number): void {
  if (count >= maxRowColumns) {
    throw new ReplicatorError('E1031', {
      detail: `a row of the request has more than ${maxRowColumns} columns`,
      remedy: 'no table is that wide: look for what makes such rows',
    });
  }
}

function withoutClashes(values: readonly ColumnValue[]): ColumnValue[] {
  const byColumn = Map.groupBy(values, ({ column }) => column);
  return values.map((entry) => {
    const { name, column } = entry;
    const names = new Set(byColumn.get(column)!.map((other) => other.name));
    return column === null || names.size === 1 || column.name === name
      ? entry
      : { ...entry, column: null };
  });
}

/** The row under the catalog's names, without what is no column. */
export function rewriteRow(values: readonly ColumnValue[]): JsonText {
  let row = '{';
  for (const { column, value } of values) {
    if (column !== null) {
      row += `${row === '{' ? '' : ','}${jsonToken(column.name)}:${value}`;
    }
  }
  return `${row}}` as JsonText;
}
