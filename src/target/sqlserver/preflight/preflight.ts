/** What preflight finds at a SQL Server target. Reads the catalog alone. */
import { parseSqlServerAddress } from '../../../config/address/sqlserver.ts';
import { type Finding, listedFindings } from '../../../failure/finding.ts';
import { count } from '../../../lib/count.ts';
import { schemaName } from '../../../mutation/schema-name.ts';
import type { PreflightOptions } from '../../open-target.ts';
import {
  type Privilege,
  privilegeFindings,
} from '../../../failure/privilege.ts';
import { type Row, SqlServerConnection } from '../session/driver.ts';
import { targetFailure } from '../session/errors.ts';
import {
  preparationStatement,
  type QualifiedName,
  type Unprepared,
} from './preparation.ts';
import {
  keyCollationsQuery,
  serverQuery,
  tablesQuery,
} from './preflight-queries.ts';
import {
  accountQuery,
  privilegedTablesQuery,
  privilegesOf,
} from './privileges.ts';
import { nameOf, readUnprepared } from '../session/unprepared.ts';

export async function sqlserverFindings(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Finding[]> {
  const address = parseSqlServerAddress(options.url, '--targetConn');
  await using connection = await SqlServerConnection.dial(
    address,
    { applyTimeoutMs: options.applyTimeoutMs },
    signal,
  );
  try {
    const ask = (text: string): Promise<Row[]> => connection.query(text, {});
    const [server] = await ask(serverQuery);
    const tables = await ask(tablesQuery);
    const unprepared = await readUnprepared(ask);
    return [
      ...serverFindings(server!, address.display, options),
      ...tableFindings(tables),
      ...collationFindings(await ask(keyCollationsQuery)),
      ...preparationFindings(unprepared, address.replication),
      ...privilegeFindings('target', await readPrivileges(ask, options.grants)),
    ];
  } catch (error) {
    throw targetFailure(error, 'statement');
  }
}

/** Oldest with OPENJSON: SQL Server 2016. */
const oldestVersion = 13;
const oldestLevel = 130;
/** EngineEdition of Azure SQL Database and Managed Instance. */
const azureEditions = [5, 8];

function serverFindings(
  server: Row,
  display: string,
  options: PreflightOptions,
): Finding[] {
  const findings: Finding[] = [
    finding('ok', {
      text: `${String(server['version']).split('\n', 1)[0]!.trim()} answers at ${display}`,
    }),
  ];
  const version = Number(String(server['product_version']).split('.', 1)[0]);
  const isAzure = azureEditions.includes(Number(server['engine_edition']));
  if (version < oldestVersion && !isAzure) {
    findings.push(
      finding('error', {
        text: `SQL Server ${String(server['product_version'])} has no OPENJSON`,
        remedy: 'use SQL Server 2016 or later',
      }),
    );
  } else if (Number(server['compatibility_level']) < oldestLevel) {
    findings.push(
      finding('error', {
        text: `the database has the compatibility level ${String(server['compatibility_level'])}, which has no OPENJSON`,
        remedy: `ALTER DATABASE CURRENT SET COMPATIBILITY_LEVEL = ${oldestLevel}; or higher`,
      }),
    );
  }
  if (
    server['is_read_only'] === true ||
    server['updateability'] === 'READ_ONLY'
  ) {
    findings.push(
      finding('error', {
        text: 'the database is read-only or a secondary replica',
        remedy:
          'give the address of the primary in --targetConn, or ALTER DATABASE CURRENT SET READ_WRITE;',
      }),
    );
  }
  if (server['is_read_committed_snapshot_on'] !== true) {
    findings.push(
      finding('warn', {
        text: 'READ_COMMITTED_SNAPSHOT is off: readers wait for the rows that are being written, and the other way about',
        remedy:
          'ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON; once nothing else is connected',
      }),
    );
  }
  return [...findings, ...poolFindings(server, options)];
}

function poolFindings(server: Row, options: PreflightOptions): Finding[] {
  const most = Number(server['max_connections']);
  if (!(most > 0)) {
    return [];
  }
  if (options.parallelism > most) {
    return [
      finding('error', {
        text: `the server accepts ${most} connections, and --parallelism ${options.parallelism} needs more`,
        remedy:
          'lower --parallelism, or raise "user connections" at the target',
      }),
    ];
  }
  return options.maxPoolSize > most
    ? [
        finding('warn', {
          text: `--targetMaxPoolSize ${options.maxPoolSize} is more than the ${most} connections that the server accepts`,
          remedy: `lower it to ${most}`,
        }),
      ]
    : [];
}

function tableFindings(tables: readonly Row[]): Finding[] {
  if (tables.length === 0) {
    return [
      finding('warn', {
        text: 'the database has no tables, or none that the account may see',
        remedy:
          'create those of the changefeed: a row for a table that is not there is refused',
      }),
    ];
  }
  const paths = [...new Set(tables.map(schemaPath))];
  return [
    finding('ok', {
      text: `${count(tables.length, 'table', 'tables')} in ${count(paths.length, 'schema', 'schemas')}; webhook paths: ${paths.join(', ')}`,
    }),
    ...listedFindings(
      tables.filter((table) => table['has_key'] !== 1),
      (table) =>
        finding('warn', {
          text: `${printed(table)} has no primary key, so what a changefeed brings of it would be refused`,
          remedy: 'add the primary key of the source if it is replicated',
        }),
      'tables',
    ),
    ...listedFindings(
      tables.filter((table) => table['is_memory_optimized'] === true),
      (table) =>
        finding('warn', {
          text: `${printed(table)} is memory-optimized, which is not supported`,
          remedy:
            'leave it out of the changefeed, or make it an ordinary table',
        }),
      'tables',
    ),
  ];
}

/** Where 'a' = 'A' two rows of the source cannot both be there. */
function collationFindings(rows: readonly Row[]): Finding[] {
  return listedFindings(
    rows.filter((row) => !isExact(String(row['collation_name']))),
    (row) =>
      finding('error', {
        text: `the key column ${String(row['column_name'])} of ${printed(row)} has the collation ${String(row['collation_name'])}, in which different texts are equal: of two keys of the source that it holds to be equal, one would be refused`,
        remedy: `ALTER TABLE ... ALTER COLUMN ... COLLATE Latin1_General_BIN2; behind a DROP of the primary key and before its ADD`,
      }),
    'columns',
  );
}

/** Blanks at the end never count, whatever the collation; the source says. */
function isExact(collation: string): boolean {
  return /_bin2?(?:_utf8)?$/i.test(collation);
}

const unpreparedMeanings: Readonly<Record<Unprepared['kind'], string>> = {
  trigger:
    'fires for replicated rows too, which it has already changed at the source',
  'foreign key':
    'is checked for replicated rows, one statement after the other',
  check: 'is checked for replicated rows',
  identity:
    'follows the replicated numbers instead of standing still (leave it so if the source has no such column: marked, it takes no row without a value)',
  'lock escalation':
    'turns many row locks into a table lock, which parallel transactions wait for',
};

function preparationFindings(
  unprepared: readonly Unprepared[],
  replication: boolean,
): Finding[] {
  const findings = [...Map.groupBy(unprepared, ({ kind }) => kind)].flatMap(
    ([kind, ofKind]) =>
      listedFindings(
        ofKind,
        (each) =>
          finding('warn', {
            text: `${kind === 'lock escalation' ? `lock escalation of ${printedName(each.table)}` : `the ${kind} ${'name' in each ? each.name : ''} of ${printedName(each.table)} is not marked NOT FOR REPLICATION, and`} ${unpreparedMeanings[kind]}`,
            remedy: preparationStatement(each),
          }),
        'of them',
      ),
  );
  return replication
    ? findings
    : [
        ...findings,
        finding('warn', {
          text: 'replication=false in --targetConn: what is marked NOT FOR REPLICATION behaves as for any other program',
          remedy:
            'leave it out if the account may log in as a replication agent',
        }),
      ];
}

function finding(
  level: Finding['level'],
  words: { readonly text: string; readonly remedy?: string },
): Finding {
  return { level, subject: 'target', ...words };
}

function printed(row: Row): string {
  return printedName(nameOf(row));
}

function printedName({ schema, name }: QualifiedName): string {
  return schemaName([schema, name]);
}

function schemaPath(table: Row): string {
  return `/${encodeURIComponent(String(table['database_name']))}/${encodeURIComponent(String(table['schema_name']))}`;
}

async function readPrivileges(
  ask: (text: string) => Promise<Row[]>,
  plan: PreflightOptions['grants'],
): Promise<Privilege[]> {
  const [account] = await ask(accountQuery);
  return privilegesOf(account!, await ask(privilegedTablesQuery), plan);
}

/** All that the account needs; see `preflight --print-grants`. */
export async function sqlserverPrivileges(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Privilege[]> {
  await using connection = await SqlServerConnection.dial(
    parseSqlServerAddress(options.url, '--targetConn'),
    { applyTimeoutMs: options.applyTimeoutMs },
    signal,
  );
  try {
    return await readPrivileges(
      (text) => connection.query(text, {}),
      options.grants,
    );
  } catch (error) {
    throw targetFailure(error, 'statement');
  }
}
