/**
 * The SQL of MySQL and MariaDB: pure functions from a shape to a text that
 * serves any number of rows, which come from a temporary table or from one
 * JSON parameter ({@link RowSource}).
 *
 * Rows are matched by the primary key alone. ON DUPLICATE KEY UPDATE fires on
 * any unique key, so that it serves only tables without another one.
 */
import { schemaNameParts } from '../../mutation/schema-name.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { ColumnShape, TableShape } from '../target.ts';
import { codecOf } from './codec.ts';

/** Always quoted: keywords are then nothing special. */
export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** Backslashes are escapes: the session sets its sql_mode. */
export function quoteText(text: string): string {
  return `'${text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll('\0', '\\0')}'`;
}

export function quoteSchema(schema: SchemaName): string {
  return quoteIdentifier(schemaNameParts(schema).at(-1)!);
}

export function quoteTable(table: TableShape): string {
  return `${quoteSchema(table.schema)}.${quoteIdentifier(table.name)}`;
}

/** Where a statement finds its rows. */
export interface RowSource {
  readonly from: string;
  /** For a select list. */
  value(column: ColumnShape): string;
  /** Of the type and collation of the column, so that its index serves. */
  key(column: ColumnShape): string;
}

/** In ON DUPLICATE KEY UPDATE the name of the target table counts too. */
function rowsAlias(table: TableShape): string {
  return table.name.toLowerCase() === 'v' ? 'w' : 'v';
}

/** A table of the session, whose columns have the target's names and types. */
export function temporarySource(
  table: TableShape,
  quotedName: string,
): RowSource {
  const alias = rowsAlias(table);
  const own = ({ name }: ColumnShape): string =>
    `${alias}.${quoteIdentifier(name)}`;
  return {
    from: `${quotedName} as ${alias}`,
    value: (column) => fromTransport(column, own(column)),
    key: own,
  };
}

/** One parameter: an array of rows, each an array of texts. */
export function jsonSource(
  table: TableShape,
  columns: readonly ColumnShape[],
): RowSource {
  const alias = rowsAlias(table);
  const places = new Map(columns.map((column, index) => [column, index]));
  const own = (column: ColumnShape): string =>
    `${alias}.c${places.get(column)! + 1}`;
  // As bytes MariaDB mixes the bits of several rows up.
  const decoded = (column: ColumnShape): string =>
    codecOf(column).kind === 'bit'
      ? `cast(conv(${own(column)}, 16, 10) as unsigned)`
      : codecOf(column).kind === 'binary'
        ? `unhex(${own(column)})`
        : own(column);
  // Of a longtext MariaDB works out that unhex gives no bytes at all.
  const paths = columns.map(
    (column, index) =>
      `    c${index + 1} ${travelsAsHex(column) ? 'mediumtext' : 'longtext'} character set utf8mb4 path '$[${index}]' error on error`,
  );
  return {
    from: `json_table(?, '$[*]' columns (\n${paths.join(',\n')}\n  )) as ${alias}`,
    value: (column) => fromTransport(column, decoded(column)),
    key: (column) => keyCast(column, decoded(column)),
  };
}

/** Bytes cross as hexadecimal digits. */
export function travelsAsHex(column: ColumnShape): boolean {
  const { kind } = codecOf(column);
  return kind === 'binary' || kind === 'bit';
}

function fromTransport(column: ColumnShape, value: string): string {
  const codec = codecOf(column);
  if (codec.kind !== 'geometry') {
    return value;
  }
  // `T4326 POINT(1 2)`, or `B` with the digits of WKB (geometry.ts).
  const body = `substring(${value}, locate(' ', ${value}) + 1)`;
  const srid = `cast(substring(${value}, 2, locate(' ', ${value}) - 2) as unsigned)`;
  const order = codec.hasAxisOrder ? `, 'axis-order=long-lat'` : '';
  // Of what MariaDB cannot read it makes null: then the range is left instead.
  const refusal = `point(exp(710 + length(${value})), 0)`;
  return `case when ${value} is null then null
    when left(${value}, 1) = 'T' then coalesce(st_geomfromtext(${body}, ${srid}${order}), ${refusal})
    else coalesce(st_geomfromwkb(unhex(${body}), ${srid}${order}), ${refusal}) end`;
}

