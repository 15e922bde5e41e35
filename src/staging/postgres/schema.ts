/**
 * The staging database, its schema and its tables: found, made, or brought
 * up to date. The SQL is kept to what CockroachDB also runs.
 */
import type pg from 'pg';
import {
  parsePostgresAddress,
  type PostgresAddress,
} from '../../config/address/postgres.ts';
import { ReplicatorError } from '../../failure/failure.ts';
import {
  type SchemaName,
  schemaNameParts,
} from '../../mutation/schema-name.ts';
import { withClient } from './connections.ts';
import { sqlState } from './errors.ts';

/**
 * Step n leads from version n to n + 1, as a list of statements that may run
 * again after a failure half-way: not every server can undo them. A step,
 * once released, is never changed.
 *
 * Times are fixed-width digits, and versions (mutation/row-version.ts) two of
 * them: every collation sorts those as the clock does.
 */
export const postgresMigrations: readonly Migration[] = [
  (tables, server) => [
    `create table if not exists ${tables.log} (
      schema_name text not null,
      min_time text not null,
      id text not null,
      max_time text not null,
      table_name text not null,
      row_count int8 not null,
      byte_count int8 not null,
      body bytea not null,
      primary key (schema_name, min_time, id)
      ${server === 'cockroachdb' ? bodyApart : ''}
    )`,
    `create table if not exists ${tables.checkpoint} (
      schema_name text primary key,
      resolved text not null,
      resolved_before text not null,
      applied text not null,
      applied_in_target text not null,
      retired text not null
    )`,
    `create table if not exists ${tables.memo} (
      name text primary key,
      value text not null
    )`,
    // PostgreSQL would compress each body (pglz), which halves the rate of
    // appending (118 k against 228 k rows/s) to save a third of the space.
    ...(server === 'postgresql'
      ? [`alter table ${tables.log} alter column body set storage external`]
      : []),
  ],
  (tables) => [
    `create table if not exists ${tables.lease} (
      schema_name text primary key,
      holder text not null,
      epoch int8 not null,
      beat int8 not null,
      offered bool not null
    )`,
  ],
  // The peer's names and columns: where it made them, they are taken over.
  (tables, server) => [
    `create table if not exists ${tables.publicKeys} (
      id uuid not null primary key default ${server === 'cockroachdb' ? 'gen_random_uuid()' : randomUuid},
      public_key text not null,
      active bool not null default true
    )`,
    `create table if not exists ${tables.revokedIds} (
      id text not null primary key
    )`,
  ],
  (tables) => [
    `alter table ${tables.checkpoint}
      add column if not exists resolved_count int8 not null default 0`,
  ],
];

export type Server = 'postgresql' | 'cockroachdb';
export type Migration = (tables: Tables, server: Server) => string[];

/** PostgreSQL 12 has no gen_random_uuid(). An id is unique, not secret. */
const randomUuid = 'md5(random()::text || clock_timestamp()::text)::uuid';

/** So that counting and listing do not read the bodies; PostgreSQL's TOAST. */
const bodyApart = `,
      family summary (schema_name, min_time, id, max_time, table_name, row_count, byte_count),
      family body (body)`;

/** Quoted, schema-qualified names. */
export interface Tables {
  readonly log: string;
  readonly checkpoint: string;
  readonly memo: string;
  readonly lease: string;
  readonly publicKeys: string;
  readonly revokedIds: string;
  readonly version: string;
}

export interface PreparedSchema {
  /** Of the database that holds the staging schema. */
  readonly address: PostgresAddress;
  readonly tables: Tables;
  readonly server: Server;
}

export interface PrepareOptions {
  readonly stagingConn: string;
  readonly stagingSchema: string;
  readonly createSchema: boolean;
  /** Make and migrate the tables; else they must be of this version. */
  readonly migrate: boolean;
  /** Called before anything in the schema is made or migrated. */
  readonly lock?: (
    address: PostgresAddress,
    database: string,
    schema: string,
  ) => Promise<void>;
}

export async function prepareSchema(
  options: PrepareOptions,
  signal?: AbortSignal,
): Promise<PreparedSchema> {
  const [databaseName, schema] = stagingNames(options.stagingSchema);
  const given = parsePostgresAddress(options.stagingConn, '--stagingConn');
  const address = await withClient(
    given,
    async (client) => {
      const current = await client.query<{ name: string }>(
        'select current_database() as name',
      );
      if (current.rows[0]!.name === databaseName) {
        return given;
      }
      await prepareDatabase(client, databaseName, options.createSchema);
      return {
        ...given,
        config: { ...given.config, database: databaseName },
      };
    },
    signal,
  );
  await options.lock?.(address, databaseName, schema);
  const tables = tablesOf(schema);
  const server = await withClient(
    address,
    async (client) => {
      await prepareNamespace(
        client,
        databaseName,
        schema,
        options.createSchema,
      );
      if (options.migrate) {
        await migrate(client, tables, postgresMigrations);
      } else {
        await requireVersion(client, tables, postgresMigrations.length);
      }
      return await serverKind(client);
    },
    signal,
  );
  return { address, tables, server };
}

/**
 * Prefixed, because the schema may be one that others use too; but those that
 * the peer has bear its names.
 */
