/** The dead-letter table in SQL Server's words. */
import type {
  DeadLetterDialect,
  DeadLetterStatement,
  SelectParts,
} from '../../own-tables/dead-letter-sql.ts';
import type { Parameters } from '../session/driver.ts';
import { serverErrorOf } from '../session/errors.ts';
import {
  quoteIdentifier,
  quoteSchema,
  quoteString,
} from '../catalog/quoting.ts';

const anyText = 'nvarchar(max)';
/** National as the parameters are, so that an index finds them. */
const exactText = (length: number): string =>
  `nvarchar(${length}) collate Latin1_General_BIN2`;

const ownColumnTypes: Readonly<Record<string, string>> = {
  table_name: exactText(128),
  row_key: anyText,
  row_key_hash: exactText(64),
  key_columns: anyText,
  moved_from: anyText,
  code: exactText(16),
  cause: anyText,
  created_at: 'datetime2',
  superseded_at: 'datetime2',
};

const lookup = 'unique (table_name, row_key_hash, event)';

/** Reading a whole table would lock rows, and wait for rows, of other keys. */
const seek = 'rowlock, forceseek';

export const deadLetterDialect: DeadLetterDialect = {
  now: 'sysutcdatetime()',
  rowsPerInsert: 100,
  idsPerStatement: 200,
  tableName: (schema, name) =>
    `${quoteSchema(schema)}.${quoteIdentifier(name)}`,
  createStatement: (table) => `create table ${table} (
  event bigint identity not null primary key,
  dlq_name nvarchar(255) not null,
  source_nanos bigint not null,
  source_logical int not null,
  data_after ${anyText} null,
  data_before ${anyText} null,
${Object.entries(ownColumnTypes)
  .map(([name, type]) => `  ${name} ${type} null,`)
  .join('\n')}
  ${lookup}
)`,
  alterStatements(table, missing) {
    const columns = missing.map(
      (name) => `${name} ${ownColumnTypes[name]} null`,
    );
    return `alter table ${table} add ${columns.join(', ')};\nalter table ${table} add ${lookup};`;
  },
  columnsStatement: (schema, name) => ({
    text: `select c.name as name, case
    when c.name = 'event' then case when t.name in ('bigint', 'int') then 1 else 0 end
    when c.name in ('data_after', 'data_before') then case when t.name = 'nvarchar' and c.max_length = -1 then 1 else 0 end
    else 1
  end as fits
from sys.columns c join sys.types t on t.user_type_id = c.user_type_id
where c.object_id = object_id(${quoteString(deadLetterDialect.tableName(schema, name))});`,
    values: [],
    kinds: [],
  }),
  placeholder: (index, kind) =>
    kind === 'number'
      ? `cast(@p${index} as bigint)`
      : `@${nameOf(index, kind)}`,
  selectStatement(table, { columns, where, locks, limit }: SelectParts) {
    return [
      `select ${limit === undefined ? '' : `top (${limit}) `}${columns.join(', ')} from ${table}`,
      ...(locks ? [`with (updlock, ${seek})`] : []),
      `where ${locks === 'keys' ? idsByKeys(table, where) : where}`,
      ...(locks || limit !== undefined ? ['order by event'] : []),
    ].join('\n');
  },
  updated: (table) => `${table} with (${seek})`,
  deleted: (table) => `${table} with (${seek})`,
  instant: (column) => `convert(varchar(33), ${column}, 126) + 'Z'`,
  // No such table or column.
  isMissingTable: (error) => hasNumber(error, [208, 207]),
  // Also of a schema that is not ours to put tables into.
  mayNotCreate: (error) => hasNumber(error, [262, 2760]),
  isAlreadyThere: (error) => hasNumber(error, [2714]),
};

/**
 * Read without a lock that lasts: who locked them in this index, and then the
 * rows, would deadlock with who has locked a row and deletes it.
 */
function idsByKeys(table: string, where: string): string {
  return `event in (select event from ${table} with (${seek}) where ${where}) and superseded_at is null`;
}

/** What the placeholders name. */
export function deadLetterParameters({
  values,
  kinds,
}: DeadLetterStatement): Parameters {
  return Object.fromEntries(
    values.map((value, index) => [nameOf(index, kinds[index]!), value]),
  );
}

/** The driver declares what is called `long…` without a limit. */
function nameOf(index: number, kind: string): string {
  return kind === 'long' ? `long${index}` : `p${index}`;
}

function hasNumber(error: unknown, numbers: readonly number[]): boolean {
  return numbers.includes(serverErrorOf(error)?.number ?? 0);
}
