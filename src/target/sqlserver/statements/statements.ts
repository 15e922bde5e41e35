/**
 * The SQL of the SQL Server target: pure functions from a shape to a text that
 * serves any number of rows, so that the plan cache stays warm.
 *
 * Rows come as row-source.ts has them.
 *
 * Two sessions do not meet in one statement here, for the row locks of the
 * sequencer keep transactions that share a row apart. A stranger's insert
 * between UPDATE and INSERT ends in a duplicate key, or in a row count that
 * does not add up: an error in either case. That is why the lookups take no
 * key-range locks (SERIALIZABLE): these would let no two transactions insert
 * at the end of an index at once.
 */
import type { ColumnShape, TableShape } from '../../target.ts';
import { repeatsNull } from '../values/codec.ts';
import { quoteIdentifier, tableName } from '../catalog/quoting.ts';
import {
  collate,
  keyMatch,
  rowSource,
  valueExpression,
  valueList,
} from '../values/row-source.ts';

/** FORCESEEK: a scan of a small table would lock rows of other transactions. */
export const lookupHints = 'with (rowlock, updlock, forceseek)';

/** Thrown by our own statements; see errors.ts. */
export const ownErrors = {
  /** Two rows of the source have one key here, or a stranger came between. */
  keysCollide: 50_013,
  rewriteRefused: 50_005,
  watermarkNotMoved: 50_009,
} as const;

export interface UpsertVariant {
  /** Columns that are not carried go to their defaults. */
  readonly replace: boolean;
}

/**
 * Updates the rows whose key exists and inserts the others; `@count` rows in
 * all, or fails. One update may pass unique values between its rows: they are
 * checked when it ends. What refers to rows of the table itself is updated
 * last, when the rows that are new are there.
 */
export function upsertStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  variant: UpsertVariant = { replace: false },
): string {
  const carried = new Set(columns);
  const links = selfReferences(table, columns);
  const changed = (variant.replace ? table.columns : columns).filter(
    (column) => isUpdatable(column) && !links.includes(column),
  );
  const found =
    changed.length === 0
      ? [
          'select @written = count(*) from (',
          `select ${nameList(table.primaryKey, 't')}`,
          joined(table, columns),
          `group by ${nameList(table.primaryKey, 't')}`,
          ') as found;',
        ]
      : [
          'update t set',
          `  ${changed
            .map(
              (column) =>
                `${quoteIdentifier(column.name)} = ${carried.has(column) ? valueExpression(column, columns.indexOf(column)) : 'default'}`,
            )
            .join(',\n  ')}`,
          `${joined(table, columns)};`,
          'set @written = @@rowcount;',
        ];
  return [
    'declare @written int;',
    ...found,
    ...insertStatement(table, columns, [
      `select ${valueList(columns)}`,
      `from ${rowSource(columns)}`,
      'where not exists (',
      `  select 1 from ${tableName(table)} as t ${lookupHints}`,
      `  where ${keyMatch(table, columns)}`,
      ');',
    ]),
    'set @written = @written + @inserted;',
    `if @written <> @count throw ${ownErrors.keysCollide}, 'two rows have one key', 1;`,
    ...(links.length === 0
      ? []
      : [
          'update t set',
          `  ${links
            .map(
              (column) =>
                `${quoteIdentifier(column.name)} = ${valueExpression(column, columns.indexOf(column))}`,
            )
            .join(',\n  ')}`,
          `${joined(table, columns)};`,
        ]),
  ].join('\n');
}

/** Of rows that are there. The rows carry the key and what is given to them. */
export function updateStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  return [
    'update t set',
    `  ${columns
      .filter(isUpdatable)
      .map(
        (column) =>
          `${quoteIdentifier(column.name)} = ${valueExpression(column, columns.indexOf(column))}`,
      )
      .join(',\n  ')}`,
    `${joined(table, columns)};`,
  ].join('\n');
}

function isUpdatable(column: ColumnShape): boolean {
  return (
    column.keyOrdinal === null && !column.generated && column.identity === null
  );
}

/**
 * Columns of foreign keys to the table itself. Those that are unique too stay
 * with the others: their values may have to pass between rows.
 */
function selfReferences(
  table: TableShape,
  columns: readonly ColumnShape[],
): ColumnShape[] {
  const unique = new Set(table.uniqueKeys.flat());
  const linking = new Set(
    table.foreignKeys
      .filter(
        ({ parentSchema, parentTable }) =>
          parentSchema === table.schema && parentTable === table.name,
      )
      .flatMap((key) => key.columns),
  );
  return columns.filter(
    (column) =>
      isUpdatable(column) &&
      linking.has(column.name) &&
      !unique.has(column.name),
  );
}

/** For a table without a primary key. */
export function insertRowsStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  return insertStatement(table, columns, [
    `select ${valueList(columns)}`,
    `from ${rowSource(columns)};`,
  ]).join('\n');
}

