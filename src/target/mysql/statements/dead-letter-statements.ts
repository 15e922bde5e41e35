/** The dead-letter table in the words of MySQL and MariaDB. */
import type {
  DeadLetterDialect,
  SelectParts,
} from '../../own-tables/dead-letter-sql.ts';
import { schemaNameParts } from '../../../mutation/schema-name.ts';
import { isServerError } from '../session/errors.ts';
import { quoteIdentifier, quoteSchema, quoteText } from '../catalog/quoting.ts';

const anyText = 'longtext character set utf8mb4 collate utf8mb4_bin';
const asciiText = (length: number): string =>
  `varchar(${length}) character set ascii collate ascii_bin`;

/** JSON is kept as text: the server's own type writes numbers anew. */
const ownColumnTypes: Readonly<Record<string, string>> = {
  table_name: 'varchar(64) character set utf8mb4 collate utf8mb4_bin',
  row_key: anyText,
  row_key_hash: asciiText(64),
  key_columns: anyText,
  moved_from: anyText,
  code: asciiText(16),
  cause: anyText,
  created_at: 'datetime(6)',
  superseded_at: 'datetime(6)',
};

const index = 'replicator_row';
const lookup = `unique key ${index} (table_name, row_key_hash, event)`;

export const deadLetterDialect: DeadLetterDialect = {
  now: 'utc_timestamp(6)',
  rowsPerInsert: 100,
  // Where the server reads a whole table it waits for rows that it need not lock.
  idsPerStatement: 1,
  tableName: (schema, name) =>
    `${quoteSchema(schema)}.${quoteIdentifier(name)}`,
  createStatement: (table) => `create table ${table} (
  event bigint not null auto_increment primary key,
  dlq_name varchar(255) character set utf8mb4 not null,
  source_nanos bigint not null,
  source_logical int not null,
  data_after ${anyText},
  data_before ${anyText},
${Object.entries(ownColumnTypes)
  .map(([name, type]) => `  ${name} ${type} null,`)
  .join('\n')}
  ${lookup}
) engine = InnoDB`,
  alterStatements(table, missing) {
    const columns = missing.map(
      (name) => `  add column ${name} ${ownColumnTypes[name]} null`,
    );
    return `alter table ${table}\n${[...columns, `  add ${lookup}`].join(',\n')};`;
  },
  columnsStatement: (schema, name) => ({
    text: `select column_name as name, case
    when column_name = 'event' then data_type in ('bigint', 'int')
    when column_name in ('data_after', 'data_before') then data_type in ('longtext', 'mediumtext')
    else 1
  end as fits
from information_schema.columns
where table_schema = ${quoteText(schemaNameParts(schema).at(-1)!)} and table_name = ${quoteText(name)}`,
    values: [],
    kinds: [],
  }),
  placeholder: () => '?',
  literal: (value, kind) => (kind === 'number' ? value : quoteText(value)),
  selectStatement(table, { columns, where, locks, limit }: SelectParts) {
    const picked = columns.join(', ');
    return [
      locks === 'keys'
        ? `select ${picked} from (${idsByKeys(table, where)}) k straight_join ${table} force index (primary) on event = k.id`
        : `select ${picked} from ${table}`,
      `where ${where}`,
      ...(locks || limit !== undefined ? ['order by event'] : []),
      ...(limit === undefined ? [] : [`limit ${limit}`]),
      ...(locks ? ['for update'] : []),
    ].join('\n');
  },
  updated: (table) => `${table} force index (${index})`,
  deleted: (table) => table,
  instant: (column) => `date_format(${column}, '%Y-%m-%dT%H:%i:%s.%fZ')`,
  // No such table, column, database or index.
  isMissingTable: (error) => hasNumber(error, [1146, 1054, 1049]),
  mayNotCreate: (error) => hasNumber(error, [1142, 1044, 1227]),
  isAlreadyThere: (error) => hasNumber(error, [1050]),
};

/**
 * Read without a lock: who locked them in this index, and then the rows, would
 * deadlock with who has locked a row and deletes it. DISTINCT keeps the server
 * from merging the two.
 */
function idsByKeys(table: string, where: string): string {
  return `select distinct event as id from ${table} force index (${index}) where ${where}`;
}

function hasNumber(error: unknown, numbers: readonly number[]): boolean {
  return isServerError(error) && numbers.includes(error.errno);
}
