/** The target's catalog as {@link SchemaShape}: one snapshot, four queries. */
import { createHash } from 'node:crypto';
import { schemaName, schemaNameParts } from '../../mutation/schema-name.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type {
  ColumnCodec,
  ColumnShape,
  ForeignKey,
  SchemaShape,
  TableShape,
} from '../target.ts';
import type { PostgresConnection } from './driver.ts';
import { checkpointTable, quoteIdentifier } from './statements.ts';

type Row = Record<string, string | null>;

/** Tables of our own, which no feed may write to. */
const ownTables = [checkpointTable, 'replicator_dead_letters'];

/** Null where the schema, or the database of the name, is not there. */
export async function introspectSchema(
  connection: PostgresConnection,
  name: SchemaName,
): Promise<SchemaShape | null> {
  const [database, schema] = schemaNameParts(name);
  if (database === undefined || schema === undefined) {
    return null;
  }
  const begun = connection.query(
    'begin isolation level repeatable read read only',
  );
  const answers = await Promise.all([
    begun,
    connection.query(schemaQuery, [database, schema]),
    connection.query(columnsQuery, [schema, `{${ownTables.join(',')}}`]),
    connection.query(typesQuery, [schema]),
    connection.query(indexesQuery, [schema]),
    connection.query(foreignKeysQuery, [schema]),
    connection.query('commit'),
  ]);
  const [found, columns, types, indexes, foreignKeys] = answers
    .slice(1, 6)
    .map(({ rows }) => rows) as [Row[], Row[], Row[], Row[], Row[]];
  if (found.length === 0) {
    return null;
  }
  const codecs = new TypeCatalog(types);
  const columnsByTable = Map.groupBy(columns, (row) => row['table_oid']!);
  const indexesByTable = Map.groupBy(indexes, (row) => row['table_oid']!);
  const foreignKeysByTable = Map.groupBy(
    foreignKeys,
    (row) => row['table_oid']!,
  );
  const tables = new Map<string, TableShape>();
  for (const [oid, tableColumns] of columnsByTable) {
    const table = tableShape(name, tableColumns, {
      codecs,
      indexes: indexesByTable.get(oid) ?? [],
      foreignKeys: (foreignKeysByTable.get(oid) ?? []).map((row) =>
        foreignKey(database, row),
      ),
    });
    tables.set(table.name, table);
  }
  return { name, tables };
}

function tableShape(
  schema: SchemaName,
  rows: readonly Row[],
  parts: {
    readonly codecs: TypeCatalog;
    readonly indexes: readonly Row[];
    readonly foreignKeys: readonly ForeignKey[];
  },
): TableShape {
  const first = rows[0]!;
  const primary = parts.indexes.find((row) => row['is_primary'] === 't');
  const keyNames = primary ? (JSON.parse(primary['columns']!) as string[]) : [];
  const keyOperators = primary
    ? (JSON.parse(primary['operators']!) as (string | null)[])
    : [];
  const columns = rows
    .filter((row) => row['column'] !== null)
    .map((row) => columnShape(row, parts.codecs, keyNames, keyOperators));
  const shape = {
    schema,
    name: first['table']!,
    columns,
    primaryKey: keyNames.map((name) =>
      columns.find((column) => column.name === name)!,
    ),
    keyDeferrable: primary?.['is_deferrable'] === 't',
    hasInheritors: first['has_inheritors'] === 't',
    uniqueKeys: parts.indexes
      .filter((row) => row !== primary)
      .map((row) => JSON.parse(row['columns']!) as string[]),
    foreignKeys: parts.foreignKeys,
  };
  return {
    ...shape,
    columnByName: new Map(columns.map((column) => [column.name, column])),
    fingerprint: createHash('sha256')
      .update(JSON.stringify(shape))
      .digest('base64url')
      .slice(0, 16),
  };
}

