/**
 * The SQL of the PostgreSQL target: pure functions from a shape to a text that
 * serves any number of rows, so that plans and prepared statements stay warm.
 *
 * Parameters are one array per column, bound as text (values.ts). They are
 * cast to the type *without* length or scale: an explicit cast to varchar(3)
 * would cut a longer value silently, whereas the assignment to the column
 * refuses it, as it does for a plain INSERT.
 */
import { lacksNeeded } from '../../row-shape.ts';
import type { ColumnShape, TableReference, TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import {
  arrayParameter,
  rowSource,
  travelsAsText,
  valueExpression,
  valueList,
} from '../values/row-source.ts';
import { schemaNameParts } from '../../../mutation/schema-name.ts';
import type { SchemaName } from '../../../mutation/schema-name.ts';

/** Always quoted: keywords and upper case are then nothing special. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The PostgreSQL schema of a printed `database.schema`. */
export function quoteSchema(schema: SchemaName): string {
  return quoteIdentifier(schemaNameParts(schema).at(-1)!);
}

/** Equal values of the type may look different. */
function comparesLoosely(column: ColumnShape): boolean {
  const codec = codecOf(column);
  return codec.kind === 'scalar' && codec.comparesLoosely === true;
}

export interface UpsertVariant {
  /** Columns that are not carried go to their defaults. */
  readonly replace: boolean;
  /** The server sorts the rows by their key first. */
  readonly inKeyOrder?: boolean;
}

/**
 * Inserts rows or, where the key exists, updates the columns that are carried.
 * Columns that the target does not let anyone update (identity always) are
 * left to {@link rewriteStatement}, which goes before.
 */
export function upsertStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  variant: UpsertVariant = { replace: false },
): string {
  const changed = (variant.replace ? table.columns : columns).filter(
    (column) =>
      (column.keyOrdinal === null || comparesLoosely(column)) &&
      !column.generated &&
      column.identity !== 'always',
  );
  return takesConflicts(table, columns)
    ? conflictUpsert(table, columns, changed, variant.inKeyOrder === true)
    : lookupUpsert(table, columns, changed);
}

/**
 * Whether ON CONFLICT serves. Rows that lack what they must have it refuses even
 * where there is nothing to insert; others where their defaults do not fit.
 */
export function takesConflicts(
  table: TableShape,
  columns: readonly ColumnShape[],
): boolean {
  return !(
    table.keyDeferrable ||
    lacksNeeded(table, columns) ||
    (table.looksAtInserts && lacksAny(table, columns))
  );
}

function lacksAny(table: TableShape, columns: readonly ColumnShape[]): boolean {
  return table.columns.some(
    (column) => !column.generated && !columns.includes(column),
  );
}

function conflictUpsert(
  table: TableShape,
  columns: readonly ColumnShape[],
  changed: readonly ColumnShape[],
  inKeyOrder: boolean,
): string {
  const action =
    changed.length === 0
      ? 'nothing'
      : `update set\n  ${changed
          .map(
            ({ name }) =>
              `${quoteIdentifier(name)} = excluded.${quoteIdentifier(name)}`,
          )
          .join(',\n  ')}`;
  return [
    insertInto(table, columns),
    `select ${valueList(columns)}`,
    `from ${rowSource(columns)}`,
    ...(inKeyOrder ? [`order by ${keyExpressions(table, columns)}`] : []),
    `on conflict (${nameList(table.primaryKey)}) do ${action}`,
  ].join('\n');
}

function keyExpressions(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  return table.primaryKey
    .map((column) => valueExpression(column, columns.indexOf(column)))
    .join(', ');
}

/**
 * ON CONFLICT cannot use a deferrable constraint, so existing rows are looked
 * up. Both halves see the state before the statement, which is right: the
 * update changes no key. A stranger's concurrent insert ends in 23505.
 */
function lookupUpsert(
  table: TableShape,
  columns: readonly ColumnShape[],
  changed: readonly ColumnShape[],
): string {
  const carried = new Set(columns);
  const update = [
    'updated as (',
    `  update ${tableName(table)} as t set`,
    `    ${changed
      .map((column) => {
        const value = carried.has(column)
          ? `v.${quoteIdentifier(column.name)}`
          : 'default';
        return `${quoteIdentifier(column.name)} = ${value}`;
      })
      .join(',\n    ')}`,
    `  from v where ${keyMatch(table, quoteIdentifier)}`,
    ')',
  ].join('\n');
  return [
    `with ${namedRows(columns)}${changed.length === 0 ? '' : `,\n${update}`}`,
    insertInto(table, columns),
    `select ${nameList(columns)} from v`,
    `where not exists (select from ${tableName(table)} as t where ${keyMatch(table, quoteIdentifier)})`,
  ].join('\n');
}

