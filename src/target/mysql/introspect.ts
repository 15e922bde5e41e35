/** The target's catalog as {@link SchemaShape}. */
import { createHash } from 'node:crypto';
import { schemaName, schemaNameParts } from '../../mutation/schema-name.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type {
  ColumnShape,
  ForeignKey,
  SchemaShape,
  TableShape,
} from '../target.ts';
import {
  columnsQuery,
  deleteTriggersQuery,
  foreignKeysQuery,
  indexesQuery,
  jsonChecksQuery,
  referringKeysQuery,
  schemaQuery,
  tablesQuery,
} from './catalog-queries.ts';
import { columnCodec } from './column-codec.ts';
import type { MysqlConnection, TextRow } from './driver.ts';
import { cyclicReferences } from './reference-cycles.ts';
import { quoteText } from './quoting.ts';
import { checkpointTable } from './watermark-statements.ts';

/** Tables of our own, which no feed may write to. */
const ownTables = [checkpointTable];

/** Of a generated invisible primary key, which no source knows. */
const invisibleKey = 'my_row_id';

/** Null where the database is not there. */
export async function introspectSchema(
  connection: MysqlConnection,
  name: SchemaName,
  dlqTableName: string,
): Promise<SchemaShape | null> {
  const [database, ...rest] = schemaNameParts(name);
  if (database === undefined || rest.length > 0) {
    return null;
  }
  const schema = quoteText(database);
  const { isMariadb, foldsTableNames } = connection.facts;
  const ask = async (text: string): Promise<readonly TextRow[]> =>
    (await connection.query(text)).rows;
  const found = await ask(schemaQuery(schema));
  const there = found
    .map((row) => row['name']!)
    .find(
      (each) =>
        each === database ||
        (foldsTableNames && each.toLowerCase() === database.toLowerCase()),
    );
  if (there === undefined) {
    return null;
  }
  const tableRows = await ask(tablesQuery(schema));
  const keyColumns = await ask(foreignKeysQuery(schema, isMariadb));
  const parts = {
    columns: byTable(await ask(columnsQuery(schema, isMariadb))),
    indexes: byTable(await ask(indexesQuery(schema, isMariadb))),
    foreignKeys: byTable(
      keyColumns.filter((row) => row['child_schema'] === there),
    ),
    referring: referringColumns(
      await ask(referringKeysQuery(schema, isMariadb)),
      keyColumns,
    ),
    triggers: await ask(deleteTriggersQuery(schema)),
    jsonChecks: isMariadb ? byTable(await ask(jsonChecksQuery(schema))) : null,
  };
  const tables = new Map<string, TableShape>();
  const drafts = tableRows
    .map((row) => row['name']!)
    .filter(
      (table) =>
        !ownTables.includes(table) &&
        table !== dlqTableName &&
        !(foldsTableNames && table === dlqTableName.toLowerCase()),
    )
    .map((table) => tableDraft(name, table, parts));
  const cyclic = cyclicReferences(drafts);
  for (const draft of drafts) {
    const table = finished(draft, cyclic);
    tables.set(table.name, table);
  }
  return { name, tables };
}

interface CatalogParts {
  readonly columns: ReadonlyMap<string, readonly TextRow[]>;
  readonly indexes: ReadonlyMap<string, readonly TextRow[]>;
  readonly foreignKeys: ReadonlyMap<string, readonly TextRow[]>;
  readonly referring: readonly TextRow[];
  readonly triggers: readonly TextRow[];
  /** Null for MySQL, which has a type for JSON. */
  readonly jsonChecks: ReadonlyMap<string, readonly TextRow[]> | null;
}

type TableDraft = Omit<
  TableShape,
  'columnByName' | 'primaryKey' | 'fingerprint'
> & { readonly keyNames: readonly string[] };

/** Each column that a foreign key ends at, with what the key does on delete and on update. */
function referringColumns(
  keys: readonly TextRow[],
  keyColumns: readonly TextRow[],
): TextRow[] {
  const idOf = (row: TextRow, table: string): string =>
    [row['child_schema'], row[table], row['name']].join('\0');
  const columns = Map.groupBy(keyColumns, (row) => idOf(row, 'table_name'));
  return keys.flatMap((key) =>
    (columns.get(idOf(key, 'child_table')) ?? []).map((column) => ({
      parent_table: key['parent_table']!,
      delete_rule: key['delete_rule']!,
      update_rule: key['update_rule']!,
      parent_column: column['parent_column']!,
      is_own:
        column['child_schema'] === column['parent_schema'] &&
        column['table_name'] === column['parent_table']
          ? '1'
          : '0',
    })),
  );
}

function byTable(
  rows: readonly TextRow[],
): ReadonlyMap<string, readonly TextRow[]> {
  return Map.groupBy(rows, (row) => row['table_name']!);
}

