/** What the suite asks of a database that it writes to and watches. */
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import { type Timestamp, zeroTimestamp } from '../../src/mutation/timestamp.ts';
import type { ModelSchema, ModelTable } from './random-schema.ts';

/** One look at everything: what the watermark says, and the rows with it. */
export interface Snapshot {
  readonly applied: Timestamp;
  readonly rows: RowTexts;
  /** Rows with an open dead letter, named as in `rows`. */
  readonly setAside: ReadonlySet<string>;
}

/** By table and key, as `t0 [1]`: the values of all columns. */
export type RowTexts = ReadonlyMap<string, string>;

/** The same as a target answers it, tables in the order of the model's. */
export interface RawSnapshot {
  readonly applied: Timestamp | null;
  readonly tables: readonly (readonly (readonly (number | null)[])[])[];
  /** Table, as the feed names it, and key. */
  readonly letters: readonly (readonly [string, string])[];
}

/** A write that a trigger at the target has noted. */
export interface NotedWrite {
  readonly row: string;
  readonly version: number;
}

/** What triggers at the target note; commits can only be noted by PostgreSQL. */
export type Noted = 'nothing' | 'writes' | 'commits';

/** The tables of one run. */
export interface ModelTarget extends AsyncDisposable {
  readonly main: SchemaName;
  readonly others: readonly SchemaName[];
  /** What a feed calls a table. */
  feedName(table: number): string;
  /** Takes away the limit that rows were set aside for. */
  mend(): Promise<void>;
  snapshot(): Promise<Snapshot>;
  /** Every write of every row, in the order in which they took effect. */
  writes(): Promise<NotedWrite[]>;
  /** What every transaction saw at its commit, in order; none where nothing was noted. */
  commits(): Promise<Snapshot[]>;
}

export interface ModelDatabase extends AsyncDisposable {
  readonly engine: 'postgres' | 'mysql' | 'mariadb';
  /** Through a proxy that can cut. */
  readonly url: string;
  /** Of a PostgreSQL that staging may live in; null where there is none. */
  readonly stagingUrl: string | null;
  cut(): void;
  create(schema: ModelSchema, options: CreateOptions): Promise<ModelTarget>;
}

export interface TableNames {
  readonly quote: (name: string) => string;
  /** A table with the schema that it is in. */
  readonly qualified: (table: ModelTable) => string;
  /** From here on a `v` is refused; null where none is. */
  readonly limit: number | null;
}

export interface CreateOptions {
  readonly noted: Noted;
  readonly limit: number | null;
}

export function limitName({ name }: ModelTable): string {
  return `small_${name}`;
}

/** Foreign keys come last, for they may form circles. */
export function tableStatements(
  { tables }: ModelSchema,
  { quote, qualified, limit }: TableNames,
): string[] {
  const list = (names: readonly string[]): string =>
    names.map(quote).join(', ');
  return [
    ...tables.map((table) => {
      const parts = [
        ...table.columns.map(
          (name) =>
            `${quote(name)} int ${table.nullable.includes(name) ? 'null' : 'not null'}`,
        ),
        `primary key (${list(table.key)})`,
        ...(limit === null
          ? []
          : [`constraint ${limitName(table)} check (v < ${limit})`]),
        ...table.uniqueKeys.map(
          ({ columns, deferrable }) =>
            `unique (${list(columns)})${deferrable ? ' deferrable initially deferred' : ''}`,
        ),
      ];
      return `create table ${qualified(table)} (${parts.join(', ')})`;
    }),
    ...tables.flatMap((table) =>
      table.foreignKeys.map(
        (link) =>
          `alter table ${qualified(table)} add constraint ${quote(link.name)} foreign key (${list(link.columns)}) references ${qualified(tables[link.parent]!)} (${list(link.parentColumns)}) on delete ${link.onDelete} on update ${link.onUpdate}${link.deferrable ? ' deferrable initially deferred' : ''}`,
      ),
    ),
  ];
}

export function snapshotOf(
  { tables }: ModelSchema,
  raw: RawSnapshot,
  feedName: (table: number) => string,
): Snapshot {
  const placeOf = new Map(tables.map((_, place) => [feedName(place), place]));
  return {
    applied: raw.applied ?? zeroTimestamp,
    rows: new Map(
      raw.tables.flatMap((rows, place) =>
        rows.map((row) => [
          `t${place} ${JSON.stringify(row.slice(0, tables[place]!.key.length))}`,
          JSON.stringify(row),
        ]),
      ),
    ),
    setAside: new Set(
      raw.letters.map(([table, key]) => `t${placeOf.get(table)} ${key}`),
    ),
  };
}
