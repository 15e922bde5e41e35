/**
 * Makes a slot and a publication, on request and only where there is none.
 * Nothing here drops or moves anything: a slot that took the place of a lost
 * one would pass over the changes between the two in silence.
 */
import pg from 'pg';
import { ReplicatorError } from '../../../failure/failure.ts';
import { parseLsn } from './lsn.ts';
import type { SourceSession } from './source-session.ts';

export interface NewSlot {
  readonly slotName: string;
  /** Kept on standbys too, so that it outlives a failover; needs 17. */
  readonly failover: boolean;
}

export interface NewPublication {
  readonly name: string;
  readonly schemas: readonly string[];
}

/** The statement that {@link createSlot} runs. Throws E6007. */
export function createSlotStatement(
  versionNumber: number,
  { slotName, failover }: NewSlot,
): string {
  if (failover && versionNumber < 170_000) {
    throw new ReplicatorError('E6007', {
      detail: `PostgreSQL ${Math.floor(versionNumber / 10_000)} has no failover slots`,
      remedy:
        'leave --slotFailover out; after a failover to a standby the slot is gone then (PostgreSQL 17 and newer keep it)',
    });
  }
  return `select lsn::text as lsn from pg_create_logical_replication_slot(${pg.escapeLiteral(slotName)}, 'pgoutput'${failover ? ', failover => true' : ''})`;
}

/**
 * Resolves to the place in the WAL from which on the slot delivers every
 * transaction that commits. Waits until the transactions that now write at the
 * source have ended, however long that is. E6004 where the slot is there by
 * now: another daemon was faster.
 */
export async function createSlot(
  session: SourceSession,
  slot: NewSlot,
): Promise<bigint> {
  const [row] = await session.query<{ lsn: string }>(
    createSlotStatement(session.versionNumber, slot),
    [],
    { timeoutMs: null },
  );
  return parseLsn(row!.lsn);
}

/** The statement that {@link createPublication} runs. Throws E6007. */
export async function createPublicationStatement(
  session: SourceSession,
  { name, schemas }: NewPublication,
): Promise<string> {
  const head = `create publication ${pg.escapeIdentifier(name)} for`;
  const [account] = await session.query<{ superuser: boolean }>(
    `select rolsuper as superuser from pg_roles where rolname = current_user`,
  );
  if (session.versionNumber >= 150_000 && account?.superuser === true) {
    return `${head} tables in schema ${schemas.map((schema) => pg.escapeIdentifier(schema)).join(', ')}`;
  }
  const tables = await session.query<{ table: string }>(
    publishableTables(session.versionNumber),
    [schemas],
  );
  if (tables.length === 0) {
    throw new ReplicatorError('E6007', {
      detail: `the source has no tables in ${schemas.join(', ')} that could be published`,
      remedy: 'name other schemas with --sourceSchema or --schemaMap',
    });
  }
  return `${head} table ${tables.map(({ table }) => table).join(', ')}`;
}

/**
 * Publishes the tables of the schemas: of those to come too where the account
 * is a superuser of 15 or newer, else of those that are there. Partitions
 * keep their own names (publish_via_partition_root stays off): changes under
 * the root's name would lack the TRUNCATE of a single partition.
 *
 * Does nothing where another daemon was faster.
 */
export async function createPublication(
  session: SourceSession,
  publication: NewPublication,
): Promise<void> {
  const statement = await createPublicationStatement(session, publication);
  try {
    await session.query(statement);
  } catch (error) {
    // The only duplicate that this statement can meet is the publication.
    if (!(error instanceof ReplicatorError && error.code === 'E6004')) {
      throw error;
    }
  }
}

/**
 * A partitioned table stands for its partitions, those to come included; before
 * 13 only the partitions themselves can be published.
 */
function publishableTables(versionNumber: number): string {
  return `
select format('%I.%I', n.nspname, c.relname) as table
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1) and c.relpersistence = 'p'
  and ${
    versionNumber >= 130_000
      ? "c.relkind in ('r', 'p') and not c.relispartition"
      : "c.relkind = 'r'"
  }
order by n.nspname, c.relname`;
}
