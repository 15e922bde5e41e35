/** What preflight finds at an Oracle target. Reads the catalog alone. */
import { parseOracleAddress } from '../../../config/address/oracle.ts';
import { type Finding, listedFindings } from '../../../failure/finding.ts';
import { count } from '../../../lib/count.ts';
import type { PreflightOptions } from '../../open-target.ts';
import {
  type Privilege,
  privilegeFindings,
} from '../../../failure/privilege.ts';
import { OracleConnection, type Row } from '../session/driver.ts';
import { oraNumberOf, targetFailure } from '../session/errors.ts';
import { columnFindings } from './preflight-columns.ts';
import {
  columnsQuery,
  serverQueries,
  tablesQuery,
} from './preflight-queries.ts';
import {
  accountQuery,
  privilegedTablesQuery,
  privilegesOf,
} from './privileges.ts';

export async function oracleFindings(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Finding[]> {
  const address = parseOracleAddress(options.url, '--targetConn');
  await using connection = await OracleConnection.dial(
    address,
    {
      applyTimeoutMs: options.applyTimeoutMs,
      statementCacheSize: 0,
      statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
    },
    signal,
  );
  try {
    return [
      ...serverFindings(await readServer(connection), {
        connection,
        display: address.display,
        isEncrypted: address.tls !== null,
      }),
      ...connectionFindings(
        (await optional(connection, serverQueries.sessionLimit))?.[0],
        options,
      ),
      ...tableFindings(await connection.query(tablesQuery)),
      ...columnFindings(await connection.query(columnsQuery), options),
      ...privilegeFindings(
        'target',
        await readPrivileges(connection, options.grants),
      ),
    ];
  } catch (error) {
    throw targetFailure(error, 'statement');
  }
}

async function readServer(connection: OracleConnection): Promise<Row> {
  const [role] = await connection.query(serverQueries.role);
  const mode = await optional(connection, serverQueries.openMode);
  return { ...role, open_mode: mode?.[0]?.['open_mode'] ?? null };
}

/** Null where the account may not ask: views of v$ need a grant. */
async function optional(
  connection: OracleConnection,
  text: string,
): Promise<Row[] | null> {
  try {
    return await connection.query(text);
  } catch (error) {
    if ([942, 1031, 41_900].includes(oraNumberOf(error) ?? 0)) {
      return null;
    }
    throw error;
  }
}

function serverFindings(
  server: Row,
  {
    connection,
    display,
    isEncrypted,
  }: {
    readonly connection: Pick<
      OracleConnection,
      'serverVersion' | 'characterSet'
    >;
    readonly display: string;
    readonly isEncrypted: boolean;
  },
): Finding[] {
  const { serverVersion, characterSet } = connection;
  const findings: Finding[] = [
    {
      level: 'ok',
      subject: 'target',
      text: `Oracle ${serverVersion} answers at ${display}`,
    },
  ];
  const add = (level: Finding['level'], text: string, remedy: string): number =>
    findings.push({ level, subject: 'target', text, remedy });
  if (Number.parseInt(serverVersion, 10) < 19) {
    add(
      'warn',
      'Oracle before 19c is not supported',
      'use a newer server where you can',
    );
  }
  const isStandby =
    server['database_role'] !== null && server['database_role'] !== 'PRIMARY';
  if (isStandby || server['open_mode']?.startsWith('READ ONLY')) {
    add(
      'error',
      `the database is ${isStandby ? `a standby (${server['database_role']})` : 'open for reading only'}`,
      'give the address of a service of the primary in --targetConn',
    );
  }
  if (!['AL32UTF8', 'UTF8'].includes(characterSet)) {
    add(
      'warn',
      `the character set of the database is ${characterSet}: text with characters that it may not have is refused`,
      'use a database in AL32UTF8, or NVARCHAR2 and NCLOB columns',
    );
  }
  if (!isEncrypted) {
    add(
      'warn',
      'the connection is cleartext, with all rows in it',
      'use sslmode=verify-full in --targetConn with the port of a TCPS endpoint',
    );
  }
  return findings;
}

function connectionFindings(
  limit: Row | undefined,
  options: PreflightOptions,
): Finding[] {
  // UNLIMITED and DEFAULT are words.
  const most = Number(limit?.['sessions'] ?? Number.NaN);
  if (Number.isNaN(most) || options.maxPoolSize <= most) {
    return [];
  }
  const isTooFew = options.parallelism > most;
  return [
    {
      level: isTooFew ? 'error' : 'warn',
      subject: 'target',
      text: isTooFew
        ? `the account may open ${most} connections, and --parallelism ${options.parallelism} needs more`
        : `--targetMaxPoolSize ${options.maxPoolSize} is more than the ${most} connections that the account may open`,
      remedy: isTooFew
        ? 'lower --parallelism, or raise SESSIONS_PER_USER in the profile of the account'
        : `lower it to ${most}`,
    },
  ];
}

function tableFindings(tables: readonly Row[]): Finding[] {
  const schemas = [...new Set(tables.map((table) => table['owner']!))];
  if (tables.length === 0) {
    return [
      {
        level: 'warn',
        subject: 'target',
        text: 'the account sees no tables of users',
        remedy:
          'create those of the changefeed: a row for a table that is not there is refused',
      },
    ];
  }
  return [
    {
      level: 'ok',
      subject: 'target',
      text: `${count(tables.length, 'table', 'tables')} in ${count(schemas.length, 'schema', 'schemas')}; webhook paths: ${schemas.map(schemaPath).join(', ')}`,
    },
    ...listedFindings(
      tables.filter((table) => table['has_key'] === 'N'),
      (table) =>
        warning(
          `${printed(table)} has no enabled primary key, so what a changefeed brings of it would be refused`,
          'add the primary key of the source if it is replicated',
        ),
      'tables',
    ),
    ...listedFindings(
      tables.filter((table) => table['triggers'] !== '0'),
      (table) =>
        warning(
          `${printed(table)} has enabled triggers, which fire for every row that is written`,
          `if they would do again what the source did, alter table ${printed(table)} disable all triggers`,
        ),
      'tables',
    ),
    ...listedFindings(
      tables.filter((table) => table['cycles'] !== '0'),
      (table) =>
        warning(
          `${printed(table)} has a foreign key to itself that is not deferrable, so its rows are written twice`,
          'make the constraint deferrable, where that is possible',
        ),
      'tables',
    ),
  ];
}

function warning(text: string, remedy: string): Finding {
  return { level: 'warn', subject: 'target', text, remedy };
}

function printed(row: Row): string {
  return `"${row['owner']}"."${row['table_name']}"`;
}

function schemaPath(owner: string): string {
  const segment = owner === owner.toUpperCase() ? owner : `"${owner}"`;
  return `/${encodeURIComponent(segment)}`;
}

async function readPrivileges(
  connection: OracleConnection,
  plan: PreflightOptions['grants'],
): Promise<Privilege[]> {
  const [account] = await connection.query(accountQuery);
  const sessions = await optional(connection, serverQueries.sessions);
  return privilegesOf(
    { name: account!['account']!, seesSessions: sessions !== null },
    await connection.query(privilegedTablesQuery),
    plan,
  );
}

/** All that the account needs; see `preflight --print-grants`. */
export async function oraclePrivileges(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Privilege[]> {
  await using connection = await OracleConnection.dial(
    parseOracleAddress(options.url, '--targetConn'),
    {
      applyTimeoutMs: options.applyTimeoutMs,
      statementCacheSize: 0,
      statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
    },
    signal,
  );
  try {
    return await readPrivileges(connection, options.grants);
  } catch (error) {
    throw targetFailure(error, 'statement');
  }
}
