/** What the suite asks of a database that it writes to and watches. */
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import type { Timestamp } from '../../src/mutation/timestamp.ts';
import type { ModelSchema, ModelTable } from './random-schema.ts';

/** One look at everything: what the watermark says, and the rows with it. */
export interface Snapshot {
  readonly applied: Timestamp;
  /** Of each table, in the order of the model's tables and columns. */
  readonly tables: readonly TableRows[];
}

export type TableRows = readonly (readonly (number | null)[])[];

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
  create(schema: ModelSchema, noted: Noted): Promise<ModelTarget>;
}

export interface TableNames {
  readonly quote: (name: string) => string;
  /** A table with the schema that it is in. */
  readonly qualified: (table: ModelTable) => string;
}

/** Foreign keys come last, for they may form circles. */
export function tableStatements(
  { tables }: ModelSchema,
  { quote, qualified }: TableNames,
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

/** Rows as text, in one order, so that equal states are equal texts. */
export function stateText(tables: readonly TableRows[]): string {
  return tables
    .map((rows, place) =>
      [`t${place}`, ...rows.map((row) => JSON.stringify(row)).toSorted()].join(
        '\n  ',
      ),
    )
    .join('\n');
}
