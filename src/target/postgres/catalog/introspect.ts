/** The target's catalog as {@link SchemaShape}: one snapshot, four queries. */
import { createHash } from 'node:crypto';
import { schemaName, schemaNameParts } from '../../../mutation/schema-name.ts';
import type { SchemaName } from '../../../mutation/schema-name.ts';
import type {
  ColumnShape,
  ForeignKey,
  SchemaShape,
  TableShape,
} from '../../target.ts';
import type { PostgresCodec } from '../values/codec.ts';
import type { PostgresConnection } from '../session/driver.ts';
import {
  columnsQuery,
  foreignKeysQuery,
  indexesQuery,
  schemaQuery,
  typesQuery,
} from './catalog-queries.ts';
import { limitOf, type PostgresLimit } from '../values/limits.ts';
import { quoteIdentifier } from '../statements/statements.ts';
import { checkpointTable } from '../statements/watermark-statements.ts';

type Row = Record<string, string | null>;

/** Tables of our own, which no feed may write to. */
const ownTables = [checkpointTable];

/** Null where the schema, or the database of the name, is not there. */
export async function introspectSchema(
  connection: PostgresConnection,
  name: SchemaName,
  dlqTableName: string,
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
    connection.query(columnsQuery, [
      schema,
      JSON.stringify([...ownTables, dlqTableName]),
    ]),
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
    deleteTakes: first['delete_takes'] === 't',
    deleteHasEffects: first['delete_has_effects'] === 't',
    deletesQuietly: first['deletes_quietly'] === 't',
    changesQuietly: first['changes_quietly'] === 't',
    looksAtInserts: first['looks_at_inserts'] === 't',
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
  const codec = codecs.codec(type.oid, Number(type.typmod ?? row['typmod']));
  return {
    name: row['column']!,
    type: codecs.sqlName(type.oid),
    codec: row['is_folding'] === 't' ? folding(codec) : codec,
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
    ...(row['is_referred'] === 't' && { referred: true }),
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

  codec(oid: string, typmod: number): PostgresCodec {
    const row = this.#rows.get(oid)!;
    const name = row['name']!;
    const isBuiltIn = row['schema'] === 'pg_catalog';
    if (row['kind'] === 'd') {
      // Of an element or a field, whose own modifier a domain cannot have.
      const own = typmod < 0 ? Number(row['base_typmod']) : typmod;
      return this.codec(row['base_oid']!, own);
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
      return name === 'json'
        ? { kind: 'json' }
        : { kind: 'json', refusesNul: true };
    }
    if (!isBuiltIn && (name === 'geometry' || name === 'geography')) {
      return { kind: 'geometry', srid: sridOf(typmod) };
    }
    const limit =
      row['kind'] === 'e'
        ? enumLimit(row)
        : isBuiltIn
          ? limitOf(name, typmod)
          : null;
    return {
      kind: 'scalar',
      ...((row['delimiter'] !== ',' || row['has_array'] !== 't') && {
        viaText: true,
      }),
      ...(limit && { limit }),
      ...(comparesLoosely(row, typmod) && { comparesLoosely: true }),
    };
  }
}

/** Of a collation in which different texts are equal. */
function folding(codec: PostgresCodec): PostgresCodec {
  return codec.kind === 'scalar' ? { ...codec, comparesLoosely: true } : codec;
}

/** Ranges may be of numeric: [1,2] is [1.0,2.0]. */
function comparesLoosely({ kind, schema, name }: Row, typmod: number): boolean {
  return (
    kind === 'r' ||
    kind === 'm' ||
    name === 'citext' ||
    (schema === 'pg_catalog' &&
      (name === 'interval' || (name === 'bpchar' && typmod < 0)))
  );
}

function enumLimit({ labels }: Row): PostgresLimit {
  return { type: 'enum', labels: JSON.parse(labels ?? '[]') as string[] };
}

/** Bits 8 to 28 of a PostGIS type modifier, signed (gserialized_typmod.c). */
function sridOf(typmod: number): number | null {
  return typmod < 0
    ? null
    : ((typmod & 0x0fffff00) - (typmod & 0x10000000)) >> 8;
}
