/** What a replication slot is, and whether a daemon may read it. */
import { ReplicatorError } from '../../../failure/failure.ts';
import { parseLsn } from './lsn.ts';
import type { SourceSession } from './source-session.ts';

/** What a version of PostgreSQL does not know yet is null. */
export interface SlotState {
  readonly name: string;
  readonly type: 'logical' | 'physical';
  readonly plugin: string | null;
  readonly database: string | null;
  readonly temporary: boolean;
  readonly active: boolean;
  readonly activePid: number | null;
  readonly activeApplication: string | null;
  readonly activeAddress: string | null;
  /** The oldest WAL that the slot holds back; null once that is removed. */
  readonly restartLsn: bigint | null;
  /** Up to here the source takes its changes for durable with us. */
  readonly confirmedLsn: bigint | null;
  /** Where the source's WAL ends; on a standby, where it has been replayed. */
  readonly currentLsn: bigint;
  /** From 13 on: `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string | null;
  /** How much more WAL may be written before the slot is in danger. */
  readonly safeWalSizeBytes: bigint | null;
  readonly twoPhase: boolean;
  /** From 16 on: invalidated, by a conflict with recovery on a standby or, in 16, by anything. */
  readonly conflicting: boolean;
  readonly invalidationReason: string | null;
  readonly failover: boolean;
  /** A copy on a standby that follows a slot of the primary. */
  readonly synced: boolean;
}

interface Row {
  readonly type: 'logical' | 'physical';
  readonly plugin: string | null;
  readonly database: string | null;
  readonly temporary: boolean;
  readonly active: boolean;
  readonly active_pid: number | null;
  readonly application: string | null;
  readonly address: string | null;
  readonly restart_lsn: string | null;
  readonly confirmed_lsn: string | null;
  readonly current_lsn: string;
  readonly wal_status: string | null;
  readonly safe_wal_size: string | null;
  readonly two_phase: boolean;
  readonly conflicting: boolean;
  readonly invalidation_reason: string | null;
  readonly failover: boolean;
  readonly synced: boolean;
}

/** Asks a version only for what it has. */
function slotQuery(versionNumber: number): string {
  const since = (version: number, column: string, before: string): string =>
    versionNumber >= version * 10_000 ? column : before;
  return `
select s.slot_type as type, s.plugin::text as plugin, s.database::text as database,
       s.temporary, s.active, s.active_pid,
       a.application_name as application, host(a.client_addr) as address,
       s.restart_lsn::text as restart_lsn,
       s.confirmed_flush_lsn::text as confirmed_lsn,
       case when pg_is_in_recovery()
            then coalesce(pg_last_wal_replay_lsn(), '0/0'::pg_lsn)
            else pg_current_wal_flush_lsn() end::text as current_lsn,
       ${since(13, 's.wal_status', 'null')} as wal_status,
       ${since(13, 's.safe_wal_size::text', 'null')} as safe_wal_size,
       ${since(14, 's.two_phase', 'false')} as two_phase,
       ${since(16, 'coalesce(s.conflicting, false)', 'false')} as conflicting,
       ${since(17, 's.invalidation_reason', 'null')} as invalidation_reason,
       ${since(17, 's.failover', 'false')} as failover,
       ${since(17, 's.synced', 'false')} as synced
from pg_replication_slots s left join pg_stat_activity a on a.pid = s.active_pid
where s.slot_name = $1`;
}

