/**
 * The columns that a changefeed will bring: the source's catalog, read through
 * `pg_catalog`, which CockroachDB keeps as PostgreSQL does.
 */
import { dialPostgres } from '../../config/address/postgres-dial.ts';
import type { PostgresAddress } from '../../config/address/postgres.ts';
import { ReplicatorError } from '../../failure/failure.ts';

export interface SourceColumn {
  readonly name: string;
  /** As the source prints it: `character varying(20)`. */
  readonly type: string;
  /** `pg_type.typname` behind any domain: `varchar`, `_int8`. */
  readonly base: string;
  /** `pg_attribute.atttypmod`; -1 where the type has no length or scale. */
  readonly typmod: number;
  readonly nullable: boolean;
  /** Position in the primary key from 0, or null. */
  readonly keyOrdinal: number | null;
  /** Of an enum. */
  readonly labels: readonly string[] | null;
}

export interface SourceTable {
  readonly name: string;
  readonly columns: readonly SourceColumn[];
}

const columnsQuery = `
select c.relname as table_name, a.attname as name,
       format_type(a.atttypid, a.atttypmod) as type,
       coalesce(b.typname, t.typname) as base,
       case when t.typtype = 'd' then t.typtypmod else a.atttypmod end as typmod,
       not (a.attnotnull or t.typnotnull) as nullable,
       (select min(k.n) - 1 from pg_index i,
          lateral unnest(i.indkey) with ordinality as k (attnum, n)
        where i.indrelid = c.oid and i.indisprimary and k.attnum = a.attnum)
         as key_ordinal,
       (select json_agg(e.enumlabel order by e.enumsortorder)
        from pg_enum e where e.enumtypid = coalesce(b.oid, t.oid)) as labels
from pg_class c
join pg_namespace s on s.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_type b on t.typtype = 'd' and b.oid = t.typbasetype
where s.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
  -- The hash of a hash-sharded key: no changefeed carries it.
  and a.attname !~ '^crdb_internal_'
order by c.relname, a.attnum`;

interface Row {
  readonly table_name: string;
  readonly name: string;
  readonly type: string;
  readonly base: string;
  readonly typmod: number;
  readonly nullable: boolean;
  readonly key_ordinal: string | null;
  readonly labels: readonly string[] | null;
}

/** Every table of the schema. Throws E6001 where the source does not answer. */
export async function readSourceTables(
  address: PostgresAddress,
  schema: string,
  signal: AbortSignal,
): Promise<SourceTable[]> {
  const rows = await readRows(address, schema, signal);
  return [...Map.groupBy(rows, (row) => row.table_name)].map(
    ([name, columns]) => ({ name, columns: columns.map(sourceColumn) }),
  );
}

function sourceColumn(row: Row): SourceColumn {
  return {
    name: row.name,
    type: row.type,
    base: row.base,
    typmod: Number(row.typmod),
    nullable: row.nullable,
    keyOrdinal: row.key_ordinal === null ? null : Number(row.key_ordinal),
    labels: row.labels,
  };
}

async function readRows(
  address: PostgresAddress,
  schema: string,
  signal: AbortSignal,
): Promise<Row[]> {
  try {
    const client = await dialPostgres(address, {}, signal);
    try {
      return (await client.query<Row>(columnsQuery, [schema])).rows;
    } finally {
      await client.end().catch(() => {});
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new ReplicatorError('E6001', {
      detail: `the source ${address.display} cannot be asked for its columns (${(error as Error).message})`,
      cause: error,
    });
  }
}
