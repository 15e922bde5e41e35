/** What preflight finds at a MySQL or MariaDB target. Reads the catalog alone. */
import { parseMysqlAddress } from '../../../config/address/mysql.ts';
import { type Finding, listedFindings } from '../../../failure/finding.ts';
import { count } from '../../../lib/count.ts';
import { schemaName } from '../../../mutation/schema-name.ts';
import type { PreflightOptions } from '../../open-target.ts';
import type { SchemaShape, TableShape } from '../../target.ts';
import { codecOf } from '../values/codec.ts';
import { MysqlConnection, type TextRow } from '../session/driver.ts';
import { targetFailure } from '../session/errors.ts';
import {
  type Privilege,
  privilegeFindings,
} from '../../../failure/privilege.ts';
import { introspectSchema } from '../catalog/introspect.ts';
import {
  serverQuery,
  tableEnginesQuery,
  triggersQuery,
} from './preflight-queries.ts';
import { readPrivileges } from './privileges.ts';
import { quoteIdentifier, quoteTable, quoteText } from '../catalog/quoting.ts';
import { serverFindings } from './server-findings.ts';

export async function mysqlFindings(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Finding[]> {
  const address = parseMysqlAddress(options.url, '--targetConn');
  await using connection = await MysqlConnection.dial(
    address,
    {
      applyTimeoutMs: options.applyTimeoutMs,
      statementCacheSize: 0,
      statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
    },
    signal,
  );
  const ask = async (text: string): Promise<readonly TextRow[]> =>
    (await connection.query(text)).rows;
  try {
    const { database } = address;
    const schema = quoteText(database);
    const [server] = await ask(serverQuery(connection.facts.isMariadb));
    const shape = await introspectSchema(
      connection,
      schemaName([database]),
      options.grants.dlqTableName,
    );
    return [
      ...serverFindings(connection.facts, server!, {
        display: address.display,
        parallelism: options.parallelism,
        maxPoolSize: options.maxPoolSize,
      }),
      ...tableFindings(shape, database, connection.facts.isMariadb),
      ...engineFindings(await ask(tableEnginesQuery(schema)), database),
      ...triggerFindings(await ask(triggersQuery(schema)), database),
      ...privilegeFindings(
        'target',
        await readPrivileges(connection, options.grants, database),
      ),
    ];
  } catch (error) {
    throw targetFailure(error, 'statement');
  }
}

function tableFindings(
  shape: SchemaShape | null,
  database: string,
  isMariadb: boolean,
): Finding[] {
  const tables = [...(shape?.tables.values() ?? [])].filter(
    ({ name }) => !name.startsWith('replicator_'),
  );
  if (tables.length === 0) {
    return [
      {
        level: 'warn',
        subject: 'target',
        text: `the database ${database} has no tables`,
        remedy:
          'create those of the changefeed: a row for a table that is not there is refused',
      },
    ];
  }
  const columns = tables.flatMap((table) =>
    table.columns.map((column) => ({ table, column })),
  );
  return [
    {
      level: 'ok',
      subject: 'target',
      text: `${count(tables.length, 'table', 'tables')}; webhook path: /${encodeURIComponent(database)}`,
    },
    ...listedFindings(
      tables.filter(({ primaryKey }) => primaryKey.length === 0),
      (table) => ({
        level: 'warn',
        subject: 'target',
        text: `${printed(table)} has no primary key, so what a changefeed brings of it would be refused`,
        remedy: 'add the primary key of the source if it is replicated',
      }),
      'tables',
    ),
    ...listedFindings(
      columns.filter(({ column }) => codecOf(column).folds),
      ({ table, column }) => ({
        level: 'error',
        subject: 'target',
        text: `the collation of key column ${column.name} of ${printed(table)} takes keys for one that the source tells apart`,
        remedy: `${exactDefinition(table, column.name, isMariadb)}; digits and uuids may as well be kept in a type of their own`,
      }),
      'key columns',
    ),
    ...listedFindings(
      columns.filter(({ column }) => codecOf(column).keyPrefix !== undefined),
      ({ table, column }) => ({
        level: 'error',
        subject: 'target',
        text: `the primary key of ${printed(table)} looks at the first ${codecOf(column).keyPrefix} characters of ${column.name} only`,
        remedy: 'make the key column a VARCHAR that is in the key as a whole',
      }),
      'key columns',
    ),
    ...listedFindings(
      columns.filter(({ column }) => isShortTime(column)),
      ({ table, column }) => ({
        level: 'warn',
        subject: 'target',
        text: `${column.type} column ${column.name} of ${printed(table)} holds fewer fraction digits than the source's six: such values are refused`,
        remedy: `give it six, as in ${/^time\b/i.test(column.type) ? 'time(6)' : 'datetime(6)'}, or set --valuePolicy for it`,
      }),
      'columns',
    ),
    ...listedFindings(
      columns.filter(({ column }) => /^timestamp/i.test(column.type)),
      ({ table, column }) => ({
        level: 'warn',
        subject: 'target',
        text: `TIMESTAMP column ${column.name} of ${printed(table)} ends on 2038-01-19 03:14:07 UTC: later values are refused`,
        remedy: 'make it DATETIME(6)',
      }),
      'columns',
    ),
  ];
}

function isShortTime(column: TableShape['columns'][number]): boolean {
  const codec = codecOf(column);
  return (
    (codec.kind === 'datetime' || codec.kind === 'time') &&
    codec.fractionDigits < 6
  );
}

/** The ALTER that makes the key tell apart what the source does. */
function exactDefinition(
  table: TableShape,
  name: string,
  isMariadb: boolean,
): string {
  const { definition } = codecOf(table.columnByName.get(name)!);
  const type = definition.replace(/ character set .*$/, '');
  const collation = isMariadb ? 'utf8mb4_nopad_bin' : 'utf8mb4_0900_bin';
  return `alter table ${quoteTable(table)} modify ${quoteIdentifier(name)} ${type} character set utf8mb4 collate ${collation} not null`;
}

/** Only InnoDB (and its like) rolls back. */
function engineFindings(
  tables: readonly TextRow[],
  database: string,
): Finding[] {
  return listedFindings(
    tables,
    (table) => ({
      level: 'error',
      subject: 'target',
      text: `${schemaName([database, table['name']!])} is of the engine ${table['engine']}, which has no transactions`,
      remedy: `alter table ${quoteIdentifier(database)}.${quoteIdentifier(table['name']!)} engine = InnoDB`,
    }),
    'tables',
  );
}

function triggerFindings(
  triggers: readonly TextRow[],
  database: string,
): Finding[] {
  return listedFindings(
    triggers,
    (trigger) => ({
      level: 'warn',
      subject: 'target',
      text: `trigger ${trigger['name']} of ${schemaName([database, trigger['table_name']!])} runs for replicated rows too`,
      remedy:
        'drop it while rows are replicated if the source has already done what it does',
    }),
    'triggers',
  );
}

function printed(table: TableShape): string {
  return `${table.schema}.${schemaName([table.name])}`;
}

/** All that the account needs; see `preflight --print-grants`. */
export async function mysqlPrivileges(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Privilege[]> {
  const address = parseMysqlAddress(options.url, '--targetConn');
  await using connection = await MysqlConnection.dial(
    address,
    {
      applyTimeoutMs: options.applyTimeoutMs,
      statementCacheSize: 0,
      statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
    },
    signal,
  );
  try {
    return await readPrivileges(connection, options.grants, address.database);
  } catch (error) {
    throw targetFailure(error, 'statement');
  }
}