function columnShape(
  row: Row,
  codecs: TypeCatalog,
  keyNames: readonly string[],
  keyOperators: readonly (string | null)[],
): ColumnShape {
  const ordinal = keyNames.indexOf(row['column']!);
  const operator = ordinal < 0 ? null : keyOperators[ordinal];
  const type = codecs.baseOf(row['type_oid']!);
  return {
    name: row['column']!,
    type: codecs.sqlName(type.oid),
    codec: codecs.codec(type.oid, Number(type.typmod ?? row['typmod'])),
    keyOrdinal: ordinal < 0 ? null : ordinal,
    nullable: row['nullable'] === 't' && !type.notNull,
    hasDefault: row['has_default'] === 't' || type.hasDefault,
    generated: row['generated'] !== '',
    identity:
      row['identity'] === 'a'
        ? 'always'
        : row['identity'] === 'd'
          ? 'by-default'
          : null,
    ...(operator != null && { keyOperator: operator }),
  };
}

function foreignKey(database: string, row: Row): ForeignKey {
  return {
    name: row['name']!,
    columns: JSON.parse(row['columns']!) as string[],
    parentSchema: schemaName([database, row['parent_schema']!]),
    parentTable: row['parent_table']!,
    parentColumns: JSON.parse(row['parent_columns']!) as string[],
    deferrable: row['deferrable'] === 't',
  };
}

interface BaseType {
  readonly oid: string;
  /** Of the domain, where the type is one. */
  readonly typmod: string | null;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
}

/** Every type that the columns reach through elements, domains and fields. */
class TypeCatalog {
  readonly #rows: ReadonlyMap<string, Row>;

  constructor(rows: readonly Row[]) {
    this.#rows = new Map(rows.map((row) => [row['oid']!, row]));
  }

  /** A value is cast to a domain's base type, so that the assignment judges. */
  baseOf(oid: string): BaseType {
    const row = this.#rows.get(oid)!;
    if (row['kind'] !== 'd') {
      return { oid, typmod: null, notNull: false, hasDefault: false };
    }
    const base = this.baseOf(row['base_oid']!);
    return {
      oid: base.oid,
      typmod: base.typmod ?? row['base_typmod']!,
      notNull: base.notNull || row['not_null'] === 't',
      hasDefault: base.hasDefault || row['has_default'] === 't',
    };
  }

