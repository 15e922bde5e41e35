/** The target's catalog as {@link SchemaShape}. */
import { createHash } from 'node:crypto';
import { schemaName, schemaNameParts } from '../../../mutation/schema-name.ts';
import type { SchemaName } from '../../../mutation/schema-name.ts';
import type {
  ColumnShape,
  ForeignKey,
  SchemaShape,
  TableShape,
} from '../../target.ts';
import {
  columnsQuery,
  deleteEffectsQuery,
  foreignKeysQuery,
  indexesQuery,
  jsonChecksQuery,
  schemaQuery,
} from './catalog-queries.ts';
import type { RepeatableNull, SqlServerCodec } from '../values/codec.ts';
import { columnType, type TypeRow } from '../values/column-types.ts';
import type { Row, SqlServerConnection } from '../session/driver.ts';
import { checkpointTable } from '../statements/watermark-statements.ts';

/** Tables of our own, which no feed may write to. */
const ownTables = [checkpointTable];

interface Catalog {
  readonly database: string;
  readonly indexes: ReadonlyMap<unknown, readonly UniqueIndex[]>;
  readonly foreignKeys: ReadonlyMap<unknown, readonly Row[]>;
  /** Whether deleting takes other rows along. */
  readonly deleteEffects: ReadonlyMap<unknown, boolean>;
  /** `<table id> <column name>` */
  readonly jsonColumns: ReadonlySet<string>;
}

interface UniqueIndex {
  readonly isPrimary: boolean;
  readonly columns: readonly string[];
  /** `([code] IS NOT NULL)`; null: of all rows. */
  readonly filter: string | null;
}

/** Null where the schema, or the database of the name, is not there. */
export async function introspectSchema(
  connection: SqlServerConnection,
  name: SchemaName,
  options: { readonly replication: boolean; readonly dlqTableName: string },
): Promise<SchemaShape | null> {
  const [database, schema] = schemaNameParts(name);
  if (database === undefined || schema === undefined) {
    return null;
  }
  const found = await connection.query(schemaQuery, { schema });
  if (
    !found.some(
      (row) =>
        row['database_name'] === database && row['schema_name'] === schema,
    )
  ) {
    return null;
  }
  const columns = await connection.query(columnsQuery, { schema });
  const catalog: Catalog = {
    database,
    indexes: uniqueIndexes(await connection.query(indexesQuery, { schema })),
    foreignKeys: Map.groupBy(
      await connection.query(foreignKeysQuery, { schema }),
      (row) => row['table_id'],
    ),
    deleteEffects: deleteEffects(
      await connection.query(deleteEffectsQuery, {
        replication: options.replication ? 1 : 0,
      }),
    ),
    jsonColumns: jsonColumns(
      await connection.query(jsonChecksQuery, { schema }),
    ),
  };
  // Most databases do not tell upper from lower case.
  const dlqTableName = options.dlqTableName.toLowerCase();
  const tables = new Map<string, TableShape>();
  for (const [id, rows] of Map.groupBy(columns, (row) => row['table_id'])) {
    const table = tableShape(name, id, { rows, catalog });
    if (
      !ownTables.includes(table.name) &&
      table.name.toLowerCase() !== dlqTableName
    ) {
      tables.set(table.name, table);
    }
  }
  return { name, tables };
}