function keyCast(column: ColumnShape, value: string): string {
  const codec = codecOf(column);
  switch (codec.kind) {
    case 'integer':
      return codec.min === '0'
        ? `cast(${value} as unsigned)`
        : `cast(${value} as signed)`;
    case 'decimal':
      return `cast(${value} as decimal(${codec.precision}, ${codec.scale}))`;
    case 'float':
      return `cast(${value} as double)`;
    case 'date':
      return `cast(${value} as date)`;
    case 'datetime':
      return `cast(${value} as datetime(${codec.fractionDigits}))`;
    case 'time':
      return `cast(${value} as time(${codec.fractionDigits}))`;
    case 'text':
    case 'enum':
    case 'set': {
      const [, charset, collation] =
        / character set (\w+) collate (\w+)$/.exec(codec.definition) ?? [];
      return charset === undefined
        ? value
        : `convert(${value} using ${charset}) collate ${collation}`;
    }
    case 'bit':
    case 'binary':
    case 'json':
    case 'geometry':
    case 'other':
      return value;
  }
}

/**
 * The table behind the rows, entered by its key: left to itself the server
 * may scan it, and with that lock it, for the sake of a few rows.
 */
function keyedTable(table: TableShape): string {
  return `${quoteTable(table)} as t force index (primary)`;
}