  /**
   * Qualified, so that `pg_catalog.bit` and `pg_catalog.bpchar` are the types
   * and not the keywords, which mean a length of one.
   */
  sqlName(oid: string): string {
    const { schema, name } = this.#rows.get(oid)! as {
      schema: string;
      name: string;
    };
    const isPlain =
      schema === 'pg_catalog' &&
      /^[a-z_][a-z0-9_]*$/.test(name) &&
      name !== 'char';
    return isPlain
      ? `pg_catalog.${name}`
      : `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
  }

  codec(oid: string, typmod: number): ColumnCodec {
    const row = this.#rows.get(oid)!;
    const name = row['name']!;
    const isBuiltIn = row['schema'] === 'pg_catalog';
    if (row['kind'] === 'd') {
      return this.codec(row['base_oid']!, typmod);
    }
    if (row['is_array'] === 't') {
      const delimiter = this.#rows.get(row['element_oid']!)!['delimiter']!;
      return {
        kind: 'array',
        element: this.codec(row['element_oid']!, typmod),
        ...(delimiter !== ',' && { delimiter }),
      };
    }
    if (row['kind'] === 'c') {
      const fields = JSON.parse(row['fields']!) as {
        name: string;
        oid: number;
        typmod: number;
      }[];
      return {
        kind: 'composite',
        fields: fields.map((field) => ({
          name: field.name,
          codec: this.codec(String(field.oid), field.typmod),
        })),
      };
    }
    if (isBuiltIn && (name === 'json' || name === 'jsonb')) {
      return { kind: 'json' };
    }
    if (!isBuiltIn && (name === 'geometry' || name === 'geography')) {
      return { kind: 'geometry', srid: sridOf(typmod) };
    }
    return row['delimiter'] !== ',' || row['has_array'] !== 't'
      ? { kind: 'scalar', viaText: true }
      : { kind: 'scalar' };
  }
}

/** Bits 8 to 28 of a PostGIS type modifier, signed (gserialized_typmod.c). */
function sridOf(typmod: number): number | null {
  return typmod < 0
    ? null
    : ((typmod & 0x0fffff00) - (typmod & 0x10000000)) >> 8;
}

const schemaQuery = `
select n.oid from pg_catalog.pg_namespace n
where n.nspname = $2 and pg_catalog.current_database() = $1`;

/** Ordinary and partitioned tables; partitions are their root's matter. */
const columnsQuery = `
select c.oid as table_oid, c.relname as table,
  c.relhassubclass and c.relkind = 'r' as has_inheritors,
  a.attname as column, a.atttypid as type_oid, a.atttypmod as typmod,
  not a.attnotnull as nullable, a.attgenerated as generated, a.attidentity as identity,
  (a.atthasdef and a.attgenerated = '') or a.attidentity <> '' as has_default
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_attribute a
  on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
  and c.relname <> all ($2::pg_catalog.name[])
order by c.relname, a.attnum`;

const typesQuery = `
with recursive need (oid) as (
  select a.atttypid
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
  union
  select inner_type.oid
  from need
  join pg_catalog.pg_type t on t.oid = need.oid
  cross join lateral (
    select t.typelem where t.typelem <> 0
    union all
    select t.typbasetype where t.typtype = 'd'
    union all
    select f.atttypid from pg_catalog.pg_attribute f
    where t.typtype = 'c' and f.attrelid = t.typrelid and f.attnum > 0 and not f.attisdropped
  ) inner_type (oid)
)
select t.oid, n.nspname as schema, t.typname as name, t.typtype as kind,
  t.typbasetype as base_oid, t.typtypmod as base_typmod, t.typnotnull as not_null,
  t.typdefault is not null as has_default,
  t.typelem as element_oid, t.typdelim as delimiter, t.typarray <> 0 as has_array,
  exists (select from pg_catalog.pg_type e where e.oid = t.typelem and e.typarray = t.oid) as is_array,
  (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', f.attname, 'oid', f.atttypid::pg_catalog.int8, 'typmod', f.atttypmod) order by f.attnum)
    from pg_catalog.pg_attribute f
    where t.typtype = 'c' and f.attrelid = t.typrelid and f.attnum > 0 and not f.attisdropped
  ) as fields
from need
join pg_catalog.pg_type t on t.oid = need.oid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace`;

/**
 * Unique indexes. Of a plain one the key columns in key order (INCLUDE columns
 * left out); of a partial or expression index every column that it looks at.
 */
const indexesQuery = `
select i.indrelid as table_oid, i.indisprimary as is_primary,
  not i.indimmediate as is_deferrable,
  case when i.indexprs is null and i.indpred is null then (
    select pg_catalog.json_agg(a.attname order by k.place)
    from pg_catalog.unnest(i.indkey::pg_catalog.int2[]) with ordinality k (attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where k.place <= i.indnkeyatts
  ) else (
    select coalesce(pg_catalog.json_agg(a.attname order by a.attnum), '[]')
    from pg_catalog.pg_attribute a
    where a.attrelid = i.indrelid and a.attnum > 0 and exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refobjid = i.indrelid and d.refobjsubid = a.attnum
    )
  ) end as columns,
  (
    select pg_catalog.json_agg(
      case when n.nspname <> 'pg_catalog'
        then pg_catalog.format('operator(%I.%s)', n.nspname, o.oprname) end
      order by k.place)
    from pg_catalog.unnest(i.indclass::pg_catalog.oid[]) with ordinality k (opclass, place)
    join pg_catalog.pg_opclass oc on oc.oid = k.opclass
    left join pg_catalog.pg_amop ao on ao.amopfamily = oc.opcfamily
      and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
      and ao.amopstrategy = 3
    left join pg_catalog.pg_operator o on o.oid = ao.amopopr
    left join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
    where i.indisprimary
  ) as operators
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class x on x.oid = i.indexrelid
where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
  and i.indisunique and i.indislive
order by x.relname`;

const foreignKeysQuery = `
select k.conrelid as table_oid, k.conname as name, k.condeferrable as deferrable,
  pn.nspname as parent_schema, p.relname as parent_table,
  (
    select pg_catalog.json_agg(a.attname order by x.place)
    from pg_catalog.unnest(k.conkey) with ordinality x (attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.attnum
  ) as columns,
  (
    select pg_catalog.json_agg(a.attname order by x.place)
    from pg_catalog.unnest(k.confkey) with ordinality x (attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = x.attnum
  ) as parent_columns
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class p on p.oid = k.confrelid
join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
where n.nspname = $1 and k.contype = 'f' and k.conparentid = 0 and not c.relispartition
order by k.conname`;
