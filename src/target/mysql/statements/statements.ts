/**
 * The SQL of MySQL and MariaDB: pure functions from a shape to a text that
 * serves any number of rows, which come from a temporary table or from one
 * JSON parameter ({@link RowSource}).
 *
 * Rows are matched by the primary key alone. ON DUPLICATE KEY UPDATE fires on
 * any unique key, so that it serves only tables without another one.
 */
import type { ColumnShape, TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import { quoteIdentifier, quoteTable } from '../catalog/quoting.ts';
import { type RowSource, temporarySource } from '../values/row-source.ts';

/**
 * The table behind the rows, entered by its key: left to itself the server
 * may scan it, and with that lock it, for the sake of a few rows.
 */
export function keyedTable(table: TableShape): string {
  return `${quoteTable(table)} as t force index (primary)`;
}

/** Rows of the source that are rows of the table; byte by byte where texts fold. */
export function keyMatch(
  table: TableShape,
  source: RowSource,
  exact = true,
): string {
  return table.primaryKey
    .flatMap((column) => {
      const own = `t.${quoteIdentifier(column.name)}`;
      const given = source.key(column);
      return codecOf(column).folds && exact
        ? [`${own} = ${given}`, sameBytes(own, given)]
        : [`${own} = ${given}`];
    })
    .join(' and ');
}

export function sameBytes(a: string, b: string): string {
  return `cast(${a} as binary) = cast(${b} as binary)`;
}

/** A text in the character set of the column. */
export function inCharset(column: ColumnShape, literal: string): string {
  const [, charset] =
    / character set (\w+) /.exec(codecOf(column).definition) ?? [];
  return `convert(${literal} using ${charset})`;
}

/**
 * Finds a row whose key the server takes for the given one though its bytes
 * are others; null for keys where that cannot be.
 */
export function foldedKeyStatement(
  table: TableShape,
  source: RowSource,
): string | null {
  const folding = table.primaryKey.filter((column) => codecOf(column).folds);
  return folding.length === 0
    ? null
    : [
        `select 1 as found from ${source.from}`,
        `straight_join ${keyedTable(table)} on ${keyMatch(table, source, false)}`,
        `where not (${folding
          .map((column) =>
            sameBytes(`t.${quoteIdentifier(column.name)}`, source.key(column)),
          )
          .join(' and ')})`,
        'limit 1',
      ].join('\n');
}

/** Finds a key that comes twice in the rows. */
export function repeatedKeyStatement(
  table: TableShape,
  source: RowSource,
): string {
  return [
    `select 1 as found from ${source.from}`,
    `group by ${table.primaryKey.map((column) => source.key(column)).join(', ')}`,
    'having count(*) > 1 limit 1',
  ].join('\n');
}

/** Insert or update in one go, where no other unique key could take over. */
export function duplicateKeyUpsert(
  table: TableShape,
  columns: readonly ColumnShape[],
  source: RowSource,
): string {
  const changed = columns.filter(({ keyOrdinal }) => keyOrdinal === null);
  const own = table.primaryKey[0]!;
  const assignments =
    changed.length === 0
      ? [
          `${quoteIdentifier(own.name)} = ${quoteTable(table)}.${quoteIdentifier(own.name)}`,
        ]
      : changed.map(
          (column) =>
            `${quoteIdentifier(column.name)} = ${source.value(column)}`,
        );
  const kept = untouched(
    table,
    columns.map(({ name }) => name),
    `${quoteTable(table)}.`,
  );
  return [
    `insert into ${quoteTable(table)} (${nameList(columns)})`,
    `select ${columns.map((column) => source.value(column)).join(', ')}`,
    `from ${source.from}`,
    `on duplicate key update`,
    `  ${[...assignments, ...kept].join(',\n  ')}`,
  ].join('\n');
}

/** Keeps times as they are that the server would set to the present. */
export function untouched(
  table: TableShape,
  assigned: readonly string[],
  prefix: string,
): string[] {
  return table.columns
    .filter(
      (column) => codecOf(column).touched && !assigned.includes(column.name),
    )
    .map(({ name }) => {
      const own = `${prefix}${quoteIdentifier(name)}`;
      return `${prefix === 't.' ? own : quoteIdentifier(name)} = ${own}`;
    });
}

/** Null where there is nothing to set. */
export function updateStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  source: RowSource,
  /** Columns that go to their defaults. */
  defaulted: readonly ColumnShape[] = [],
): string | null {
  const assigned = [...columns, ...defaulted].map(({ name }) => name);
  const assignments = [
    ...columns
      .filter(({ keyOrdinal }) => keyOrdinal === null)
      .map(
        (column) =>
          `t.${quoteIdentifier(column.name)} = ${source.value(column)}`,
      ),
    ...defaulted.map(({ name }) => `t.${quoteIdentifier(name)} = default`),
  ];
  return assignments.length === 0
    ? null
    : [
        `update ${source.from}`,
        `straight_join ${keyedTable(table)} on ${keyMatch(table, source)}`,
        `set ${[...assignments, ...untouched(table, assigned, 't.')].join(',\n  ')}`,
      ].join('\n');
}