/**
 * Rows in which one of `watched` differs are deleted and inserted again in one
 * statement, the columns that are not carried copied over: a foreign key
 * without action, which looks when the statement ends, does not notice.
 *
 * This is how identity-always columns change, which nobody may update, and
 * how values that may not be null pass between rows. The sort is for the
 * latter: it makes every delete come before the first insert.
 */
export function rewriteStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  watched: readonly ColumnShape[],
): string {
  const kept = table.columns.filter((column) => !column.generated);
  const carried = new Set(columns);
  return [
    `with ${namedRows(columns)},`,
    'gone as (',
    `  delete from ${tableName(table)} as t using v`,
    `  where ${keyMatch(table, quoteIdentifier)} and (${differs(watched)})`,
    `  returning ${kept
      .map(
        (column) =>
          `${carried.has(column) ? 'v' : 't'}.${quoteIdentifier(column.name)}`,
      )
      .join(', ')}`,
    ')',
    insertInto(table, kept),
    `select ${nameList(kept)} from gone order by ${nameList(table.primaryKey)}`,
  ].join('\n');
}

/**
 * Instead of {@link rewriteStatement} where deleting a row would do more than
 * that: divides by zero when a row would have to be rewritten.
 */
export function refuseRewriteStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  watched: readonly ColumnShape[],
): string {
  return [
    `with ${namedRows(columns)}`,
    `select 1 / (count(*) = 0)::pg_catalog.int4`,
    `from ${tableName(table)} as t, v`,
    `where ${keyMatch(table, quoteIdentifier)} and (${differs(watched)})`,
  ].join('\n');
}

/**
 * Of the rows that are there, gives those their unique values that nobody has
 * by now. Run again and again, until it finds none, it goes along a chain of
 * rows each of which gets what the next one gives up.
 */
export function freeValuesStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  passed: readonly ColumnShape[],
): string {
  const carried = new Set(columns.map(({ name }) => name));
  const given = (name: string): string =>
    `${carried.has(name) ? 'v' : 't'}.${quoteIdentifier(name)}`;
  const among = (alias: string, pairs: readonly string[]): string =>
    `exists (select from ${tableName(table)} as ${alias} where ${pairs.join(' and ')})`;
  const itself = keyMatch(table, quoteIdentifier, 'o');
  const taken = table.uniqueKeys
    .filter((key) => key.some((name) => carried.has(name)))
    .map((key) =>
      among('o', [
        ...key.map((name) => `o.${quoteIdentifier(name)} = ${given(name)}`),
        `not (${itself})`,
      ]),
    );
  const followed = table.foreignKeys
    .filter(
      ({ parentSchema, parentTable, columns: names }) =>
        parentSchema === table.schema &&
        parentTable === table.name &&
        names.some((name) => carried.has(name)),
    )
    .map(({ columns: names, parentColumns }) => {
      const isNull = names.map((name) => `${given(name)} is null`);
      const parent = among(
        'p',
        names.map(
          (name, index) =>
            `p.${quoteIdentifier(parentColumns[index]!)} = ${given(name)}`,
        ),
      );
      return `(${[...isNull, parent].join(' or ')})`;
    });
  return [
    `with ${namedRows(columns)}`,
    `update ${tableName(table)} as t`,
    `set ${passed.map(({ name }) => `${quoteIdentifier(name)} = v.${quoteIdentifier(name)}`).join(', ')}`,
    `from v where ${keyMatch(table, quoteIdentifier)} and (${differs(passed)})`,
    ...taken.map((condition) => `and not ${condition}`),
    ...followed.map((condition) => `and ${condition}`),
  ].join('\n');
}

function differs(watched: readonly ColumnShape[]): string {
  return watched
    .map(({ name }) => quoteIdentifier(name))
    .map((name) => `t.${name} is distinct from v.${name}`)
    .join(' or ');
}

/** Columns that only a rewrite can change. */
export function fixedIdentities(
  columns: readonly ColumnShape[],
): ColumnShape[] {
  return columns.filter(isFixedIdentity);
}

function namedRows(columns: readonly ColumnShape[]): string {
  return [
    `v (${nameList(columns)}) as materialized (`,
    `  select ${valueList(columns)}`,
    `  from ${rowSource(columns)}`,
    ')',
  ].join('\n');
}

function isFixedIdentity(column: ColumnShape): boolean {
  return column.identity === 'always' && column.keyOrdinal === null;
}

