/** What the account of a PostgreSQL or CockroachDB staging must be allowed. */
import type pg from 'pg';
import {
  parsePostgresAddress,
  type PostgresAddress,
} from '../../config/address/postgres.ts';
import { lackingOf, type Privilege } from '../../failure/privilege.ts';
import { postgresNameOnOneLine as quoted } from '../../lib/one-line-name.ts';
import { withClient } from './connections.ts';
import { postgresFailure, sqlState } from './errors.ts';
import {
  postgresMigrations,
  stagingNames,
  tableNames,
  tablesOf,
} from './schema.ts';

export interface StagingGrantOptions {
  readonly stagingConn: string;
  readonly stagingSchema: string;
  /** `--stagingCreateSchema`. */
  readonly createSchema: boolean;
  /** `--grantee`; '' is the account of the address. */
  readonly grantee: string;
}

interface Place {
  readonly database: string;
  readonly schema: string;
  /** Quoted. */
  readonly grantee: string;
  readonly createSchema: boolean;
}

/** By the name of the table; whoever made it needs no grant. */
const tablePrivileges: Readonly<Record<string, readonly string[]>> = {
  staging_log: ['SELECT', 'INSERT', 'DELETE'],
  staging_lease: ['SELECT', 'INSERT', 'UPDATE'],
  staging_version: ['SELECT'],
  // Only `replicator jwt …` changes these, perhaps under another account.
  jwt_public_keys: ['SELECT'],
  jwt_revoked_ids: ['SELECT'],
};
const otherPrivileges = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** Rejects as opening the store does. */
export async function stagingPrivileges(
  { stagingConn, stagingSchema, createSchema, grantee }: StagingGrantOptions,
  signal: AbortSignal,
): Promise<Privilege[]> {
  const given = parsePostgresAddress(stagingConn, '--stagingConn');
  const [database, schema] = stagingNames(stagingSchema);
  try {
    const there = await withClient(
      given,
      (client) => readDatabase(client, database),
      signal,
    );
    const place: Place = {
      database,
      schema,
      grantee: quoted(grantee || there.account),
      createSchema,
    };
    if (there.mayConnect === null) {
      return [databasePrivilege(place, there)];
    }
    return [
      connectPrivilege(place, there.mayConnect),
      ...(there.mayConnect
        ? await withClient(
            inDatabase(given, database),
            (client) => readSchema(client, place),
            signal,
          )
        : []),
    ];
  } catch (error) {
    if (sqlState(error) === '42501') {
      return [
        connectPrivilege(
          {
            database: given.config.database ?? database,
            schema,
            grantee: quoted(grantee || given.config.user || ''),
            createSchema,
          },
          false,
        ),
      ];
    }
    throw postgresFailure(error);
  }
}

function inDatabase(
  address: PostgresAddress,
  database: string,
): PostgresAddress {
  return { ...address, config: { ...address.config, database } };
}

interface DatabaseState {
  readonly account: string;
  readonly mayCreate: boolean;
  /** Null where it is not there. */
  readonly mayConnect: boolean | null;
}

async function readDatabase(
  client: pg.ClientBase,
  name: string,
): Promise<DatabaseState> {
  const { rows } = await client.query<DatabaseState>(
    `select current_user::text as account,
       coalesce((select rolcreatedb or rolsuper from pg_catalog.pg_roles where rolname = current_user), false) as "mayCreate",
       (select has_database_privilege(datname, 'connect') from pg_catalog.pg_database where datname = $1) as "mayConnect"`,
    [name],
  );
  return rows[0]!;
}

function databasePrivilege(
  { database, createSchema }: Place,
  { mayCreate }: DatabaseState,
): Privilege {
  return {
    statement: null,
    why: `the database ${quoted(database)} is not there: CREATE DATABASE ${quoted(database)}; and print the grants again`,
    isHeld: createSchema && mayCreate,
    level: 'error',
    lack: `there is no database ${quoted(database)} for staging, and the account may not make it`,
    kind: 'databases',
  };
}

function connectPrivilege(
  { database, grantee }: Place,
  isHeld: boolean,
): Privilege {
  return {
    statement: `GRANT CONNECT ON DATABASE ${quoted(database)} TO ${grantee};`,
    why: 'sessions',
    isHeld,
    level: 'error',
    lack: `the account may not connect to the database ${quoted(database)}`,
    kind: 'databases',
  };
}

