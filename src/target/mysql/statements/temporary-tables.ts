/** The SQL of the temporary tables of a session, and of the file that fills them. */
import type { ColumnShape, TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import { quoteIdentifier } from '../catalog/quoting.ts';
import { type MemoryLengths, memoryType } from './memory-tables.ts';
import { travelsAsHex } from '../values/row-source.ts';

/** What LOAD DATA is told of the file of load-file.ts. */
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
  const types = columns.map((column) => {
    const { kind, definition } = codecOf(column);
    return inTransport && kind === 'geometry'
      ? 'longtext character set utf8mb4'
      : definition;
  });
  return createStatement(quotedName, table, {
    columns,
    types,
    engine: 'InnoDB',
    isKeyed: true,
  });
}

/** The same for rows of which memory-tables.ts says how long they are. */
export function createMemoryStatement(
  quotedName: string,
  table: TableShape,
  columns: readonly ColumnShape[],
  {
    lengths,
    isKeyed,
  }: { readonly lengths: MemoryLengths; readonly isKeyed: boolean },
): string {
  const types = columns.map((column, place) =>
    memoryType(column, lengths[place]!),
  );
  return createStatement(quotedName, table, {
    columns,
    types,
    engine: 'MEMORY',
    isKeyed,
  });
}

function createStatement(
  quotedName: string,
  table: TableShape,
  parts: {
    readonly columns: readonly ColumnShape[];
    readonly types: readonly string[];
    readonly engine: 'InnoDB' | 'MEMORY';
    /** Refuses a key that comes twice. */
    readonly isKeyed: boolean;
  },
): string {
  const definitions = parts.columns.map(
    ({ name, keyOrdinal }, place) =>
      `  ${quoteIdentifier(name)} ${parts.types[place]} ${keyOrdinal === null ? 'null' : 'not null'}`,
  );
  const key = table.primaryKey.map((column) => {
    const { keyPrefix } = codecOf(column);
    return `${quoteIdentifier(column.name)}${keyPrefix === undefined ? '' : `(${keyPrefix})`}`;
  });
  if (key.length > 0 && parts.isKeyed) {
    definitions.push(`  primary key (${key.join(', ')})`);
  }
  return `create temporary table ${quotedName} (\n${definitions.join(',\n')}\n) engine = ${parts.engine}`;
}
