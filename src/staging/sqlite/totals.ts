/**
 * How many entries, rows and bytes each schema has, kept in memory, because
 * backpressure asks all the time and counting reads a whole index.
 *
 * Another process may delete entries (`staging purge`): SQLite's data_version
 * changes exactly when another connection has committed, and then we count.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { SchemaName } from '../../mutation/schema-name.ts';

export interface SchemaTotals {
  readonly entryCount: number;
  readonly rowCount: number;
  readonly byteCount: number;
}

export interface Totals {
  /** Notes a change of the running transaction; counts once kept. */
  add(schema: SchemaName, entries: number, rows: number, bytes: number): void;
  /** The transaction is committed. */
  keep(): void;
  /** The transaction is rolled back. */
  drop(): void;
  /** Of one schema or of all. */
  of(schema: SchemaName | undefined): SchemaTotals;
  /** Schemas that have entries. */
  schemas(): SchemaName[];
  /** Pages in use, whatever they hold. */
  liveBytes(): number;
}

const none: SchemaTotals = { entryCount: 0, rowCount: 0, byteCount: 0 };

export function openTotals(database: DatabaseSync): Totals {
  const dataVersion = database.prepare('pragma data_version');
  const pageCount = database.prepare('pragma page_count');
  const freePages = database.prepare('pragma freelist_count');
  const pageSize = database.prepare('pragma page_size');
  const count = database.prepare(
    `select schema_name, count(*) as entries, sum(row_count) as row_count, sum(byte_count) as bytes
     from log group by schema_name`,
  );
  let counted = new Map<SchemaName, SchemaTotals>();
  let countedVersion: unknown = null;
  let pending: [SchemaName, SchemaTotals][] = [];

  function refresh(): void {
    const version = dataVersion.get()!['data_version'];
    if (version !== countedVersion) {
      counted = new Map();
      for (const row of count.all()) {
        counted.set(row['schema_name'] as SchemaName, {
          entryCount: Number(row['entries']),
          rowCount: Number(row['row_count']),
          byteCount: Number(row['bytes']),
        });
      }
      countedVersion = version;
    }
  }

  return {
    add(schema, entryCount, rowCount, byteCount) {
      pending.push([schema, { entryCount, rowCount, byteCount }]);
    },
    keep() {
      for (const [schema, change] of pending) {
        counted.set(schema, sum(counted.get(schema) ?? none, change));
      }
      pending = [];
    },
    drop() {
      pending = [];
    },
    of(schema) {
      refresh();
      return schema === undefined
        ? [...counted.values()].reduce(sum, none)
        : (counted.get(schema) ?? none);
    },
    schemas() {
      refresh();
      return [...counted.keys()].filter(
        (schema) => counted.get(schema)!.entryCount > 0,
      );
    },
    liveBytes() {
      const pages =
        Number(pageCount.get()!['page_count']) -
        Number(freePages.get()!['freelist_count']);
      return pages * Number(pageSize.get()!['page_size']);
    },
  };
}

function sum(a: SchemaTotals, b: SchemaTotals): SchemaTotals {
  return {
    entryCount: a.entryCount + b.entryCount,
    rowCount: a.rowCount + b.rowCount,
    byteCount: a.byteCount + b.byteCount,
  };
}