async function readSchema(
  client: pg.ClientBase,
  place: Place,
): Promise<Privilege[]> {
  const { rows } = await client.query<{
    mayUse: boolean;
    mayCreate: boolean;
    mayMake: boolean;
  }>(
    `select has_schema_privilege(n.oid, 'usage') as "mayUse", has_schema_privilege(n.oid, 'create') as "mayCreate",
       has_database_privilege(current_database(), 'create') as "mayMake"
     from (select 1) as one left join pg_catalog.pg_namespace n on n.nspname = $1`,
    [place.schema],
  );
  const { mayUse, mayCreate, mayMake } = rows[0]!;
  const name = quoted(place.schema);
  if (mayUse === null) {
    const willMake = place.createSchema && mayMake;
    return [
      {
        statement: `CREATE SCHEMA IF NOT EXISTS ${name};`,
        why: 'for staging alone; or start with --stagingCreateSchema, for which CREATE on the database is needed',
        isHeld: willMake,
        level: 'error',
        lack: `there is no schema ${name} for staging${place.createSchema ? ', and the account may not make it' : ''}`,
        kind: 'schemas',
      },
      schemaPrivilege(place, ['USAGE', 'CREATE'], () => willMake),
    ];
  }
  const tables = await readTables(client, place);
  return [
    schemaPrivilege(
      place,
      (await isCurrent(client, place, tables))
        ? ['USAGE']
        : ['USAGE', 'CREATE'],
      (privilege) => (privilege === 'USAGE' ? mayUse : mayCreate),
    ),
    ...tables.flatMap((table) => tablePrivilege(table, place)),
  ];
}

function schemaPrivilege(
  { schema, grantee }: Place,
  privileges: readonly string[],
  isHeld: (privilege: string) => boolean,
): Privilege {
  const lacking = lackingOf(privileges, isHeld);
  return {
    statement: `GRANT ${privileges.join(', ')} ON SCHEMA ${quoted(schema)} TO ${grantee};`,
    why: privileges.includes('CREATE')
      ? 'the first start makes the tables; CREATE may be revoked behind it, until a newer version migrates them'
      : 'what is in it can be named',
    isHeld: lacking === '',
    level: 'error',
    lack: `the account lacks ${lacking} on the schema ${quoted(schema)}`,
    kind: 'schemas',
  };
}

interface TableRow {
  readonly name: string;
  readonly owner: string;
  readonly held: readonly string[];
}

async function readTables(
  client: pg.ClientBase,
  { schema }: Place,
): Promise<TableRow[]> {
  const { rows } = await client.query<TableRow>(
    `select c.relname::text as name, pg_catalog.pg_get_userbyid(c.relowner)::text as owner,
       array(select p from unnest($2::text[]) as p where has_table_privilege(c.oid, p)) as held
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind = 'r' and c.relname = any ($3::text[])
     order by c.relname`,
    [schema, otherPrivileges, Object.values(tableNames)],
  );
  return rows;
}

/** Whether start would find nothing to make or to migrate. */
async function isCurrent(
  client: pg.ClientBase,
  { schema }: Place,
  tables: readonly TableRow[],
): Promise<boolean> {
  if (!tables.some(({ name }) => name === tableNames.version)) {
    return false;
  }
  try {
    const { rows } = await client.query<{ version: string }>(
      `select version from ${tablesOf(schema).version}`,
    );
    return Number(rows[0]?.version) >= postgresMigrations.length;
  } catch (error) {
    // It may not be read yet: that is the grant on the table itself.
    if (sqlState(error) !== '42501') {
      throw error;
    }
    return true;
  }
}

function tablePrivilege(
  { name, owner, held }: TableRow,
  { schema, grantee }: Place,
): Privilege[] {
  const privileges = tablePrivileges[name] ?? otherPrivileges;
  const lacking = lackingOf(privileges, (privilege) =>
    held.includes(privilege),
  );
  if (lacking === '' && quoted(owner) === grantee) {
    return [];
  }
  return [
    {
      statement: `GRANT ${privileges.join(', ')} ON TABLE ${quoted(schema)}.${quoted(name)} TO ${grantee};`,
      why: `made by another account, ${quoted(owner)}`,
      isHeld: lacking === '',
      level: 'error',
      lack: `the account lacks ${lacking} on ${quoted(schema)}.${quoted(name)}`,
      kind: 'tables',
    },
  ];
}