/**
 * Of the rows that are there, gives those their unique values that nobody has
 * by now. Run again and again, until it finds none, it goes along a chain of
 * rows each of which gets what the next one gives up.
 */
export function freeValuesStatement(
  table: TableShape,
  passed: readonly ColumnShape[],
  source: RowSource,
): string {
  const given = (name: string): string => {
    const column = passed.find((each) => each.name === name);
    return column ? source.key(column) : `t.${quoteIdentifier(name)}`;
  };
  const first = quoteIdentifier(table.primaryKey[0]!.name);
  const holders = table.uniqueKeys
    .filter((key) => passed.some(({ name }) => key.includes(name)))
    .map((key, index) => {
      const isSame = table.primaryKey.map(
        ({ name }) =>
          `o${index}.${quoteIdentifier(name)} = t.${quoteIdentifier(name)}`,
      );
      const has = key.map(
        (name) => `o${index}.${quoteIdentifier(name)} = ${given(name)}`,
      );
      return `left join ${quoteTable(table)} as o${index} on ${[...has, `not (${isSame.join(' and ')})`].join(' and ')}`;
    });
  const assigned = passed.map(({ name }) => name);
  const differs = passed.map(
    (column) =>
      `not (t.${quoteIdentifier(column.name)} <=> ${source.key(column)})`,
  );
  return [
    `update ${source.from}`,
    `straight_join ${keyedTable(table)} on ${keyMatch(table, source)}`,
    ...holders,
    `set ${[
      ...passed.map(
        (column) =>
          `t.${quoteIdentifier(column.name)} = ${source.value(column)}`,
      ),
      ...untouched(table, assigned, 't.'),
    ].join(',\n  ')}`,
    `where (${differs.join(' or ')})`,
    ...holders.map((_, index) => `and o${index}.${first} is null`),
  ].join('\n');
}

/** Finds a row whose key is not there yet. */
export function missingKeyStatement(
  table: TableShape,
  source: RowSource,
): string {
  return [
    `select 1 as found from ${source.from}`,
    `left join ${keyedTable(table)} on ${keyMatch(table, source)}`,
    `where t.${quoteIdentifier(table.primaryKey[0]!.name)} is null limit 1`,
  ].join('\n');
}

/** Nothing is looked up. */
export function insertStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  source: RowSource,
): string {
  return [
    `insert into ${quoteTable(table)} (${nameList(columns)})`,
    `select ${columns.map((column) => source.value(column)).join(', ')}`,
    `from ${source.from}`,
  ].join('\n');
}

/** Inserts the rows whose keys are not there yet. */
export function insertMissingStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  source: RowSource,
  /** Further conditions on `v`. */
  where: readonly string[] = [],
): string {
  const first = quoteIdentifier(table.primaryKey[0]!.name);
  return [
    `insert into ${quoteTable(table)} (${nameList(columns)})`,
    `select ${columns.map((column) => source.value(column)).join(', ')}`,
    `from ${source.from}`,
    `left join ${keyedTable(table)} on ${keyMatch(table, source)}`,
    `where ${[`t.${first} is null`, ...where].join(' and ')}`,
  ].join('\n');
}

/**
 * Of the rows that are not there yet, those whose parents in the table itself
 * are, or that are their own parents.
 */
export function insertReadyStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  source: RowSource,
): string {
  const conditions = selfReferences(table).map(
    ({ columns: names, parentColumns }) => {
      const pairs = names.map((name, index) => ({
        child: table.columnByName.get(name)!,
        parent: table.columnByName.get(parentColumns[index]!)!,
      }));
      const given = pairs.filter(({ child }) => columns.includes(child));
      if (given.length < pairs.length) {
        return 'true';
      }
      const isNull = pairs
        .map(({ child }) => `${source.key(child)} is null`)
        .join(' or ');
      const isOwn = pairs
        .map(({ child, parent }) =>
          columns.includes(parent)
            ? `${source.key(child)} = ${source.key(parent)}`
            : 'false',
        )
        .join(' and ');
      const isThere = pairs
        .map(
          ({ child, parent }) =>
            `p.${quoteIdentifier(parent.name)} = ${source.key(child)}`,
        )
        .join(' and ');
      return `(${isNull} or (${isOwn}) or exists (select 1 from ${quoteTable(table)} as p where ${isThere}))`;
    },
  );
  return insertMissingStatement(table, columns, source, conditions);
}

