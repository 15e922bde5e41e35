/** What the account of a MySQL or MariaDB target must be allowed. Reads the catalog alone. */
import type { Privilege } from '../../../failure/privilege.ts';
import { schemaName, schemaNameParts } from '../../../mutation/schema-name.ts';
import {
  checkpointPurpose,
  deadLetterPurpose,
  effectivelyOnce,
  type GrantPlan,
  orPrepared,
  tablePurpose,
} from '../../privileges.ts';
import { readAccount } from './account-grants.ts';
import type { MysqlConnection, TextRow } from '../session/driver.ts';
import { type Grants, lackingPrivileges, readGrants } from './grants.ts';
import {
  quotedAccount,
  quoteIdentifier,
  quoteText,
} from '../catalog/quoting.ts';
import { checkpointTable } from '../statements/watermark-statements.ts';

/** TRIGGER shows that deleting a row does more than that; nothing else does. */
const rowPrivileges = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
const tablePrivileges = [...rowPrivileges, 'TRIGGER'];
const checkpointPrivileges = ['SELECT', 'INSERT', 'UPDATE'];

interface Place {
  readonly database: string;
  readonly grants: Grants;
  /** Without those of roles. */
  readonly ownGrants: Grants;
  /** Quoted, with its host. */
  readonly grantee: string;
}

export async function readPrivileges(
  connection: MysqlConnection,
  plan: GrantPlan,
  ownDatabase: string,
): Promise<Privilege[]> {
  const ask = async (text: string): Promise<readonly TextRow[]> =>
    (await connection.query(text)).rows;
  const account = await readAccount(connection);
  const grantee = quotedAccount(plan.grantee || account.name);
  const databases =
    plan.schemas.length === 0
      ? [ownDatabase]
      : plan.schemas.map((name) => schemaNameParts(name).at(-1)!);
  const privileges: Privilege[] = [];
  for (const database of databases) {
    const place = {
      database,
      grantee,
      grants: readGrants(account.grantLines, database),
      ownGrants: readGrants(account.ownGrantLines, database),
    };
    const tables = (await ask(tablesQuery(quoteText(database)))).map(
      ({ name }) => name!,
    );
    privileges.push(
      ...tables
        .filter((name) => ![checkpointTable, plan.dlqTableName].includes(name))
        .map((name) => tablePrivilege(name, place)),
      temporaryPrivilege(place, account.hasLiteralNames),
      ...ownTablePrivileges(tables, { plan, place }),
    );
  }
  return [
    ...privileges,
    processPrivilege(grantee, readGrants(account.grantLines, ownDatabase)),
  ];
}

function tablesQuery(schema: string): string {
  return `select table_name as name from information_schema.tables
where table_schema = ${schema} and table_type = 'BASE TABLE' order by table_name`;
}

function tablePrivilege(name: string, place: Place): Privilege {
  const lacking = [
    ...lackingPrivileges(place.grants, name, rowPrivileges),
    ...lackingPrivileges(place.ownGrants, name, ['TRIGGER']),
  ];
  const table = schemaName([place.database, name]);
  return {
    statement: tableStatement(tablePrivileges, name, place),
    why: `${tablePurpose}; TRIGGER shows which have triggers, and nothing less does`,
    isHeld: lacking.length === 0,
    level: 'warn',
    lack:
      lacking.join() === 'TRIGGER'
        ? `the account lacks TRIGGER on ${table}: nobody can tell whether deleting a row does more than that, so rows of it that swap unique values are refused`
        : `the account lacks ${lacking.join(', ')} on ${table}`,
    kind: 'tables',
  };
}

function temporaryPrivilege(
  { database, grantee, grants }: Place,
  namesAreLiteral: boolean,
): Privilege {
  const pattern = namesAreLiteral
    ? database
    : database.replace(/[\\_%]/g, '\\$&');
  return {
    statement: `GRANT CREATE TEMPORARY TABLES ON ${quoteIdentifier(pattern)}.* TO ${grantee};`,
    why: 'rows cross by tables of the session, which nobody else sees',
    isHeld:
      lackingPrivileges(grants, null, ['CREATE TEMPORARY TABLES']).length === 0,
    level: 'warn',
    lack: 'the account may not create temporary tables: rows cross as JSON, at about half the speed, and rows that pass keys to one another are refused',
    kind: 'databases',
  };
}

/** A right on one table may be given before there is one. */
function ownTablePrivileges(
  tables: readonly string[],
  { plan, place }: { readonly plan: GrantPlan; readonly place: Place },
): Privilege[] {
  const own = (
    name: string,
    privileges: readonly string[],
    rest: Pick<Privilege, 'why' | 'level'> & { readonly without: string },
  ): Privilege => {
    const isThere = tables.includes(name);
    const needed = isThere ? privileges : ['CREATE', ...privileges];
    const lacking = lackingPrivileges(place.grants, name, needed);
    const table = schemaName([place.database, name]);
    return {
      statement: tableStatement(needed, name, place),
      why: isThere ? rest.why : `${rest.why}; ${orPrepared}`,
      isHeld: lacking.length === 0,
      level: isThere ? 'error' : rest.level,
      lack: lacking.includes('CREATE')
        ? `the account may not create ${table}: ${rest.without}`
        : `the account lacks ${lacking.join(', ')} on ${table}`,
      kind: 'tables of its own',
    };
  };
  return [
    own(checkpointTable, checkpointPrivileges, {
      why: checkpointPurpose,
      level: 'warn',
      without: effectivelyOnce,
    }),
    ...(plan.setsAside || tables.includes(plan.dlqTableName)
      ? [
          own(plan.dlqTableName, rowPrivileges, {
            why: deadLetterPurpose,
            level: 'error',
            without: 'no row can be set aside (E4019)',
          }),
        ]
      : []),
  ];
}

function processPrivilege(grantee: string, grants: Grants): Privilege {
  return {
    statement: `GRANT PROCESS ON *.* TO ${grantee};`,
    why: 'shows who waits for a lock, and which rows of other databases refer to a row',
    isHeld: grants.global.has('PROCESS') || grants.global.has('ALL PRIVILEGES'),
    level: 'warn',
    lack: 'the account lacks PROCESS, without which nobody can tell which transaction waits for a lock, nor which rows of other databases refer to a row: a younger transaction gives way after five seconds, and rows that swap keys or unique values are refused',
    kind: 'servers',
  };
}

function tableStatement(
  privileges: readonly string[],
  name: string,
  { database, grantee }: Place,
): string {
  return `GRANT ${privileges.join(', ')} ON ${quoteIdentifier(database)}.${quoteIdentifier(name)} TO ${grantee};`;
}
