/** What the account of an Oracle target must be allowed. Reads the catalog alone. */
import { lackingOf, type Privilege } from '../../../failure/privilege.ts';
import {
  checkpointPurpose,
  deadLetterPurpose,
  effectivelyOnce,
  type GrantPlan,
  orPrepared,
  tablePurpose,
} from '../../privileges.ts';
import { oracleTableName } from '../statements/dead-letter-statements.ts';
import type { Row } from '../session/driver.ts';
import { oracleSchema, quoteIdentifier } from '../statements/statements.ts';
import { checkpointTable } from '../statements/watermark-statements.ts';

const rowPrivileges = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
const checkpointPrivileges = ['SELECT', 'INSERT', 'UPDATE'];

export interface OracleAccount {
  readonly name: string;
  readonly seesSessions: boolean;
}

export const accountQuery = 'select user as account from dual';

/** One's own table, a grant to oneself or PUBLIC or a role, or ANY. */
function may(privilege: string): string {
  return `case when t.owner = user
      or exists (select 1 from all_tab_privs p
        where p.table_schema = t.owner and p.table_name = t.table_name and p.privilege = '${privilege}')
      or exists (select 1 from session_privs s where s.privilege = '${privilege} ANY TABLE')
    then 'Y' else 'N' end as may_${privilege.toLowerCase()}`;
}

/** Ours with them: which these are, privileges.ts knows. */
export const privilegedTablesQuery = `
select t.owner, t.table_name,
  ${rowPrivileges.map(may).join(',\n  ')},
  case when exists (select 1 from session_privs s where s.privilege = 'CREATE ANY TABLE')
      or (t.owner = user and exists (select 1 from session_privs s where s.privilege = 'CREATE TABLE'))
    then 'Y' else 'N' end as may_create
from all_tables t
join all_users u on u.username = t.owner and u.oracle_maintained = 'N'
where t.nested = 'NO' and t.secondary = 'N' and t.temporary = 'N' and t.dropped = 'NO'
  and (t.iot_type is null or t.iot_type = 'IOT')
  and not exists (select 1 from all_mviews m where m.owner = t.owner and m.mview_name = t.table_name)
order by t.owner, t.table_name`;

export function privilegesOf(
  account: OracleAccount,
  allTables: readonly Row[],
  plan: GrantPlan,
): Privilege[] {
  const grantee = quoteIdentifier(plan.grantee || account.name);
  const letters = oracleTableName(plan.dlqTableName);
  const wanted = plan.schemas.map(oracleSchema);
  const own = [checkpointTable, letters];
  const isOwn = (row: Row): boolean => own.includes(row['table_name']!);
  const tables = allTables.filter(
    ({ owner }) => wanted.length === 0 || wanted.includes(owner!),
  );
  const bySchema = Map.groupBy(tables, ({ owner }) => owner!);
  return [
    {
      statement: `GRANT CREATE SESSION TO ${grantee};`,
      why: 'sessions',
      isHeld: true,
      level: 'error',
      lack: 'the account may not log in',
      kind: 'servers',
    },
    ...tables
      .filter((row) => !isOwn(row))
      .map((row) =>
        tablePrivilege(row, {
          grantee,
          privileges: rowPrivileges,
          why: tablePurpose,
          level: 'warn',
        }),
      ),
    ...[...bySchema]
      .filter(([, ofSchema]) => wanted.length > 0 || !ofSchema.every(isOwn))
      .flatMap(([owner, ofSchema]) =>
        ownTablePrivileges(owner, ofSchema, { plan, grantee, letters }),
      ),
    {
      statement: `GRANT SELECT ON SYS.V_$SESSION TO ${grantee};`,
      why: 'shows who waits for a lock',
      isHeld: account.seesSessions,
      level: 'warn',
      lack: 'the account may not read V$SESSION: of two transactions that wait for one another the younger gives way only after some seconds',
      kind: 'servers',
    },
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
  const lacking = lackingOf(
    privileges,
    (name) => row[`may_${name.toLowerCase()}`] !== 'N',
  );
  const table = `${quoteIdentifier(row['owner']!)}.${quoteIdentifier(row['table_name']!)}`;
  // Nobody grants to himself (ORA-01749), and an owner may all of it.
  const isOwner = quoteIdentifier(row['owner']!) === grantee;
  return {
    statement: isOwner
      ? null
      : `GRANT ${privileges.join(', ')} ON ${table} TO ${grantee};`,
    why: isOwner ? `${table} is the account's own` : why,
    isHeld: lacking === '',
    level,
    lack: `the account lacks ${lacking} on ${table}`,
    kind: 'tables',
  };
}

/**
 * Only CREATE ANY TABLE makes one in the schema of another, which is far more
 * than a daemon should have: so the owner makes it.
 */
function ownTablePrivileges(
  owner: string,
  tables: readonly Row[],
  {
    plan,
    grantee,
    letters,
  }: {
    readonly plan: GrantPlan;
    readonly grantee: string;
    readonly letters: string;
  },
): Privilege[] {
  const isOwner = quoteIdentifier(owner) === grantee;
  const own = (
    name: string,
    privileges: readonly string[],
    rest: Pick<Privilege, 'why' | 'level'> & { readonly without: string },
  ): Privilege => {
    const table = tables.find((row) => row['table_name'] === name);
    return table
      ? tablePrivilege(table, {
          grantee,
          privileges,
          why: rest.why,
          level: 'error',
        })
      : {
          statement: isOwner ? `GRANT CREATE TABLE TO ${grantee};` : null,
          why: isOwner
            ? `the daemon makes ${name}; ${orPrepared}`
            : `${quoteIdentifier(owner)}.${quoteIdentifier(name)} is not there: ${orPrepared.replace(/^or, /, '')}`,
          isHeld: tables[0]?.['may_create'] === 'Y',
          level: rest.level,
          lack: `the account may not create ${name} in ${schemaPath(owner)}: ${rest.without}`,
          kind: 'tables of its own',
        };
  };
  return [
    own(checkpointTable, checkpointPrivileges, {
      why: checkpointPurpose,
      level: 'warn',
      without: effectivelyOnce,
    }),
    ...(plan.setsAside || tables.some((row) => row['table_name'] === letters)
      ? [
          own(letters, rowPrivileges, {
            why: deadLetterPurpose,
            level: 'error',
            without: 'no row can be set aside (E4019)',
          }),
        ]
      : []),
  ];
}

function schemaPath(owner: string): string {
  const segment = owner === owner.toUpperCase() ? owner : `"${owner}"`;
  return `/${encodeURIComponent(segment)}`;
}
