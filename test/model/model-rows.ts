/** Rows of the model, and what a transaction leaves of them. */
import type { ModelForeignKey, ModelTable } from './random-schema.ts';

export type Row = Readonly<Record<string, number | null>>;

/** What a transaction leaves of one row, as a changefeed tells it. */
export interface RowChange {
  readonly table: number;
  /** `[1]`: the canonical key. */
  readonly key: string;
  /** Null: the row is deleted. */
  readonly after: Row | null;
  readonly before: Row | null;
  /** Present: only these columns are carried, and no other has changed. */
  readonly carried?: readonly string[];
}

export type Commit = readonly RowChange[];

export function keyText({ key }: ModelTable, row: Row): string {
  return JSON.stringify(key.map((name) => row[name]));
}

export function refersTo(
  link: ModelForeignKey,
  child: Row,
  parent: Row,
): boolean {
  return link.columns.every(
    (name, at) =>
      child[name] !== null && child[name] === parent[link.parentColumns[at]!],
  );
}

export function sameValues(
  link: ModelForeignKey,
  left: Row,
  right: Row,
): boolean {
  return link.parentColumns.every((name) => left[name] === right[name]);
}

export function pointing(link: ModelForeignKey, parent: Row): Row {
  return Object.fromEntries(
    link.columns.map((name, at) => [name, parent[link.parentColumns[at]!]!]),
  );
}

export function picked(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((name) => [name, row[name]!]));
}

export function sameRow(
  { columns }: ModelTable,
  left: Row | null,
  right: Row | null,
): boolean {
  return left === null || right === null
    ? left === right
    : columns.every((name) => left[name] === right[name]);
}
