/** Rows of one shape as array binds: grouped by how their values are bound. */
import type { JsonText } from '../../../mutation/mutation.ts';
import type { ColumnShape } from '../../target.ts';
import {
  UnstorableValue,
  type ValuePolicies,
  settleUnstorable,
} from '../../value-policy.ts';
import { codecOf } from './codec.ts';
import {
  type BindMode,
  type BoundValue,
  type ValueWriter,
  isBoundNational,
  valueWriter,
} from './values.ts';
import type { ColumnarRows } from '../../values/column-texts.ts';

export type BindType =
  | 'varchar'
  | 'nvarchar'
  | 'clob'
  | 'nclob'
  | 'blob'
  | 'double'
  | 'float';

export interface BindDefinition {
  readonly type: BindType;
  /** Of text, in bytes. */
  readonly maxSize: number;
}

export type BindRow = readonly (string | number | Buffer | null)[];

/** What one `executeMany` takes. */
export interface BindGroup {
  readonly modes: readonly BindMode[];
  readonly definitions: readonly BindDefinition[];
  readonly rows: readonly BindRow[];
}

export interface BindOptions {
  readonly policies: ValuePolicies;
  readonly emptyString: 'error' | 'space';
}

/** The server sizes cursors by these anyway; so they are shared. */
const textSizes = [32, 128, 512, 2000, 4000, 32_767];
const rowsPerExecution = 5000;
/**
 * The driver makes each in two round trips before the one that executes, all
 * of them within one call, which --applyTimeout bounds.
 */
const lobsPerExecution = 200;

/** Throws E4006 for a value that its column cannot hold. */
export function bindGroups(
  source: ColumnarRows,
  options: BindOptions,
): BindGroup[] {
  const { columns, rowCount } = source;
  const writers = columns.map((column) =>
    valueWriter(column, options.emptyString),
  );
  const groups = new Map<string, { modes: BindMode[]; rows: BindRow[] }>();
  for (let row = 0; row < rowCount; row++) {
    const bound = columns.map((column, index) =>
      boundValue(source, { column, index, row }, writers[index]!, options),
    );
    const key = bound.map(({ mode }) => mode[0]).join('');
    let group = groups.get(key);
    if (!group) {
      group = { modes: bound.map(({ mode }) => mode), rows: [] };
      groups.set(key, group);
    }
    group.rows.push(bound.map(({ value }) => value));
  }
  return [...groups.values()].flatMap(({ modes, rows }) => {
    const parts: BindGroup[] = [];
    const step = rowsAtOnce(modes);
    for (let start = 0; start < rows.length; start += step) {
      const part = rows.slice(start, start + step);
      parts.push({
        modes,
        rows: part,
        definitions: columns.map((column, index) =>
          definition(column, modes[index]!, part, index),
        ),
      });
    }
    return parts;
  });
}

function rowsAtOnce(modes: readonly BindMode[]): number {
  const lobCount = modes.filter((mode) => mode === 'lob').length;
  return lobCount === 0
    ? rowsPerExecution
    : Math.max(1, Math.floor(lobsPerExecution / lobCount));
}

/** The group with some of its columns, in another order. */
export function pickColumns(
  group: BindGroup,
  from: readonly ColumnShape[],
  columns: readonly ColumnShape[],
): BindGroup {
  const places = columns.map((column) => from.indexOf(column));
  const picked = <T>(list: readonly T[]): T[] =>
    places.map((place) => list[place]!);
  return {
    modes: picked(group.modes),
    definitions: picked(group.definitions),
    rows: group.rows.map(picked),
  };
}

/** The rows as one JSON array of arrays of texts. */
export function rowsText(groups: readonly BindGroup[]): string {
  // JSON has no NaN, and a number would not come out as it is printed.
  return JSON.stringify(
    groups
      .flatMap(({ rows }) => rows)
      .map((row) =>
        row.map((value) => (value === null ? null : String(value))),
      ),
  );
}

function boundValue(
  { table, columns, values }: ColumnarRows,
  { column, index, row }: { column: ColumnShape; index: number; row: number },
  writer: ValueWriter,
  { policies }: BindOptions,
): BoundValue {
  let text: string | null;
  try {
    text = writer.text(values.texts[index]![row]!);
  } catch (error) {
    if (!(error instanceof UnstorableValue)) {
      throw error;
    }
    const keyOf = (): JsonText[] =>
      table.primaryKey.map((key) => values.texts[columns.indexOf(key)]![row]!);
    text = settleUnstorable(error, { table, column, keyOf }, policies);
  }
  return writer.bound(text);
}

function definition(
  column: ColumnShape,
  mode: BindMode,
  rows: readonly BindRow[],
  index: number,
): BindDefinition {
  const codec = codecOf(column);
  const isNational = isBoundNational(codec);
  if (mode === 'lob') {
    const isBinary =
      codec.kind === 'blob' ||
      (codec.kind === 'json' && codec.carrier === 'blob');
    return {
      type: isBinary ? 'blob' : isNational ? 'nclob' : 'clob',
      maxSize: 0,
    };
  }
  if (codec.kind === 'float') {
    return { type: codec.bits === 32 ? 'float' : 'double', maxSize: 0 };
  }
  let byteCount = 1;
  for (const row of rows) {
    const value = row[index];
    if (typeof value === 'string') {
      byteCount = Math.max(byteCount, Buffer.byteLength(value));
    }
  }
  return isNational
    ? { type: 'nvarchar', maxSize: byteCount }
    : {
        type: 'varchar',
        maxSize: textSizes.find((size) => size >= byteCount) ?? byteCount,
      };
}
