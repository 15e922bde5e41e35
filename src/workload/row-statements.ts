/** A transaction of the workload in PostgreSQL's SQL. */
import { escapeIdentifier, escapeLiteral } from 'pg';

import type { RowEvent, Transaction } from './source.ts';
import { type WorkloadTable, workloadTables } from './tables.ts';

export interface RowStatement {
  readonly text: string;
  /** Anything else means that somebody else writes to the tables. */
  readonly rowCount: number;
}

/** Rows of it can change their key and leave nobody behind. */
const leafTables = new Set(
  workloadTables.filter(
    ({ name }) =>
      !workloadTables.some(({ foreignKeys }) =>
        foreignKeys.some(({ parentTable }) => parentTable === name),
      ),
  ),
);

/**
 * Parents are written before children and deleted after them. A row that
 * goes and one that comes in a table without children become one update of
 * the primary key.
 */
export function rowStatements(
  transaction: Transaction,
  schema: string,
): RowStatement[] {
  const writes: RowStatement[] = [];
  const deletes: RowStatement[] = [];
  for (const table of workloadTables) {
    const events = transaction.events.filter(
      ({ topic }) => topic === table.name,
    );
    const gone = events.filter(({ before, after }) => before && !after);
    const come = events.filter(({ before, after }) => !before && after);
    const changed = events.filter(({ before, after }) => before && after);
    const movedCount = leafTables.has(table)
      ? Math.min(gone.length, come.length)
      : 0;
    const moved = gone.splice(0, movedCount).map(({ key }, index) => ({
      key,
      after: come[index]!.after,
    }));
    come.splice(0, movedCount);
    const spelling = spellingOf(table, schema);
    writes.push(
      ...updateStatements(spelling, [...changed, ...moved]),
      ...insertStatements(spelling, come),
    );
    deletes.unshift(...deleteStatements(spelling, gone));
  }
  return [...writes, ...deletes];
}

interface Spelling {
  readonly table: string;
  /** `(id, name)` */
  readonly columns: string;
  readonly newColumns: string;
  /** Of the row `old` with what stands in the JSON array `item.key`. */
  readonly matchesKey: string;
}

function spellingOf(table: WorkloadTable, schema: string): Spelling {
  const name = `${escapeIdentifier(schema)}.${escapeIdentifier(table.name)}`;
  const columns = table.columns.map((column) => escapeIdentifier(column.name));
  return {
    table: name,
    columns: columns.join(', '),
    newColumns: columns.map((column) => `new.${column}`).join(', '),
    matchesKey: table.columns
      .slice(0, table.keyColumnCount)
      .map(
        ({ kind }, at) =>
          `old.${columns[at]} = (item.key ->> ${at})::${keyTypes[kind] ?? 'text'}`,
      )
      .join(' and '),
  };
}

const keyTypes: Readonly<Record<string, string>> = {
  int4: 'int4',
  int8: 'int8',
  uuid: 'uuid',
};

function updateStatements(
  { table, columns, newColumns, matchesKey }: Spelling,
  rows: readonly Pick<RowEvent, 'key' | 'after'>[],
): RowStatement[] {
  const items = rows.map(({ key, after }) => `{"key":${key},"row":${after}}`);
  return statements(
    items,
    (list) =>
      `update ${table} old set (${columns}) = row(${newColumns}) from json_to_recordset(${list}) item(key json, "row" json), json_populate_record(null::${table}, item."row") new where ${matchesKey}`,
  );
}

function insertStatements(
  { table, columns, newColumns }: Spelling,
  rows: readonly Pick<RowEvent, 'after'>[],
): RowStatement[] {
  return statements(
    rows.map(({ after }) => after!),
    (list) =>
      `insert into ${table} (${columns}) select ${newColumns} from json_populate_recordset(null::${table}, ${list}) new`,
  );
}

function deleteStatements(
  { table, matchesKey }: Spelling,
  rows: readonly Pick<RowEvent, 'key'>[],
): RowStatement[] {
  return statements(
    rows.map(({ key }) => `{"key":${key}}`),
    (list) =>
      `delete from ${table} old using json_to_recordset(${list}) item(key json) where ${matchesKey}`,
  );
}

function statements(
  items: readonly string[],
  textOf: (list: string) => string,
): RowStatement[] {
  return items.length === 0
    ? []
    : [
        {
          text: textOf(`${escapeLiteral(`[${items.join(',')}]`)}::json`),
          rowCount: items.length,
        },
      ];
}