/** Sets `@inserted`. IDENTITY_INSERT is on for one table of a session at most. */
export function insertStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  source: readonly string[],
): string[] {
  const name = tableName(table);
  const hasIdentity = columns.some(({ identity }) => identity !== null);
  return [
    'declare @inserted int;',
    ...(hasIdentity ? [identityInsertStatement(table, 'on')] : []),
    `insert into ${name} (${nameList(columns)})`,
    ...source,
    'set @inserted = @@rowcount;',
    ...(hasIdentity ? [identityInsertStatement(table, 'off')] : []),
  ];
}

export function identityInsertStatement(
  table: TableShape,
  setting: 'on' | 'off',
): string {
  return `set identity_insert ${tableName(table)} ${setting};`;
}

/**
 * Rows in which one of `watched` differs are deleted and inserted again, the
 * columns that are not carried copied over: nobody may update an identity
 * column.
 */
export function rewriteStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  watched: readonly ColumnShape[],
): string {
  const carried = new Set(columns);
  const others = table.columns.filter(
    (column) => !column.generated && !carried.has(column),
  );
  const saved = [...table.primaryKey, ...others];
  const place = (column: ColumnShape): string =>
    `c${saved.indexOf(column) + 1}`;
  return [
    `declare @gone table (${saved.map((column) => `${place(column)} ${column.type}${collate(column)}`).join(', ')});`,
    'delete t',
    `output ${saved.map(({ name }) => `deleted.${quoteIdentifier(name)}`).join(', ')} into @gone`,
    joined(table, columns),
    `where ${differs(columns, watched)};`,
    ...insertStatement(
      table,
      [...columns, ...others],
      [
        `select ${[valueList(columns), ...others.map((column) => `g.${place(column)}`)].join(', ')}`,
        `from @gone as g`,
        `inner join ${rowSource(columns)}`,
        `  on ${table.primaryKey
          .map(
            (column) =>
              `g.${place(column)} = ${valueExpression(column, columns.indexOf(column))}`,
          )
          .join(' and ')};`,
      ],
    ),
  ].join('\n');
}

/** Instead of {@link rewriteStatement} where deleting a row would do more than that. */
export function refuseRewriteStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  watched: readonly ColumnShape[],
): string {
  return [
    'if exists (',
    'select 1',
    joined(table, columns),
    `where ${differs(columns, watched)}`,
    `) throw ${ownErrors.rewriteRefused}, 'a row would have to be deleted', 1;`,
  ].join('\n');
}

function differs(
  columns: readonly ColumnShape[],
  watched: readonly ColumnShape[],
): string {
  // Identity columns are never null.
  return watched
    .map(
      (column) =>
        `t.${quoteIdentifier(column.name)} <> ${valueExpression(column, columns.indexOf(column))}`,
    )
    .join(' or ');
}

/** Columns that only a rewrite can change. */
export function fixedIdentities(
  columns: readonly ColumnShape[],
): ColumnShape[] {
  return columns.filter(
    ({ identity, keyOrdinal }) => identity !== null && keyOrdinal === null,
  );
}

export function deleteStatement(table: TableShape): string {
  return ['delete t', `${joined(table, table.primaryKey)};`].join('\n');
}

/** TRUNCATE TABLE needs ALTER, and a table to which no foreign key refers. */
export function emptyStatement(table: TableShape): string {
  return `delete from ${tableName(table)};`;
}

/**
 * Sets one column of every other unique key to null, or says with null that
 * some key does not allow it. A unique index holds nulls to be equal, so that
 * only one that leaves nulls out (a filtered index)
 * lets several rows have none.
 */
export function vacateStatement(table: TableShape): string | null {
  const vacated = new Set<string>();
  for (const key of table.uniqueKeys) {
    const column = key
      .map((name) => table.columnByName.get(name)!)
      .find(
        (each) =>
          each.nullable &&
          !each.generated &&
          each.keyOrdinal === null &&
          repeatsNull(each),
      );
    if (!column) {
      return null;
    }
    vacated.add(column.name);
  }
  if (vacated.size === 0) {
    return null;
  }
  return [
    'update t set',
    `  ${[...vacated].map((name) => `${quoteIdentifier(name)} = null`).join(',\n  ')}`,
    `${joined(table, table.primaryKey)};`,
  ].join('\n');
}

function nameList(columns: readonly ColumnShape[], alias?: string): string {
  const prefix = alias === undefined ? '' : `${alias}.`;
  return columns
    .map(({ name }) => `${prefix}${quoteIdentifier(name)}`)
    .join(', ');
}

/** Every row `v` with the row `t` of its key. */
function joined(table: TableShape, columns: readonly ColumnShape[]): string {
  return [
    `from ${rowSource(columns)}`,
    `inner join ${tableName(table)} as t ${lookupHints}`,
    `  on ${keyMatch(table, columns)}`,
  ].join('\n');
}
