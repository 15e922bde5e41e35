/** What the source's settings and catalog say that replication depends on. */
import type { SourceSession } from './source-session.ts';

/** What a version of PostgreSQL does not know yet is null. */
export interface ServerState {
  readonly version: string;
  readonly walLevel: string;
  readonly inRecovery: boolean;
  readonly account: string;
  readonly mayReplicate: boolean;
  readonly mayPublish: boolean;
  readonly slotLimit: number;
  readonly slotCount: number;
  readonly walSenderLimit: number;
  readonly walSenderCount: number;
  /** 0 is never. */
  readonly walSenderTimeoutMs: number;
  /** -1 is without limit; from 13 on. */
  readonly slotWalLimitMb: number | null;
  /** 0 is never; from 18 on. */
  readonly idleSlotTimeoutSeconds: number | null;
}

interface ServerRow {
  readonly version: string;
  readonly wal_level: string;
  readonly in_recovery: boolean;
  readonly account: string;
  readonly may_replicate: boolean;
  readonly may_publish: boolean;
  readonly slot_limit: number;
  readonly slot_count: number;
  readonly wal_sender_limit: number;
  readonly wal_sender_count: number;
  readonly wal_sender_timeout: number;
  readonly slot_wal_limit: number | null;
  readonly idle_slot_timeout: number | null;
}

/** Settings by their base unit; one that the version has not is null. */
const serverQuery = `
with setting as (select name, setting from pg_settings)
select split_part(version(), ' on ', 1) as version,
       current_setting('wal_level') as wal_level,
       pg_is_in_recovery() as in_recovery,
       current_user::text as account,
       coalesce((select rolsuper or rolreplication from pg_roles where rolname = current_user), false)
         -- Amazon RDS grants it as a role.
         or exists (select from pg_roles r where r.rolname in ('rds_replication', 'rds_superuser')
                    and pg_has_role(current_user, r.oid, 'member')) as may_replicate,
       has_database_privilege(current_database(), 'create') as may_publish,
       current_setting('max_replication_slots')::int as slot_limit,
       (select count(*)::int from pg_replication_slots) as slot_count,
       current_setting('max_wal_senders')::int as wal_sender_limit,
       (select count(*)::int from pg_stat_replication) as wal_sender_count,
       (select setting::int from setting where name = 'wal_sender_timeout') as wal_sender_timeout,
       (select setting::int from setting where name = 'max_slot_wal_keep_size') as slot_wal_limit,
       (select setting::int from setting where name = 'idle_replication_slot_timeout') as idle_slot_timeout`;

export async function readServer(session: SourceSession): Promise<ServerState> {
  const [row] = await session.query<ServerRow>(serverQuery);
  return {
    version: row!.version,
    walLevel: row!.wal_level,
    inRecovery: row!.in_recovery,
    account: row!.account,
    mayReplicate: row!.may_replicate,
    mayPublish: row!.may_publish,
    slotLimit: row!.slot_limit,
    slotCount: row!.slot_count,
    walSenderLimit: row!.wal_sender_limit,
    walSenderCount: row!.wal_sender_count,
    walSenderTimeoutMs: row!.wal_sender_timeout,
    slotWalLimitMb: row!.slot_wal_limit,
    idleSlotTimeoutSeconds: row!.idle_slot_timeout,
  };
}

export interface PublicationState {
  readonly name: string;
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly truncate: boolean;
  readonly viaRoot: boolean;
  /** From 18 on: stored generated columns are published. */
  readonly generatedColumns: boolean;
}

/** Those of the names that exist. */
export function readPublications(
  session: SourceSession,
  names: readonly string[],
): Promise<PublicationState[]> {
  const since = (version: number, column: string): string =>
    session.versionNumber >= version * 10_000 ? column : 'false';
  return session.query(
    `
select pubname::text as name, pubinsert as insert, pubupdate as update,
       pubdelete as delete, pubtruncate as truncate,
       ${since(13, 'pubviaroot')} as "viaRoot",
       ${since(18, "pubgencols = 's'")} as "generatedColumns"
from pg_publication where pubname = any($1) order by pubname`,
    [names],
  );
}