export function selfReferences(
  table: TableShape,
): readonly TableShape['foreignKeys'][number][] {
  return table.foreignKeys.filter(
    ({ parentSchema, parentTable }) =>
      parentSchema === table.schema && parentTable === table.name,
  );
}

/**
 * The rows as they shall be in which one of `watched` differs, into a
 * temporary table of all columns that can be written.
 */
export function collectRewrittenStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  options: {
    readonly watched: readonly ColumnShape[];
    readonly source: RowSource;
    /** The other temporary table, quoted. */
    readonly into: string;
  },
): string {
  const { watched, source, into } = options;
  const kept = writableColumns(table);
  const values = kept.map((column) =>
    columns.includes(column)
      ? source.value(column)
      : `t.${quoteIdentifier(column.name)}`,
  );
  const differs = watched.map(
    (column) =>
      `not (t.${quoteIdentifier(column.name)} <=> ${source.key(column)})`,
  );
  return [
    `insert into ${into} (${nameList(kept)})`,
    `select ${values.join(', ')}`,
    `from ${source.from}`,
    `straight_join ${keyedTable(table)} on ${keyMatch(table, source)}`,
    `where ${differs.join(' or ')}`,
  ].join('\n');
}

/**
 * Deletes and inserts again what was collected. Children do not notice: their
 * parents' keys are back before anybody looks. What the rows themselves refer
 * to is checked as ever, and so are unique keys; `links`, by which they may
 * refer to each other, follow when all are there.
 */
export function rewriteStatements(
  table: TableShape,
  from: string,
  links: readonly ColumnShape[] = [],
): string[] {
  return [
    ...unnoticed(deleteCollectedStatement(table, temporarySource(table, from))),
    ...insertCollectedStatements(table, from, links),
  ];
}

/** Foreign keys are not looked at, and do nothing. */
export function unnoticed(statement: string): string[] {
  return [
    'set session foreign_key_checks = 0',
    statement,
    'set session foreign_key_checks = 1',
  ];
}

export function deleteCollectedStatement(
  table: TableShape,
  source: RowSource,
): string {
  return `delete t from ${source.from} straight_join ${keyedTable(table)} on ${keyMatch(table, source)}`;
}

export function insertCollectedStatements(
  table: TableShape,
  from: string,
  links: readonly ColumnShape[],
): string[] {
  const direct = writableColumns(table).filter(
    (column) => !links.includes(column),
  );
  const source = temporarySource(table, from);
  const insert = [
    `insert into ${quoteTable(table)} (${nameList(direct)})`,
    `select ${direct.map((column) => source.key(column)).join(', ')}`,
    `from ${source.from}`,
  ].join('\n');
  if (links.length === 0) {
    return [insert];
  }
  const assignments = [
    ...links.map(
      (column) => `t.${quoteIdentifier(column.name)} = ${source.key(column)}`,
    ),
    ...untouched(
      table,
      links.map(({ name }) => name),
      't.',
    ),
  ];
  return [
    insert,
    [
      `update ${source.from}`,
      `straight_join ${keyedTable(table)} on ${keyMatch(table, source)}`,
      `set ${assignments.join(', ')}`,
    ].join('\n'),
  ];
}

export function writableColumns(table: TableShape): ColumnShape[] {
  return table.columns.filter(({ generated }) => !generated);
}

/** Null where a unique key has no column that may be null. */
export function vacatedColumns(table: TableShape): string[] | null {
  const vacated = new Set<string>();
  for (const key of table.uniqueKeys) {
    const column = key
      .map((name) => table.columnByName.get(name)!)
      .find(
        (each) =>
          each.nullable &&
          !each.generated &&
          each.keyOrdinal === null &&
          // What follows into null does not follow back.
          !codecOf(each).followed,
      );
    if (!column) {
      return null;
    }
    vacated.add(column.name);
  }
  return vacated.size === 0 ? null : [...vacated];
}

export function nameList(columns: readonly ColumnShape[]): string {
  return columns.map(({ name }) => quoteIdentifier(name)).join(', ');
}
