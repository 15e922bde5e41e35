/**
 * The tables of the workload: a parent, its child with a composite key, a
 * grandchild, one with many value types whose few keys are written again and
 * again, and a ledger that numbers the transactions 1, 2, 3 …
 */
import type { ColumnKind } from './engines/engine.ts';

export interface WorkloadColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly nullable: boolean;
}

export interface WorkloadForeignKey {
  readonly columns: readonly string[];
  readonly parentTable: string;
  readonly parentColumns: readonly string[];
}

export interface WorkloadTable {
  readonly name: string;
  readonly columns: readonly WorkloadColumn[];
  /** The first columns form the primary key. */
  readonly keyColumnCount: number;
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Left out in immediate mode, which knows no transactions. */
  readonly foreignKeys: readonly WorkloadForeignKey[];
}

/** A `?` behind the kind: may be NULL. */
function columnsOf(
  columns: Record<string, ColumnKind | `${ColumnKind}?`>,
): WorkloadColumn[] {
  return Object.entries(columns).map(([name, kind]) => ({
    name,
    kind: kind.replace('?', '') as ColumnKind,
    nullable: kind.endsWith('?'),
  }));
}

export const customerTable: WorkloadTable = {
  name: 'workload_customer',
  columns: columnsOf({
    id: 'int8',
    name: 'text',
    email: 'short text',
    credit: 'decimal?',
    joined: 'instant?',
  }),
  keyColumnCount: 1,
  uniqueKeys: [['email']],
  foreignKeys: [],
};

export const orderTable: WorkloadTable = {
  name: 'workload_order',
  columns: columnsOf({
    customer_id: 'int8',
    number: 'int4',
    status: 'text',
    total: 'decimal?',
    placed: 'instant?',
  }),
  keyColumnCount: 2,
  uniqueKeys: [],
  foreignKeys: [
    {
      columns: ['customer_id'],
      parentTable: customerTable.name,
      parentColumns: ['id'],
    },
  ],
};

export const lineTable: WorkloadTable = {
  name: 'workload_line',
  columns: columnsOf({
    id: 'uuid',
    customer_id: 'int8',
    order_number: 'int4',
    article: 'text?',
    quantity: 'int4',
    price: 'decimal?',
  }),
  keyColumnCount: 1,
  uniqueKeys: [],
  foreignKeys: [
    {
      columns: ['customer_id', 'order_number'],
      parentTable: orderTable.name,
      parentColumns: ['customer_id', 'number'],
    },
  ],
};

export const sampleTable: WorkloadTable = {
  name: 'workload_sample',
  columns: columnsOf({
    id: 'short text',
    whole: 'int8?',
    exact: 'decimal?',
    approximate: 'float8?',
    flag: 'bool?',
    day: 'date?',
    instant: 'instant?',
    raw: 'bytes?',
    document: 'json?',
    token: 'uuid?',
    numbers: 'int8 array?',
    words: 'text array?',
  }),
  keyColumnCount: 1,
  uniqueKeys: [],
  foreignKeys: [],
};

export const ledgerTable: WorkloadTable = {
  name: 'workload_ledger',
  columns: columnsOf({
    entry: 'int8',
    committed_at: 'text',
    row_count: 'int4',
  }),
  keyColumnCount: 1,
  uniqueKeys: [],
  foreignKeys: [],
};

/** Parents before children. */
export const workloadTables: readonly WorkloadTable[] = [
  customerTable,
  orderTable,
  lineTable,
  sampleTable,
  ledgerTable,
];

/** How an engine writes what a table is made of. */
export interface Spelling {
  quote(name: string): string;
  /** Qualified. */
  tableName(name: string): string;
  sqlTypeOf(column: WorkloadColumn): string;
  readonly tableOptions: string;
}

export function createTableStatement(
  table: WorkloadTable,
  spelling: Spelling,
  withForeignKeys: boolean,
): string {
  const list = (names: readonly string[]): string =>
    `(${names.map((name) => spelling.quote(name)).join(', ')})`;
  const key = table.columns
    .slice(0, table.keyColumnCount)
    .map(({ name }) => name);
  const foreignKeys = withForeignKeys ? table.foreignKeys : [];
  const parts = [
    ...table.columns.map(
      (column) =>
        `${spelling.quote(column.name)} ${spelling.sqlTypeOf(column)} ${column.nullable ? 'null' : 'not null'}`,
    ),
    `primary key ${list(key)}`,
    ...table.uniqueKeys.map((columns) => `unique ${list(columns)}`),
    ...foreignKeys.map(
      ({ columns, parentTable, parentColumns }) =>
        `foreign key ${list(columns)} references ${spelling.tableName(parentTable)} ${list(parentColumns)}`,
    ),
  ];
  return `create table ${spelling.tableName(table.name)} (${parts.join(', ')}) ${spelling.tableOptions}`;
}