/** One table, partition or unlogged table of the schemas or a publication. */
export interface TableState {
  /** `schema.name`, quoted where it must be: ready for a statement. */
  readonly table: string;
  readonly schema: string;
  readonly kind: 'table' | 'partitioned' | 'foreign';
  readonly unlogged: boolean;
  readonly hasKey: boolean;
  readonly identity: 'default' | 'nothing' | 'full' | 'index';
  /** Columns of the primary key that the identity index lacks. */
  readonly keyColumnsMissing: readonly string[];
  readonly generatedColumns: readonly string[];
  /** Publications that its changes come through, by its name or its root's. */
  readonly publications: readonly string[];
  readonly filters: readonly string[];
  /** Columns that a column list leaves out, by publication. */
  readonly withheld: readonly string[];
}

/**
 * Every table of the schemas and of the publications. An ordinary table is a
 * leaf: partitions are listed beside their root.
 */
export function readTables(
  session: SourceSession,
  {
    publicationNames,
    schemas,
  }: {
    readonly publicationNames: readonly string[];
    readonly schemas: readonly string[];
  },
): Promise<TableState[]> {
  return session.query(tablesQuery(session.versionNumber), [
    publicationNames,
    schemas,
  ]);
}

/** Asks a version only for what it has. */
function tablesQuery(versionNumber: number): string {
  const withLists = versionNumber >= 150_000;
  return `
with published as materialized (
  select p.pubname::text as publication, c.oid
         ${withLists ? ', p.rowfilter, p.attnames' : ''}
  from pg_publication_tables p
  join pg_namespace n on n.nspname = p.schemaname
  join pg_class c on c.relnamespace = n.oid and c.relname = p.tablename
  where p.pubname = any($1)
)
select format('%I.%I', n.nspname, c.relname) as table, n.nspname::text as schema,
       case c.relkind when 'p' then 'partitioned' when 'f' then 'foreign' else 'table' end as kind,
       c.relpersistence = 'u' as unlogged,
       exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary) as "hasKey",
       case c.relreplident when 'n' then 'nothing' when 'f' then 'full'
         -- An identity index that was dropped leaves a table with none.
         when 'i' then case when exists (select from pg_index i where i.indrelid = c.oid and i.indisreplident)
                            then 'index' else 'nothing' end
         else 'default' end as identity,
       array(select a.attname::text from pg_index k join pg_attribute a
               on a.attrelid = c.oid and a.attnum = any(k.indkey)
             where c.relreplident = 'i' and k.indrelid = c.oid and k.indisprimary
               and not exists (select from pg_index i where i.indrelid = c.oid
                               and i.indisreplident and a.attnum = any(i.indkey))
             order by a.attnum) as "keyColumnsMissing",
       array(select a.attname::text from pg_attribute a
             where a.attrelid = c.oid and a.attgenerated = 's' and not a.attisdropped
             order by a.attnum) as "generatedColumns",
       array(select distinct p.publication from published p
             where p.oid = c.oid or p.oid in (select relid from pg_partition_ancestors(c.oid))
             order by 1) as publications,
       ${
         withLists
           ? `array(select p.publication from published p
             where p.oid = c.oid and p.rowfilter is not null) as filters,
       array(select format('%s (by %s)', string_agg(a.attname, ', ' order by a.attnum), p.publication)
             from published p join pg_attribute a on a.attrelid = c.oid
             where p.oid = c.oid and a.attnum > 0 and not a.attisdropped
               and a.attgenerated = '' and not a.attname = any(p.attnames)
             group by p.publication) as withheld`
           : `'{}'::text[] as filters, '{}'::text[] as withheld`
       }
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't'
  and (n.nspname = any($2) or c.oid in (select oid from published))
order by n.nspname, c.relname`;
}
