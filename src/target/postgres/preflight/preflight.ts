/** What preflight finds at a PostgreSQL target. Reads the catalog alone. */
import {
  parsePostgresAddress,
  type PostgresAddress,
} from '../../../config/address/postgres.ts';
import { ReplicatorError } from '../../../failure/failure.ts';
import { postgresNameOnOneLine } from '../../../lib/one-line-name.ts';
import { type Finding, listedFindings } from '../../../failure/finding.ts';
import { count } from '../../../lib/count.ts';
import { schemaName } from '../../../mutation/schema-name.ts';
import {
  type Privilege,
  privilegeFindings,
} from '../../../failure/privilege.ts';
import type { PreflightOptions } from '../../open-target.ts';
import { PostgresConnection } from '../session/driver.ts';
import { targetFailure } from '../session/errors.ts';
import {
  connectStatement,
  type PostgresGrantPlan,
  readPrivileges,
} from './privileges.ts';

export async function postgresFindings(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Finding[]> {
  const address = parsePostgresAddress(options.url, '--targetConn');
  await using connection = await dialled(address, options, signal);
  try {
    const [server] = (await connection.query(serverQuery)).rows;
    // Staging may live in the same database; no feed writes there.
    const tables = (await connection.query(tablesQuery)).rows.filter(
      (table) =>
        `${table['database']}.${table['schema']}` !== options.stagingSchema,
    );
    return [
      ...serverFindings(server!, address.display, options),
      ...tableFindings(tables),
      ...privilegeFindings(
        'target',
        await readPrivileges(connection, grantPlan(options)),
      ),
    ];
  } catch (error) {
    throw targetFailure(error, 'statement');
  }
}

type Row = Readonly<Record<string, string | null>>;

const serverQuery = `
select split_part(version(), ' on ', 1) as version,
       current_setting('server_version_num')::int < 130000 as too_old,
       pg_is_in_recovery() or current_setting('transaction_read_only')::bool as read_only,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int as connections,
       (select rolconnlimit from pg_roles where rolname = current_user) as role_limit`;

const tablesQuery = `
select current_database() as database, n.nspname as schema, c.relname as name,
       exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary) as has_key,
       row_security_active(c.oid) as is_hidden,
       (select string_agg(quote_ident(r.rulename), ', ' order by r.rulename) from pg_rewrite r
        where r.ev_class = c.oid and r.ev_type <> '1' and r.ev_enabled <> 'D') as rules
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and c.relname !~ '^replicator_'
order by n.nspname, c.relname`;

function serverFindings(
  server: Row,
  display: string,
  options: PreflightOptions,
): Finding[] {
  const findings: Finding[] = [
    {
      level: 'ok',
      subject: 'target',
      text: `${server['version']} answers at ${display}`,
    },
  ];
  if (isTrue(server['too_old'])) {
    findings.push({
      level: 'warn',
      subject: 'target',
      text: 'PostgreSQL before 13 is not tested',
      remedy: 'use a newer server where you can',
    });
  }
  if (isTrue(server['read_only'])) {
    findings.push({
      level: 'error',
      subject: 'target',
      text: 'the server is read-only or a standby',
      remedy: 'give the address of the primary in --targetConn',
    });
  }
  const roleLimit = Number(server['role_limit'] ?? -1);
  const most = Math.min(
    Number(server['connections']),
    roleLimit < 0 ? Infinity : roleLimit,
  );
  if (options.parallelism > most) {
    findings.push({
      level: 'error',
      subject: 'target',
      text: `the account may open ${most} connections, and --parallelism ${options.parallelism} needs more`,
      remedy: 'lower --parallelism, or raise max_connections at the target',
    });
  } else if (options.maxPoolSize > most) {
    findings.push({
      level: 'warn',
      subject: 'target',
      text: `--targetMaxPoolSize ${options.maxPoolSize} is more than the ${most} connections that the account may open`,
      remedy: `lower it to ${most}`,
    });
  }
  return findings;
}

function tableFindings(tables: readonly Row[]): Finding[] {
  if (tables.length === 0) {
    return [
      {
        level: 'warn',
        subject: 'target',
        text: 'the database has no tables',
        remedy:
          'create those of the changefeed: a row for a table that is not there is refused',
      },
    ];
  }
  const keyless = tables.filter((table) => !isTrue(table['has_key']));
  const hidden = tables.filter((table) => isTrue(table['is_hidden']));
  return [
    {
      level: 'ok',
      subject: 'target',
      text: `${count(tables.length, 'table', 'tables')} in ${count(distinctSchemas(tables).length, 'schema', 'schemas')}; webhook paths: ${distinctSchemas(tables).join(', ')}`,
    },
    ...listedFindings(
      hidden,
      (table) => ({
        level: 'error',
        subject: 'target',
        text: `row-level security of ${printed(table)} holds for the account: rows that it hides are neither changed nor deleted, and nobody hears of it`,
        remedy:
          'alter role … bypassrls for the account, or disable row level security on the table',
      }),
      'tables',
    ),
    ...listedFindings(
      tables.filter((table) => table['rules'] != null),
      (table) => ({
        level: 'error',
        subject: 'target',
        text: `${printed(table)} has the rule ${table['rules']}: with INSTEAD NOTHING rows are not written and nobody hears of it, and an upsert beside any other rule is refused`,
        remedy: 'drop the rule, or make a trigger of it',
      }),
      'tables',
    ),
    ...listedFindings(
      keyless,
      (table) => ({
        level: 'warn',
        subject: 'target',
        text: `${printed(table)} has no primary key, so what a changefeed brings of it would be refused`,
        remedy: 'add the primary key of the source if it is replicated',
      }),
      'tables',
    ),
  ];
}

function printed(table: Row): string {
  return schemaName([table['schema']!, table['name']!]);
}

function schemaPath(table: Row): string {
  return `/${encodeURIComponent(table['database']!)}/${encodeURIComponent(table['schema']!)}`;
}

function distinctSchemas(tables: readonly Row[]): string[] {
  return [...new Set(tables.map(schemaPath))];
}

/** The driver hands every value over as PostgreSQL's text. */
function isTrue(value: string | null | undefined): boolean {
  return value === 't';
}

/** All that the account needs; see `preflight --print-grants`. */
export async function postgresPrivileges(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Privilege[]> {
  const address = parsePostgresAddress(options.url, '--targetConn');
  await using connection = await dialled(address, options, signal);
  try {
    return await readPrivileges(connection, grantPlan(options));
  } catch (error) {
    throw targetFailure(error, 'statement');
  }
}

function grantPlan({
  grants,
  stagingSchema,
}: PreflightOptions): PostgresGrantPlan {
  return { ...grants, stagingSchema };
}

/** Who may not connect at all is told by which grant. */
async function dialled(
  address: PostgresAddress,
  { applyTimeoutMs, grants }: PreflightOptions,
  signal: AbortSignal,
): Promise<PostgresConnection> {
  try {
    return await PostgresConnection.dial(
      address,
      {
        applyTimeoutMs,
        statementCacheSize: 0,
        statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
      },
      signal,
    );
  } catch (error) {
    const { database, user } = address.config;
    if (
      error instanceof ReplicatorError &&
      error.code === 'E4007' &&
      database !== undefined &&
      user !== undefined
    ) {
      throw new ReplicatorError('E4007', {
        detail: `the account may not connect to the database ${database}`,
        remedy: connectStatement(
          database,
          postgresNameOnOneLine(grants.grantee || user),
        ),
      });
    }
    throw error;
  }
}