function tableDraft(
  schema: SchemaName,
  name: string,
  parts: CatalogParts,
): TableDraft {
  const indexes = Map.groupBy(
    parts.indexes.get(name) ?? [],
    (row) => row['name']!,
  );
  const all = parts.columns.get(name) ?? [];
  const primary = indexes.get('PRIMARY') ?? [];
  const isInvisible = (row: TextRow): boolean =>
    row['name'] === invisibleKey && /INVISIBLE/.test(row['extra'] ?? '');
  const hidden = all.some(isInvisible) ? invisibleKey : null;
  const keyed = primary.filter((row) => row['column_name'] !== hidden);
  const keyNames = keyed.map((row) => row['column_name']!);
  const referring = parts.referring.filter(
    (row) => row['parent_table'] === name,
  );
  const jsonColumns = new Set(
    (parts.jsonChecks?.get(name) ?? []).map(
      (row) => /^json_valid\(`(.*)`\)$/.exec(row['clause']!)?.[1],
    ),
  );
  const columns = all
    .filter((row) => row['name'] !== hidden)
    .map((row): ColumnShape => {
      const ordinal = keyNames.indexOf(row['name']!);
      return columnShape(row, {
        ordinal: ordinal < 0 ? null : ordinal,
        prefix: keyed[ordinal]?.['prefix'] ?? null,
        isMariadb: parts.jsonChecks !== null,
        isJson: jsonColumns.has(row['name']!),
        isReferred: referring.some(
          (key) =>
            key['parent_column'] === row['name'] && key['is_own'] !== '1',
        ),
        isReferredAtAll: referring.some(
          (key) => key['parent_column'] === row['name'],
        ),
        isFollowed: referring.some(
          (key) =>
            key['parent_column'] === row['name'] &&
            !['NO ACTION', 'RESTRICT'].includes(key['update_rule']!),
        ),
      });
    });
  const names = columns.map((column) => column.name);
  const deleteTakes =
    parts.triggers.some((row) => row['table_name'] === name) ||
    referring.some(
      (row) => !['NO ACTION', 'RESTRICT'].includes(row['delete_rule']!),
    );
  return {
    schema,
    name,
    columns,
    keyNames,
    keyDeferrable: false,
    hasInheritors: false,
    deleteTakes,
    deleteHasEffects:
      deleteTakes ||
      // A key that is not the primary one may change while a row is away.
      referring.some((row) => !keyNames.includes(row['parent_column']!)),
    uniqueKeys: [...indexes]
      .filter(([index]) => index !== 'PRIMARY')
      .map(([, rows]) => uniqueColumns(rows, names)),
    foreignKeys: foreignKeys(parts.foreignKeys.get(name) ?? [], schema),
  };
}

function columnShape(
  row: TextRow,
  place: {
    readonly ordinal: number | null;
    readonly prefix: string | null;
    readonly isMariadb: boolean;
    readonly isJson: boolean;
    readonly isReferred: boolean;
    readonly isReferredAtAll: boolean;
    readonly isFollowed: boolean;
  },
): ColumnShape {
  const extra = row['extra'] ?? '';
  const isNumbered = /auto_increment/i.test(extra);
  const given = row['default_value'];
  return {
    name: row['name']!,
    type: row['full_type']!,
    codec: columnCodec(row, place),
    keyOrdinal: place.ordinal,
    nullable: row['nullable'] === 'YES',
    hasDefault:
      isNumbered || (given != null && !(place.isMariadb && given === 'NULL')),
    generated:
      (row['expression'] ?? '') !== '' ||
      /(?:VIRTUAL|STORED|PERSISTENT) GENERATED/i.test(extra),
    identity: isNumbered ? 'by-default' : null,
    ...(place.isReferredAtAll && { referred: true }),
  };
}

/** Of an index on an expression every column that it names. */
function uniqueColumns(
  rows: readonly TextRow[],
  names: readonly string[],
): string[] {
  return [
    ...new Set(
      rows.flatMap((row) =>
        row['column_name'] === null
          ? names.filter((name) =>
              row['expression']?.includes(`\`${name.replaceAll('`', '``')}\``),
            )
          : [row['column_name']!],
      ),
    ),
  ];
}

/** The schema's own name is written as it was asked for. */
function foreignKeys(
  rows: readonly TextRow[],
  schema: SchemaName,
): ForeignKey[] {
  return [...Map.groupBy(rows, (row) => row['name']!)].map(
    ([name, columns]) => ({
      name,
      columns: columns.map((row) => row['column_name']!),
      parentSchema:
        columns[0]!['parent_schema'] === columns[0]!['child_schema']
          ? schema
          : schemaName([columns[0]!['parent_schema']!]),
      parentTable: columns[0]!['parent_table']!,
      parentColumns: columns.map((row) => row['parent_column']!),
      deferrable: false,
    }),
  );
}

function finished(
  { keyNames, ...draft }: TableDraft,
  cyclic: ReadonlyMap<ForeignKey, 'self' | 'cycle'>,
): TableShape {
  const references = new Map<string, 'self' | 'cycle'>();
  for (const key of draft.foreignKeys) {
    const reference = cyclic.get(key);
    for (const column of reference === undefined ? [] : key.columns) {
      // A column in both kinds of circle waits for the wider one.
      if (references.get(column) !== 'cycle') {
        references.set(column, reference!);
      }
    }
  }
  const columns = draft.columns.map((column): ColumnShape => {
    const reference = references.get(column.name);
    return reference === undefined
      ? column
      : { ...column, codec: { ...column.codec, reference } as never };
  });
  const columnByName = new Map(columns.map((column) => [column.name, column]));
  const shape = {
    ...draft,
    columns,
    primaryKey: keyNames.map((key) => columnByName.get(key)!),
  };
  return {
    ...shape,
    columnByName,
    fingerprint: createHash('sha256')
      .update(JSON.stringify(shape))
      .digest('base64url')
      .slice(0, 16),
  };
}
