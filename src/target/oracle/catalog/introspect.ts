/** The target's catalog as {@link SchemaShape}: one snapshot, few queries. */
import { createHash } from 'node:crypto';
import { schemaName } from '../../../mutation/schema-name.ts';
import type { SchemaName } from '../../../mutation/schema-name.ts';
import type {
  ColumnShape,
  ForeignKey,
  SchemaShape,
  TableShape,
} from '../../target.ts';
import {
  checksQuery,
  columnsQuery,
  deleteEffectsQuery,
  foreignKeysQuery,
  indexExpressionsQuery,
  primaryKeysQuery,
  referredColumnsQuery,
  schemaQuery,
  uniqueKeysQuery,
} from './catalog-queries.ts';
import { columnCodec } from '../values/column-codec.ts';
import type { OracleConnection, Row } from '../session/driver.ts';
import { oracleTableName } from '../statements/dead-letter-statements.ts';
import { oracleSchema } from '../statements/statements.ts';
import { checkpointTable } from '../statements/watermark-statements.ts';

/** Tables of our own, which no feed may write to. */
const ownTables = [checkpointTable];

export interface Catalog {
  /** As the catalog has it. */
  readonly dlqTableName: string;
  readonly characterSet: string;
  readonly columns: readonly Row[];
  readonly primaryKeys: readonly Row[];
  readonly uniqueKeys: readonly Row[];
  readonly expressions: readonly Row[];
  readonly foreignKeys: readonly Row[];
  readonly referred: readonly Row[];
  readonly deleteEffects: readonly Row[];
  readonly checks: readonly Row[];
}

/** Null where there is no schema of that name. */
export async function introspectSchema(
  connection: OracleConnection,
  name: SchemaName,
  dlqTableName: string,
): Promise<SchemaShape | null> {
  const owner = oracleSchema(name);
  await connection.run('set transaction read only');
  try {
    if ((await connection.query(schemaQuery, [owner])).length === 0) {
      return null;
    }
    return schemaShape(name, {
      dlqTableName: oracleTableName(dlqTableName),
      characterSet: connection.characterSet,
      columns: await connection.query(columnsQuery, [owner]),
      primaryKeys: await connection.query(primaryKeysQuery, [owner]),
      uniqueKeys: await connection.query(uniqueKeysQuery, [owner, owner]),
      expressions: await connection.query(indexExpressionsQuery, [owner]),
      foreignKeys: await connection.query(foreignKeysQuery, [owner]),
      referred: await connection.query(referredColumnsQuery, [owner]),
      deleteEffects: await connection.query(deleteEffectsQuery, [owner, owner]),
      checks: await connection.query(checksQuery, [owner]),
    });
  } finally {
    if (connection.usable) {
      await connection.rollback().catch(() => connection.destroy());
    }
  }
}

/** Pure: what the rows of the catalog say. */
export function schemaShape(name: SchemaName, catalog: Catalog): SchemaShape {
  const columnsByTable = Map.groupBy(
    catalog.columns,
    (row) => row['table_name']!,
  );
  const tables = new Map<string, TableShape>();
  for (const [table, rows] of columnsByTable) {
    if (!ownTables.includes(table) && table !== catalog.dlqTableName) {
      tables.set(table, tableShape(name, table, rows, catalog));
    }
  }
  return { name, tables };
}

function tableShape(
  schema: SchemaName,
  name: string,
  rows: readonly Row[],
  catalog: Catalog,
): TableShape {
  const ofTable = (list: readonly Row[]): Row[] =>
    list.filter((row) => row['table_name'] === name);
  const primaryKey = ofTable(catalog.primaryKeys);
  const keyNames = primaryKey.map((row) => row['column_name']!);
  const checks = ofTable(catalog.checks);
  const referred = new Set(
    ofTable(catalog.referred).map((row) => row['column_name']),
  );
  const columns = rows.map((row): ColumnShape => ({
    ...columnShape(row, {
      keyNames,
      checks,
      characterSet: catalog.characterSet,
    }),
    ...(referred.has(row['column_name']!) && { referred: true }),
  }));
  const shape = {
    schema,
    name,
    columns,
    primaryKey: keyNames.map((keyName) =>
      columns.find((column) => column.name === keyName)!,
    ),
    keyDeferrable: primaryKey[0]?.['deferrable'] === 'DEFERRABLE',
    hasInheritors: false,
    deleteTakes: ofTable(catalog.deleteEffects).length > 0,
    deleteHasEffects: ofTable(catalog.deleteEffects).length > 0,
    uniqueKeys: uniqueKeys(
      ofTable(catalog.uniqueKeys),
      ofTable(catalog.expressions),
      columns,
    ),
    foreignKeys: foreignKeys(schema, ofTable(catalog.foreignKeys)),
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
  {
    keyNames,
    checks,
    characterSet,
  }: {
    readonly keyNames: readonly string[];
    readonly checks: readonly Row[];
    readonly characterSet: string;
  },
): ColumnShape {
  const name = row['column_name']!;
  const ordinal = keyNames.indexOf(name);
  const isVirtual = row['virtual_column'] === 'YES';
  return {
    name,
    type: row['data_type']!,
    codec: columnCodec(row, {
      characterSet,
      checks: checks
        .filter((check) => check['column_name'] === name)
        .map((check) => check['condition'] ?? ''),
    }),
    keyOrdinal: ordinal < 0 ? null : ordinal,
    nullable: row['nullable'] === 'Y',
    hasDefault:
      !isVirtual &&
      (row['default_length'] !== null || row['generation_type'] !== null),
    generated: isVirtual,
    identity:
      row['generation_type'] === null
        ? null
        : row['generation_type'] === 'ALWAYS'
          ? 'always'
          : 'by-default',
  };
}

/** Of an index on expressions every column that they name. */
function uniqueKeys(
  rows: readonly Row[],
  expressions: readonly Row[],
  columns: readonly ColumnShape[],
): string[][] {
  const known = new Set(columns.map(({ name }) => name));
  return [...Map.groupBy(rows, keyOf).entries()]
    .map(([key, members]) => {
      const named = expressions
        .filter((row) => key.endsWith(`\0${row['key_name']}`))
        .flatMap((row) => [
          ...(row['column_expression'] ?? '').matchAll(/"([^"]+)"/g),
        ])
        .map(([, column]) => column!);
      return [
        ...new Set([...members.map((row) => row['column_name']!), ...named]),
      ].filter((column) => known.has(column));
    })
    .filter((key) => key.length > 0);
}

/** A constraint and an index may have one name. */
function keyOf(row: Row): string {
  return `${row['index_owner'] ?? ''}\0${row['key_name']}`;
}

function foreignKeys(schema: SchemaName, rows: readonly Row[]): ForeignKey[] {
  const owner = oracleSchema(schema);
  return [...Map.groupBy(rows, (row) => row['constraint_name']!).entries()].map(
    ([name, members]) => {
      const first = members[0]!;
      const parentOwner = first['parent_owner']!;
      return {
        name,
        columns: members.map((row) => row['column_name']!),
        // As the path wrote it, or nobody would know that it is the same one.
        parentSchema:
          parentOwner === owner ? schema : printedSchema(parentOwner),
        parentTable: first['parent_table']!,
        parentColumns: members.map((row) => row['parent_column']!),
        deferrable: first['deferrable'] === 'DEFERRABLE',
      };
    },
  );
}

/** The inverse of {@link oracleSchema}. */
export function printedSchema(owner: string): SchemaName {
  return schemaName([owner === owner.toUpperCase() ? owner : `"${owner}"`]);
}