/** Rows of the source that are rows of the table; byte by byte where texts fold. */
function keyMatch(table: TableShape, source: RowSource, exact = true): string {
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

function sameBytes(a: string, b: string): string {
  return `cast(${a} as binary) = cast(${b} as binary)`;
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
  return [
    `insert into ${quoteTable(table)} (${nameList(columns)})`,
    `select ${columns.map((column) => source.value(column)).join(', ')}`,
    `from ${source.from}`,
    `on duplicate key update`,
    `  ${assignments.join(',\n  ')}`,
  ].join('\n');
}

/** Null where there is nothing to set. */
export function updateStatement(
  table: TableShape,
  columns: readonly ColumnShape[],
  source: RowSource,
  /** Columns that go to their defaults. */
  defaulted: readonly ColumnShape[] = [],
): string | null {
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
        `set ${assignments.join(',\n  ')}`,
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
 * to is checked as ever, and so are unique keys.
 */
export function rewriteStatements(table: TableShape, from: string): string[] {
  const kept = writableColumns(table);
  const source = temporarySource(table, from);
  return [
    'set session foreign_key_checks = 0',
    `delete t from ${source.from} straight_join ${keyedTable(table)} on ${keyMatch(table, source)}`,
    'set session foreign_key_checks = 1',
    [
      `insert into ${quoteTable(table)} (${nameList(kept)})`,
      `select ${kept.map((column) => source.key(column)).join(', ')}`,
      `from ${source.from}`,
    ].join('\n'),
  ];
}

export function writableColumns(table: TableShape): ColumnShape[] {
  return table.columns.filter(({ generated }) => !generated);
}

/** Keys as literals: `(a, b) in ((1, 'x'), …)`. */
export function keyCondition(
  table: TableShape,
  texts: readonly (readonly (string | null)[])[],
): string {
  const { primaryKey } = table;
  const folding = primaryKey.some((column) => codecOf(column).folds);
  const rows = texts[0]!.map((_, row) =>
    primaryKey.map((column, place) => keyLiteral(column, texts[place]![row]!)),
  );
  const names = primaryKey.map(({ name }) => quoteIdentifier(name));
  const condition = inList(names, rows);
  if (!folding) {
    return condition;
  }
  return `${condition} and ${inList(
    primaryKey.map((column, place) =>
      codecOf(column).folds ? `cast(${names[place]} as binary)` : names[place]!,
    ),
    rows.map((row) =>
      row.map((literal, place) => {
        const column = primaryKey[place]!;
        const charset = / character set (\w+) /.exec(
          codecOf(column).definition,
        )?.[1];
        return codecOf(column).folds
          ? `cast(convert(${literal} using ${charset}) as binary)`
          : literal;
      }),
    ),
  )}`;
}

function inList(
  names: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  return names.length === 1
    ? `${names[0]} in (${rows.map(([only]) => only).join(', ')})`
    : `(${names.join(', ')}) in (${rows.map((row) => `(${row.join(', ')})`).join(', ')})`;
}

function keyLiteral(column: ColumnShape, text: string | null): string {
  if (text === null) {
    return 'null';
  }
  switch (codecOf(column).kind) {
    case 'integer':
      return text;
    case 'decimal':
    case 'float':
      return /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text)
        ? text
        : quoteText(text);
    case 'bit':
      return String(BigInt(`0x${text}`));
    case 'binary':
      return `x'${text}'`;
    case 'text':
    case 'enum':
    case 'set':
    case 'json':
    case 'date':
    case 'datetime':
    case 'time':
    case 'geometry':
    case 'other':
      return quoteText(text);
  }
}

export function deleteStatement(table: TableShape, condition: string): string {
  return `delete from ${quoteTable(table)} where ${condition}`;
}

/** Null where a unique key has no column that may be null. */
export function vacatedColumns(table: TableShape): string[] | null {
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
  return vacated.size === 0 ? null : [...vacated];
}

export function setNullStatement(
  table: TableShape,
  names: readonly string[],
  condition: string,
): string {
  return `update ${quoteTable(table)} set ${names
    .map((name) => `${quoteIdentifier(name)} = null`)
    .join(', ')} where ${condition}`;
}

/** Of the keys, those rows to which no other row of the table refers. */
export function deleteLeavesStatement(
  table: TableShape,
  condition: string,
): string {
  const referred = selfReferences(table).map(
    ({ columns, parentColumns }) =>
      `not exists (select 1 from (select * from ${quoteTable(table)}) as c where ${columns
        .map(
          (name, index) =>
            `c.${quoteIdentifier(name)} = t.${quoteIdentifier(parentColumns[index]!)}`,
        )
        .join(' and ')} and not (${table.primaryKey
        .map(
          ({ name }) =>
            `c.${quoteIdentifier(name)} <=> t.${quoteIdentifier(name)}`,
        )
        .join(' and ')}))`,
  );
  return `delete t from ${quoteTable(table)} as t where ${[condition, ...referred].join(' and ')}`;
}

function nameList(columns: readonly ColumnShape[]): string {
  return columns.map(({ name }) => quoteIdentifier(name)).join(', ');
}

/** What LOAD DATA is told of the file of row-encoding.ts. */
export function loadStatement(
  quotedName: string,
  columns: readonly ColumnShape[],
): string {
  const targets = columns.map((column, index) =>
    travelsAsHex(column) ? `@c${index + 1}` : quoteIdentifier(column.name),
  );
  const decoded = columns.flatMap((column, index) =>
    travelsAsHex(column)
      ? [`${quoteIdentifier(column.name)} = unhex(@c${index + 1})`]
      : [],
  );
  return [
    `load data local infile 'rows' into table ${quotedName}`,
    `character set utf8mb4`,
    String.raw`fields terminated by '\t' escaped by '\\' lines terminated by '\n'`,
    `(${targets.join(', ')})`,
    ...(decoded.length > 0 ? [`set ${decoded.join(', ')}`] : []),
  ].join('\n');
}

/**
 * Every column may be null but the key: what the target thinks of that is
 * said when the rows are written there.
 */
export function createTemporaryStatement(
  quotedName: string,
  table: TableShape,
  columns: readonly ColumnShape[],
  /** False: geometries lie there as such. */
  inTransport = true,
): string {
  const definitions = columns.map((column) => {
    const codec = codecOf(column);
    const type =
      inTransport && codec.kind === 'geometry'
        ? 'longtext character set utf8mb4'
        : codec.definition;
    return `  ${quoteIdentifier(column.name)} ${type} ${column.keyOrdinal === null ? 'null' : 'not null'}`;
  });
  const key = table.primaryKey.map((column) => {
    const { keyPrefix } = codecOf(column);
    return `${quoteIdentifier(column.name)}${keyPrefix === undefined ? '' : `(${keyPrefix})`}`;
  });
  return `create temporary table ${quotedName} (\n${definitions.join(',\n')},\n  primary key (${key.join(', ')})\n) engine = InnoDB`;
}