/** Null where there is no such slot. Any account may look. */
export async function readSlot(
  session: SourceSession,
  slotName: string,
): Promise<SlotState | null> {
  const [row] = await session.query<Row>(slotQuery(session.versionNumber), [
    slotName,
  ]);
  return row === undefined
    ? null
    : {
        name: slotName,
        type: row.type,
        plugin: row.plugin,
        database: row.database,
        temporary: row.temporary,
        active: row.active,
        activePid: row.active_pid,
        activeApplication: row.application,
        activeAddress: row.address,
        restartLsn: row.restart_lsn === null ? null : parseLsn(row.restart_lsn),
        confirmedLsn:
          row.confirmed_lsn === null ? null : parseLsn(row.confirmed_lsn),
        currentLsn: parseLsn(row.current_lsn),
        walStatus: row.wal_status,
        safeWalSizeBytes:
          row.safe_wal_size === null ? null : BigInt(row.safe_wal_size),
        twoPhase: row.two_phase,
        conflicting: row.conflicting,
        invalidationReason: row.invalidation_reason,
        failover: row.failover,
        synced: row.synced,
      };
}

/** Whether WAL that the slot has not delivered yet is gone for good. */
export function isSlotLost(slot: SlotState): boolean {
  return (
    slot.walStatus === 'lost' ||
    slot.conflicting ||
    slot.invalidationReason !== null
  );
}

/** Why a slot was given up, as 17 and newer say; before them less is known. */
export function lossReason(slot: SlotState): string {
  return (
    slot.invalidationReason ??
    // 16 says so of any cause.
    (slot.conflicting ? 'invalidated' : 'wal_removed')
  );
}

/**
 * Why a daemon must not read the slot: E6002, E6003, E6004 or E6007; null
 * where it may. Whether somebody else reads it now is asked last: waiting
 * makes no sense for a slot that could not be read anyway.
 */
export function slotFailure(
  slotName: string,
  slot: SlotState | null,
  database: string,
): ReplicatorError | null {
  if (slot === null) {
    return new ReplicatorError('E6002', {
      detail: `the source has no replication slot "${slotName}"`,
    });
  }
  const fault = unfitness(slot, database);
  if (fault !== null) {
    return fault;
  }
  if (isSlotLost(slot)) {
    return new ReplicatorError('E6003', {
      detail: `the replication slot "${slotName}" is lost (${lossReason(slot)})`,
    });
  }
  return slot.active
    ? new ReplicatorError('E6004', {
        detail: `the replication slot "${slotName}" is read by ${readerOf(slot)}`,
      })
    : null;
}

function unfitness(slot: SlotState, database: string): ReplicatorError | null {
  const { name } = slot;
  const refused = (detail: string, remedy: string): ReplicatorError =>
    new ReplicatorError('E6007', { detail, remedy });
  if (slot.type !== 'logical') {
    return refused(
      `the replication slot "${name}" is a physical one`,
      'give another name in --slotName: a physical slot serves a standby',
    );
  }
  if (slot.database !== database) {
    return refused(
      `the replication slot "${name}" belongs to the database ${slot.database}, not to ${database}`,
      'give another name in --slotName, or that database in --sourceConn',
    );
  }
  if (slot.plugin !== 'pgoutput') {
    return refused(
      `the replication slot "${name}" has the output plugin ${slot.plugin}, not pgoutput`,
      'give another name in --slotName: the plugin of a slot cannot be changed',
    );
  }
  if (slot.temporary) {
    return refused(
      `the replication slot "${name}" is temporary: it ends with the session that made it`,
      'give another name in --slotName',
    );
  }
  if (slot.synced) {
    return refused(
      `the replication slot "${name}" is a standby's copy of a slot of the primary, which cannot be read`,
      'give the address of the primary in --sourceConn',
    );
  }
  if (slot.twoPhase) {
    return refused(
      `the replication slot "${name}" is made with two_phase: prepared transactions would come before it is known that they commit`,
      'create a slot without two_phase; on PostgreSQL 18, over a replication connection: ALTER_REPLICATION_SLOT … (TWO_PHASE false)',
    );
  }
  return null;
}

/** `process 123 (psql at 10.0.0.7)` */
function readerOf(slot: SlotState): string {
  const application = slot.activeApplication || 'a client';
  return `process ${slot.activePid} (${application}${slot.activeAddress === null ? '' : ` at ${slot.activeAddress}`})`;
}
