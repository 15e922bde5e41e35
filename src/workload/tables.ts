/**
 * The tables of the workload: a parent, its child with a composite key, a
 * grandchild, one with many value types whose few keys are written again and
 * again, and a ledger that numbers the transactions 1, 2, 3 …
 */
export interface WorkloadColumn {
  readonly name: string;
  readonly sqlType: string;
}

export interface WorkloadTable {
  readonly name: string;
  readonly columns: readonly WorkloadColumn[];
  /** The first columns form the primary key. */
  readonly keyColumnCount: number;
  readonly constraints: readonly string[];
  /** Left out in immediate mode, which knows no transactions. */
  readonly foreignKeys: readonly string[];
}

function columnsOf(columns: Record<string, string>): WorkloadColumn[] {
  return Object.entries(columns).map(([name, sqlType]) => ({ name, sqlType }));
}

export const customerTable: WorkloadTable = {
  name: 'workload_customer',
  columns: columnsOf({
    id: 'int8',
    name: 'text not null',
    email: 'text not null',
    credit: 'numeric',
    joined: 'timestamptz',
  }),
  keyColumnCount: 1,
  constraints: ['unique (email)'],
  foreignKeys: [],
};

export const orderTable: WorkloadTable = {
  name: 'workload_order',
  columns: columnsOf({
    customer_id: 'int8',
    number: 'int4',
    status: 'text not null',
    total: 'numeric',
    placed: 'timestamptz',
  }),
  keyColumnCount: 2,
  constraints: [],
  foreignKeys: ['foreign key (customer_id) references workload_customer (id)'],
};

export const lineTable: WorkloadTable = {
  name: 'workload_line',
  columns: columnsOf({
    id: 'uuid',
    customer_id: 'int8 not null',
    order_number: 'int4 not null',
    article: 'text',
    quantity: 'int4 not null',
    price: 'numeric',
  }),
  keyColumnCount: 1,
  constraints: [],
  foreignKeys: [
    'foreign key (customer_id, order_number) references workload_order (customer_id, number)',
  ],
};

export const sampleTable: WorkloadTable = {
  name: 'workload_sample',
  columns: columnsOf({
    id: 'text',
    whole: 'int8',
    exact: 'numeric',
    approximate: 'float8',
    flag: 'bool',
    day: 'date',
    instant: 'timestamptz',
    raw: 'bytea',
    document: 'jsonb',
    token: 'uuid',
    numbers: 'int8[]',
    words: 'text[]',
  }),
  keyColumnCount: 1,
  constraints: [],
  foreignKeys: [],
};

export const ledgerTable: WorkloadTable = {
  name: 'workload_ledger',
  columns: columnsOf({
    entry: 'int8',
    committed_at: 'text not null',
    row_count: 'int4 not null',
  }),
  keyColumnCount: 1,
  constraints: [],
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

/** Children first, so that nothing refers to what is dropped. */
export function dropStatements(): string[] {
  return workloadTables
    .toReversed()
    .map((table) => `drop table if exists ${table.name}`);
}

export function createStatements(withForeignKeys: boolean): string[] {
  return workloadTables.map((table) => {
    const key = table.columns
      .slice(0, table.keyColumnCount)
      .map((column) => column.name);
    const parts = [
      ...table.columns.map((column) => `${column.name} ${column.sqlType}`),
      `primary key (${key.join(', ')})`,
      ...table.constraints,
      ...(withForeignKeys ? table.foreignKeys : []),
    ];
    return `create table ${table.name} (${parts.join(', ')})`;
  });
}