/** Of rows that are there. The rows carry the key and what is given to them. */
export function updateStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  const place = (column: ColumnShape): string =>
    valueExpression(column, columns.indexOf(column));
  return [
    `update ${tableName(table)} as t`,
    `set ${columns
      .filter(({ keyOrdinal }) => keyOrdinal === null)
      .map((column) => `${quoteIdentifier(column.name)} = ${place(column)}`)
      .join(', ')}`,
    `from ${rowSource(columns)}`,
    `where ${table.primaryKey
      .map(
        (column) =>
          `t.${quoteIdentifier(column.name)} ${column.keyOperator ?? '='} ${place(column)}`,
      )
      .join(' and ')}`,
  ].join('\n');
}

/**
 * A key of one column is looked up by `any`, a quarter faster than a join. Of
 * keys that are equal and look different only the one that was named goes: the
 * source has given its row the other one, which was written before.
 */
export function deleteStatement(table: TableShape): string {
  const [first] = table.primaryKey;
  const loose = table.primaryKey.filter(comparesLoosely);
  if (
    first &&
    table.primaryKey.length === 1 &&
    loose.length === 0 &&
    !travelsAsText(first)
  ) {
    return [
      `delete from ${tableName(table)} as t`,
      `where t.${quoteIdentifier(first.name)} ${first.keyOperator ?? '='} any (${arrayParameter(first, 0)})`,
    ].join('\n');
  }
  return [
    `delete from ${tableName(table)} as t`,
    `using ${rowSource(table.primaryKey)}`,
    `where ${positionalKeyMatch(table)}`,
    ...loose.map((column) => {
      const own = `t.${quoteIdentifier(column.name)}`;
      const given = valueExpression(column, table.primaryKey.indexOf(column));
      return `and ${printed(own)} = ${printed(`${given}::${column.type}`)}`;
    }),
  ].join('\n');
}

/** Of those rows to which no row refers by one of the foreign keys. */
export function deleteUnreferredStatement(
  table: TableShape,
  references: readonly TableReference[],
): string {
  const itself = keyMatch(table, quoteIdentifier, 'c');
  return [
    deleteStatement(table),
    ...references.map(({ child, key }) => {
      const pairs = key.columns.map(
        (name, index) =>
          `c.${quoteIdentifier(name)} = t.${quoteIdentifier(key.parentColumns[index]!)}`,
      );
      const own = child === table ? ` and not (${itself})` : '';
      return `and not exists (select from ${tableName(child)} as c where ${pairs.join(' and ')}${own})`;
    }),
  ].join('\n');
}

/** As the type prints it: a cast to text would take the blanks of bpchar. */
function printed(value: string): string {
  return `pg_catalog.concat(${value}) collate pg_catalog."C"`;
}

/**
 * Sets one column of every other unique key to null, or says with null that
 * some key has no column that may be null.
 */
export function vacateStatement(table: TableShape): string | null {
  const vacated = new Set<string>();
  for (const key of table.uniqueKeys) {
    const column = key
      .map((name) => table.columnByName.get(name)!)
      .find(
        ({ nullable, generated, keyOrdinal }) =>
          nullable && !generated && keyOrdinal === null,
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
    `update ${tableName(table)} as t`,
    `set ${[...vacated].map((name) => `${quoteIdentifier(name)} = null`).join(', ')}`,
    `from ${rowSource(table.primaryKey)}`,
    `where ${positionalKeyMatch(table)}`,
  ].join('\n');
}

/** `only` would find nothing in a partitioned table, which is never marked. */
export function tableName(table: TableShape): string {
  const only = table.hasInheritors ? 'only ' : '';
  return `${only}${quoteSchema(table.schema)}.${quoteIdentifier(table.name)}`;
}

/** The alias keeps a table named `excluded` apart from the word. */
export function insertInto(
  table: TableShape,
  columns: readonly ColumnShape[],
): string {
  const overriding = columns.some(({ identity }) => identity === 'always')
    ? '\noverriding system value'
    : '';
  return `insert into ${quoteSchema(table.schema)}.${quoteIdentifier(table.name)} as t (${nameList(columns)})${overriding}`;
}

export function nameList(columns: readonly ColumnShape[]): string {
  return columns.map(({ name }) => quoteIdentifier(name)).join(', ');
}

function keyMatch(
  table: TableShape,
  valueName: (name: string) => string,
  alias = 'v',
): string {
  return table.primaryKey
    .map(
      ({ name, keyOperator = '=' }) =>
        `t.${quoteIdentifier(name)} ${keyOperator} ${alias}.${valueName(name)}`,
    )
    .join(' and ');
}

export function positionalKeyMatch(table: TableShape): string {
  return table.primaryKey
    .map(
      (column, index) =>
        `t.${quoteIdentifier(column.name)} ${column.keyOperator ?? '='} ${valueExpression(column, index)}`,
    )
    .join(' and ');
}
