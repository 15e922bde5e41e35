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
  deleteTriggersQuery,
  foreignKeysQuery,
  indexesQuery,
  jsonChecksQuery,
  referringKeysQuery,
  schemaQuery,
  tablesQuery,
} from './catalog-queries.ts';
import { readAccount } from '../preflight/account-grants.ts';
import { columnCodec } from '../values/column-codec.ts';
import type { MysqlConnection, TextRow } from '../session/driver.ts';
import {
  type Grants,
  lackingPrivileges,
  readGrants,
} from '../preflight/grants.ts';
import { cyclicReferences } from './reference-cycles.ts';
import { quoteText } from './quoting.ts';
import {
  readReferrers,
  type ReferredColumn,
  referredColumns,
} from './referrers.ts';
import { checkpointTable } from '../statements/watermark-statements.ts';

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
  const known = await readReferrers(connection, there);
  const isWithin = isMariadb && known !== null;
  const keyColumns = await ask(foreignKeysQuery(schema, isWithin));
  const parts = {
    columns: byTable(await ask(columnsQuery(schema, isMariadb))),
    indexes: byTable(await ask(indexesQuery(schema, isMariadb))),
    foreignKeys: byTable(
      keyColumns.filter((row) => row['child_schema'] === there),
    ),
    referring: [
      ...(known ?? []),
      ...referredColumns(
        await ask(referringKeysQuery(schema, isWithin)),
        keyColumns,
      ),
    ],
    knowsReferrers: known !== null,
    foldsNames: foldsTableNames,
    triggers: await ask(deleteTriggersQuery(schema)),
    grants: readGrants((await readAccount(connection)).ownGrantLines, there),
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
  readonly referring: readonly ReferredColumn[];
  /** Else there may be more of them. */
  readonly knowsReferrers: boolean;
  readonly foldsNames: boolean;
  readonly triggers: readonly TextRow[];
  /** Triggers of a table are shown to those who may make some. */
  readonly grants: Grants;
  /** Null for MySQL, which has a type for JSON. */
  readonly jsonChecks: ReadonlyMap<string, readonly TextRow[]> | null;
}

type TableDraft = Omit<
  TableShape,
  'columnByName' | 'primaryKey' | 'fingerprint'
> & { readonly keyNames: readonly string[] };

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
    ({ parentTable }) =>
      parentTable === name ||
      (parts.foldsNames && parentTable.toLowerCase() === name.toLowerCase()),
  );
  const otherKeys = [...indexes].filter(([index]) => index !== 'PRIMARY');
  // What may be referred to and would be taken out of the way.
  const unsure = new Set(
    parts.knowsReferrers
      ? []
      : otherKeys.flatMap(([, rows]) => rows.map((row) => row['column_name'])),
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
      const ending = referring.filter(
        ({ parentColumn }) => parentColumn === row['name'],
      );
      return columnShape(row, {
        ordinal: ordinal < 0 ? null : ordinal,
        prefix: keyed[ordinal]?.['prefix'] ?? null,
        isMariadb: parts.jsonChecks !== null,
        isJson: jsonColumns.has(row['name']!),
        isReferred: ending.some(({ isOwn }) => !isOwn),
        isReferredAtAll: ending.length > 0 || unsure.has(row['name']!),
        isFollowed:
          ending.some(({ follows }) => follows) || unsure.has(row['name']!),
      });
    });
  const names = columns.map((column) => column.name);
  const hasTriggers = parts.triggers.some((row) => row['table_name'] === name);
  const deleteTakes = hasTriggers || referring.some(({ takes }) => takes);
  const seesTriggers =
    lackingPrivileges(parts.grants, name, ['TRIGGER']).length === 0;
  return {
    schema,
    name,
    columns,
    keyNames,
    keyDeferrable: false,
    hasInheritors: false,
    deleteTakes,
    deletesQuietly: seesTriggers && !hasTriggers,
    deleteHasEffects:
      deleteTakes ||
      !parts.knowsReferrers ||
      !seesTriggers ||
      // A key that is not the primary one may change while a row is away.
      referring.some(({ parentColumn }) => !keyNames.includes(parentColumn)),
    uniqueKeys: otherKeys.map(([, rows]) => uniqueColumns(rows, names)),
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
