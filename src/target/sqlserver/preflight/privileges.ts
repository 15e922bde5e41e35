/** What the account of a SQL Server target must be allowed. Reads the catalog alone. */
import { lackingOf, type Privilege } from '../../../failure/privilege.ts';
import { schemaName, schemaNameParts } from '../../../mutation/schema-name.ts';
import {
  checkpointPurpose,
  deadLetterPurpose,
  effectivelyOnce,
  type GrantPlan,
  orPrepared,
  tablePurpose,
} from '../../privileges.ts';
import type { Row } from '../session/driver.ts';
import { quoteIdentifier } from '../catalog/quoting.ts';
import { checkpointTable } from '../statements/watermark-statements.ts';

/**
 * Triggers and constraints of a table are shown to who may see its definition;
 * deleting and inserting a row again must not set them off unnoticed.
 */
const rowPrivileges = [
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'VIEW DEFINITION',
];
const checkpointPrivileges = ['SELECT', 'INSERT', 'UPDATE'];
const letterPrivileges = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

export const accountQuery = `
select user_name() as account, suser_sname() as login_name, db_name() as database_name,
  cast(serverproperty('EngineEdition') as int) as engine_edition,
  has_perms_by_name(db_name(), 'DATABASE', 'CREATE TABLE') as may_create,
  has_perms_by_name(null, null, 'VIEW SERVER STATE') as may_view_server,
  has_perms_by_name(db_name(), 'DATABASE', 'VIEW DATABASE STATE') as may_view_database;`;

const asked = [
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'VIEW DEFINITION',
  'ALTER',
];

export const privilegedTablesQuery = `
select s.name as schema_name, t.name as table_name,
  case when exists (
    select 1 from sys.columns as c where c.object_id = t.object_id and c.is_identity = 1
  ) then 1 else 0 end as has_identity,
  ${asked
    .map(
      (name) =>
        `has_perms_by_name(quotename(s.name) + '.' + quotename(t.name), 'OBJECT', '${name}') as ${columnOf(name)}`,
    )
    .join(',\n  ')},
  has_perms_by_name(quotename(s.name), 'SCHEMA', 'ALTER') as may_alter_schema
from sys.tables as t
inner join sys.schemas as s on s.schema_id = t.schema_id
where t.is_ms_shipped = 0 and t.temporal_type <> 1
order by s.name, t.name;`;

/** Azure SQL Database has no server to look at. */
const azureDatabase = 5;

export function privilegesOf(
  account: Row,
  allTables: readonly Row[],
  plan: GrantPlan,
): Privilege[] {
  const own = [checkpointTable, plan.dlqTableName];
  const wanted = plan.schemas.map((name) =>
    schemaNameParts(name).at(-1)!.toLowerCase(),
  );
  const isOwn = (row: Row): boolean => own.includes(String(row['table_name']));
  const tables = allTables.filter(
    (row) =>
      wanted.length === 0 ||
      wanted.includes(String(row['schema_name']).toLowerCase()),
  );
  const grantee = quoteIdentifier(plan.grantee || String(account['account']));
  const bySchema = Map.groupBy(tables, (row) => String(row['schema_name']));
  return [
    ...tables
      .filter((row) => !isOwn(row))
      .map((row) =>
        tablePrivilege(row, {
          grantee,
          privileges:
            row['has_identity'] === 1
              ? [...rowPrivileges, 'ALTER']
              : rowPrivileges,
          why:
            row['has_identity'] === 1
              ? `${tablePurpose}; ALTER is for SET IDENTITY_INSERT`
              : tablePurpose,
          level: 'warn',
        }),
      ),
    ...[...bySchema]
      .filter(([, ofSchema]) => wanted.length > 0 || !ofSchema.every(isOwn))
      .flatMap(([schema, ofSchema]) =>
        ownTablePrivileges(schema, ofSchema, { account, plan, grantee }),
      ),
    statePrivilege(account, plan),
  ];
}

function tablePrivilege(
  row: Row,
  {
    grantee,
    privileges,
    why,
    level,
  }: Pick<Privilege, 'why' | 'level'> & {
    readonly grantee: string;
    readonly privileges: readonly string[];
  },
): Privilege {
  const lacking = lackingOf(privileges, (name) => row[columnOf(name)] === 1);
  const [schema, table] = [
    String(row['schema_name']),
    String(row['table_name']),
  ];
  return {
    statement: `GRANT ${privileges.join(', ')} ON OBJECT::${quoteIdentifier(schema)}.${quoteIdentifier(table)} TO ${grantee};`,
    why,
    isHeld: lacking === '',
    level,
    lack: `the account lacks ${lacking} on ${schemaName([schema, table])}`,
    kind: 'tables',
  };
}

/**
 * Who may make a table in the schema of another may not yet write to it, and
 * would need rights on the whole schema: so the owner makes it.
 */
function ownTablePrivileges(
  schema: string,
  tables: readonly Row[],
  {
    account,
    plan,
    grantee,
  }: {
    readonly account: Row;
    readonly plan: GrantPlan;
    readonly grantee: string;
  },
): Privilege[] {
  const mayMake =
    account['may_create'] === 1 && tables[0]?.['may_alter_schema'] === 1;
  const own = (
    name: string,
    privileges: readonly string[],
    rest: Pick<Privilege, 'why' | 'level'> & { readonly without: string },
  ): Privilege => {
    const table = tables.find((row) => row['table_name'] === name);
    const path = `/${encodeURIComponent(String(account['database_name']))}/${encodeURIComponent(schema)}`;
    return table
      ? tablePrivilege(table, {
          grantee,
          privileges,
          why: rest.why,
          level: 'error',
        })
      : {
          statement: null,
          why: `${schemaName([schema, name])} is not there: ${orPrepared.replace(/^or, /, '')}`,
          isHeld: mayMake,
          level: rest.level,
          lack: `the account may not create ${name} in ${path}: ${rest.without}`,
          kind: 'tables of its own',
        };
  };
  return [
    own(checkpointTable, checkpointPrivileges, {
      why: checkpointPurpose,
      level: 'warn',
      without: effectivelyOnce,
    }),
    ...(plan.setsAside ||
    tables.some((row) => row['table_name'] === plan.dlqTableName)
      ? [
          own(plan.dlqTableName, letterPrivileges, {
            why: deadLetterPurpose,
            level: 'error',
            without: 'no row can be set aside (E4019)',
          }),
        ]
      : []),
  ];
}

function statePrivilege(account: Row, { grantee }: GrantPlan): Privilege {
  const isAzure = Number(account['engine_edition']) === azureDatabase;
  const isHeld =
    account['may_view_server'] === 1 ||
    (isAzure && account['may_view_database'] === 1);
  return {
    statement: isAzure
      ? `GRANT VIEW DATABASE STATE TO ${quoteIdentifier(grantee || String(account['account']))};`
      : `USE master; GRANT VIEW SERVER STATE TO ${quoteIdentifier(grantee || String(account['login_name']))};`,
    why: `shows who waits for a lock${isAzure ? '' : '; to the login, not the user of the database'}`,
    isHeld,
    level: 'warn',
    lack: 'the account may not see who waits for a lock, so a transaction gives way only after some seconds',
    kind: 'servers',
  };
}

function columnOf(privilege: string): string {
  return `may_${privilege.toLowerCase().replace(' ', '_')}`;
}