function tableShape(
  schema: SchemaName,
  id: unknown,
  {
    rows,
    catalog,
  }: { readonly rows: readonly Row[]; readonly catalog: Catalog },
): TableShape {
  const indexes = catalog.indexes.get(id) ?? [];
  const keyNames = indexes.find(({ isPrimary }) => isPrimary)?.columns ?? [];
  const unique = indexes.filter(({ isPrimary }) => !isPrimary);
  const columns = rows.map((row) =>
    columnShape(row, {
      keyNames,
      unique,
      isJson: catalog.jsonColumns.has(
        `${String(id)} ${String(row['column_name'])}`,
      ),
    }),
  );
  const names = new Set(columns.map(({ name }) => name));
  const shape = {
    schema,
    name: String(rows[0]!['table_name']),
    columns,
    primaryKey: keyNames.map((name) =>
      columns.find((column) => column.name === name)!,
    ),
    keyDeferrable: false,
    hasInheritors: false,
    deleteTakes: catalog.deleteEffects.get(id) === true,
    deleteHasEffects: catalog.deleteEffects.has(id),
    uniqueKeys: unique.map(({ columns: key, filter }) => [
      ...new Set([...key, ...filterColumns(filter, names)]),
    ]),
    foreignKeys: foreignKeys(
      catalog.database,
      catalog.foreignKeys.get(id) ?? [],
    ),
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
  table: {
    readonly keyNames: readonly string[];
    readonly unique: readonly UniqueIndex[];
    readonly isJson: boolean;
  },
): ColumnShape {
  const name = String(row['column_name']);
  const { type, codec, isGenerated } = columnType(row as unknown as TypeRow);
  const ordinal = table.keyNames.indexOf(name);
  const isFixed =
    isGenerated ||
    row['is_computed'] === true ||
    Number(row['generated_always_type']) !== 0;
  const ofColumn = table.unique.filter(({ columns }) => columns.includes(name));
  const repeatsNull: RepeatableNull =
    ofColumn.length > 0 &&
    ofColumn.every(({ filter }) => leavesNullOut(filter, name))
      ? { repeatsNull: true }
      : {};
  const written: SqlServerCodec =
    table.isJson && codec.kind === 'text'
      ? { kind: 'json', text: codec }
      : codec;
  return {
    name,
    type,
    codec: { ...written, ...repeatsNull },
    keyOrdinal: ordinal < 0 ? null : ordinal,
    nullable: row['is_nullable'] === true,
    hasDefault: Number(row['has_default']) === 1 || row['is_identity'] === true,
    generated: isFixed,
    // Nobody may update it, whatever the value.
    identity: row['is_identity'] === true ? 'always' : null,
    ...(Number(row['is_referred']) === 1 && { referred: true }),
  };
}

function uniqueIndexes(rows: readonly Row[]): Map<unknown, UniqueIndex[]> {
  const byTable = new Map<unknown, UniqueIndex[]>();
  for (const [id, ofTable] of Map.groupBy(rows, (row) => row['table_id'])) {
    const indexes = [
      ...Map.groupBy(ofTable, (row) => row['index_id']).values(),
    ];
    byTable.set(
      id,
      indexes.map((columns) => ({
        isPrimary: columns[0]!['is_primary_key'] === true,
        columns: columns.map((row) => String(row['column_name'])),
        filter: (columns[0]!['filter_definition'] as string | null) ?? null,
      })),
    );
  }
  return byTable;
}

function foreignKeys(database: string, rows: readonly Row[]): ForeignKey[] {
  return [...Map.groupBy(rows, (row) => row['key_id']).values()].map((key) => ({
    name: String(key[0]!['key_name']),
    columns: key.map((row) => String(row['column_name'])),
    parentSchema: schemaName([database, String(key[0]!['parent_schema'])]),
    parentTable: String(key[0]!['parent_table']),
    parentColumns: key.map((row) => String(row['parent_column'])),
    deferrable: false,
  }));
}

function deleteEffects(rows: readonly Row[]): Map<unknown, boolean> {
  const byTable = new Map<unknown, boolean>();
  for (const row of rows) {
    const id = row['table_id'];
    byTable.set(id, byTable.get(id) === true || Number(row['takes']) === 1);
  }
  return byTable;
}

const bracketed = /\[((?:[^\]]|\]\])+)\]/g;

/** The columns that a filter or check looks at. */
function filterColumns(
  definition: string | null,
  names: ReadonlySet<string>,
): string[] {
  return [...(definition ?? '').matchAll(bracketed)]
    .map((match) => match[1]!.replaceAll(']]', ']'))
    .filter((name) => names.has(name));
}

function leavesNullOut(filter: string | null, name: string): boolean {
  const quoted = `[${name.replaceAll(']', ']]')}] is not null`;
  return (filter ?? '').toLowerCase().includes(quoted.toLowerCase());
}

const jsonCheck = /isjson\(\s*(?:\[((?:[^\]]|\]\])+)\]|(\w+))/gi;

function jsonColumns(rows: readonly Row[]): Set<string> {
  return new Set(
    rows.flatMap((row) =>
      [...String(row['definition']).matchAll(jsonCheck)].map(
        ([, quoted, plain]) =>
          `${String(row['table_id'])} ${quoted?.replaceAll(']]', ']') ?? plain}`,
      ),
    ),
  );
}