export const tableNames: Readonly<Record<keyof Tables, string>> = {
  log: 'staging_log',
  checkpoint: 'staging_checkpoint',
  memo: 'staging_memo',
  lease: 'staging_lease',
  publicKeys: 'jwt_public_keys',
  revokedIds: 'jwt_revoked_ids',
  version: 'staging_version',
};

export function tablesOf(schema: string): Tables {
  return Object.fromEntries(
    Object.entries(tableNames).map(([key, name]) => [
      key,
      `${quoted(schema)}.${quoted(name)}`,
    ]),
  ) as unknown as Tables;
}

/** Brings the tables to the newest version; several instances may try at once. */
export async function migrate(
  client: pg.ClientBase,
  tables: Tables,
  migrations: readonly Migration[],
): Promise<void> {
  if ((await versionOrZero(client, tables)) === migrations.length) {
    // `if not exists` asks for the right to create even where there is nothing to.
    return;
  }
  const server = await serverKind(client);
  await tolerateRace(() =>
    client.query(
      `create table if not exists ${tables.version} (
        only_row int8 primary key, version int8 not null)`,
    ),
  );
  await client.query(
    `insert into ${tables.version} (only_row, version) values (1, 0) on conflict do nothing`,
  );
  const version = await readVersion(client, tables);
  refuseNewer(version, migrations.length);
  for (let step = version; step < migrations.length; step++) {
    for (const statement of migrations[step]!(tables, server)) {
      await tolerateRace(() => client.query(statement));
    }
    await client.query(
      `update ${tables.version} set version = $1 where version < $1`,
      [step + 1],
    );
  }
}

async function serverKind(client: pg.ClientBase): Promise<Server> {
  const { rows } = await client.query<{ version: string }>('select version()');
  return rows[0]!.version.startsWith('CockroachDB')
    ? 'cockroachdb'
    : 'postgresql';
}

async function requireVersion(
  client: pg.ClientBase,
  tables: Tables,
  known: number,
): Promise<void> {
  const version = await versionOrZero(client, tables);
  refuseNewer(version, known);
  if (version < known) {
    throw new ReplicatorError('E2004', {
      detail:
        version === 0
          ? 'the staging schema holds no staging tables'
          : `the staging schema is of the older version ${version}`,
      remedy:
        'check --stagingSchema; replicator start makes the tables and brings them up to date',
    });
  }
}

async function versionOrZero(
  client: pg.ClientBase,
  tables: Tables,
): Promise<number> {
  try {
    return await readVersion(client, tables);
  } catch (error) {
    if (sqlState(error) !== '42P01') {
      throw error;
    }
    return 0;
  }
}

async function readVersion(
  client: pg.ClientBase,
  tables: Tables,
): Promise<number> {
  const { rows } = await client.query<{ version: string }>(
    `select version from ${tables.version}`,
  );
  return Number(rows[0]?.version ?? 0);
}

function refuseNewer(version: number, known: number): void {
  if (version > known) {
    throw new ReplicatorError('E2003', {
      detail: `the staging schema is of version ${version}, this replicator knows ${known}`,
    });
  }
}

async function prepareDatabase(
  client: pg.ClientBase,
  name: string,
  create: boolean,
): Promise<void> {
  const found = await client.query(
    'select 1 from pg_catalog.pg_database where datname = $1',
    [name],
  );
  if (found.rows.length > 0) {
    return;
  }
  if (!create) {
    throw new ReplicatorError('E2004', {
      detail: `the staging database ${quoted(name)} (of --stagingSchema) does not exist`,
    });
  }
  await tolerateRace(() => client.query(`create database ${quoted(name)}`));
}

async function prepareNamespace(
  client: pg.ClientBase,
  database: string,
  name: string,
  create: boolean,
): Promise<void> {
  const found = await client.query(
    'select 1 from pg_catalog.pg_namespace where nspname = $1',
    [name],
  );
  if (found.rows.length > 0) {
    return;
  }
  if (!create) {
    throw new ReplicatorError('E2004', {
      detail: `the staging schema ${quoted(name)} does not exist in the database ${quoted(database)}`,
    });
  }
  await tolerateRace(() =>
    client.query(`create schema if not exists ${quoted(name)}`),
  );
}

/**
 * `if not exists` looks, then makes: of two instances that start together one
 * may hear that the thing exists after all. So it does.
 */
async function tolerateRace(run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const state = sqlState(error);
    // duplicate database, schema, table; unique violation in the catalog
    if (!['42P04', '42P06', '42P07', '23505', '42710'].includes(state ?? '')) {
      throw error;
    }
  }
}

/** Of `--stagingSchema`; a name alone is a database, whose schema is then `public`. Throws E5002. */
export function stagingNames(text: string): [database: string, schema: string] {
  const parts = schemaNameParts(text as SchemaName);
  const [database, schema = 'public'] = parts;
  if (database === undefined || parts.length > 2) {
    throw new ReplicatorError('E5002', {
      detail: `--stagingSchema ${JSON.stringify(text)} is not a name`,
      remedy: 'give database.schema, for instance _replicator.public',
    });
  }
  return [database, schema];
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
