/**
 * Whether the source is still the one that was read, further on in its own
 * history. A server restored from a backup, or a standby that was promoted
 * before it had everything, carries on from an earlier place: what it writes
 * there has the LSNs of changes that we have applied already.
 *
 * ```
 * timeline 1  ──────────●──────────×  read up to ×, lost in the failover
 *                       └── timeline 2 ──────►
 * ```
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { parseLsn, printLsn } from './lsn.ts';
import { readSlot, slotFailure } from './slot-state.ts';
import type { SourceSession } from './source-session.ts';

/** How far a source was read durably. Kept in staging with what was read. */
export interface SourcePosition {
  /** Given to a cluster by initdb; its standbys and its backups share it. */
  readonly systemId: string;
  /** Counted up by every promotion. */
  readonly timeline: number;
  /** `16/B374D848` */
  readonly lsn: string;
}

export interface SourceIdentity {
  readonly systemId: string;
  readonly timeline: number;
  /** Flushed, and so what a walsender may have sent at most. */
  readonly currentLsn: bigint;
  readonly isStandby: boolean;
  readonly database: string;
}

/** Where a timeline of the source's past ended. */
export interface TimelineSwitch {
  readonly timeline: number;
  readonly endLsn: bigint;
}

export async function identify(
  session: SourceSession,
): Promise<SourceIdentity> {
  const row = await controlData(session);
  if (row?.timeline) {
    return {
      systemId: row.system_id,
      timeline: Number.parseInt(row.timeline, 16),
      currentLsn: parseLsn(row.lsn),
      isStandby: false,
      database: session.database,
    };
  }
  const [said] = await session.replicate<{
    systemid: string;
    timeline: string;
    xlogpos: string;
  }>('IDENTIFY_SYSTEM');
  return {
    systemId: said!.systemid,
    timeline: Number(said!.timeline),
    currentLsn: parseLsn(row?.lsn ?? said!.xlogpos),
    isStandby: row !== null,
    database: session.database,
  };
}

interface ControlData {
  readonly system_id: string;
  /** Eight hex digits; null on a standby, which does not say it in SQL. */
  readonly timeline: string | null;
  readonly lsn: string;
}

/**
 * The name of a WAL file begins with the timeline. pg_control_checkpoint()
 * knows it too, but for a while after a promotion still the one before.
 */
const controlQuery = `
select (select system_identifier::text from pg_control_system()) as system_id,
       case when pg_is_in_recovery() then null
            else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end as timeline,
       case when pg_is_in_recovery()
            then coalesce(pg_last_wal_replay_lsn(), '0/0'::pg_lsn)
            else pg_current_wal_flush_lsn() end::text as lsn`;

/** Null where the account may not call these functions: some services say so. */
async function controlData(
  session: SourceSession,
): Promise<ControlData | null> {
  try {
    const [row] = await session.query<ControlData>(controlQuery);
    return row!;
  } catch (error) {
    if (error instanceof ReplicatorError && error.code === 'E6007') {
      return null;
    }
    throw error;
  }
}

/**
 * The timelines that the present one came from, the oldest first; none where
 * the source has lost the file that says so.
 */
export async function readTimelineHistory(
  session: SourceSession,
  timeline: number,
): Promise<TimelineSwitch[]> {
  if (timeline === 1) {
    return [];
  }
  try {
    const [row] = await session.replicate<{ content: string | Buffer }>(
      `TIMELINE_HISTORY ${timeline}`,
    );
    return parseTimelineHistory(String(row!.content));
  } catch (error) {
    // "could not open file …history": what cannot be shown is not believed.
    if (error instanceof ReplicatorError && error.code === 'E6003') {
      return [];
    }
    throw error;
  }
}

/** Lines of `1<tab>0/3000000<tab>no recovery target specified`. */
export function parseTimelineHistory(content: string): TimelineSwitch[] {
  return content
    .split('\n')
    .map((line) => /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line))
    .filter((match) => match !== null)
    .map(([, timeline, lsn]) => ({
      timeline: Number(timeline),
      endLsn: parseLsn(lsn!),
    }));
}

/**
 * E6005 where what was read up to `recorded` is no part of the source's past
 * (E6010 where a standby may have it again in a moment),
 * E6006 where the slot has moved beyond it, null where reading may go on.
 *
 * What it cannot see: a restore of the very files (a snapshot of the disk) on
 * the same timeline that has already written beyond `recorded` again.
 */
export function continuityFailure(
  recorded: SourcePosition,
  now: SourceIdentity,
  {
    history,
    confirmedLsn,
  }: {
    readonly history: readonly TimelineSwitch[];
    /** Of the slot. */
    readonly confirmedLsn: bigint | null;
  },
): ReplicatorError | null {
  const lsn = parseLsn(recorded.lsn);
  const goneBack = (detail: string): ReplicatorError =>
    new ReplicatorError('E6005', { detail });
  if (now.systemId !== recorded.systemId) {
    return goneBack(
      `the source is another database cluster (system identifier ${now.systemId}) than the one that was read (${recorded.systemId})`,
    );
  }
  if (now.currentLsn < lsn && now.isStandby) {
    // After a crash it replays again what it had replayed, and is asked early.
    return new ReplicatorError('E6010', {
      detail: `the source is a standby that has been read up to ${recorded.lsn}, and has replayed its WAL to ${printLsn(now.currentLsn)} only: it has restarted, or was restored`,
      remedy:
        'nothing where it has restarted: reading goes on when it is there again; where it was restored, read the primary, or begin anew',
    });
  }
  if (now.currentLsn < lsn) {
    return goneBack(
      `the source has been read up to ${recorded.lsn}, but its WAL now ends before that: it was restored, or failed over to a standby that lagged`,
    );
  }
  if (now.timeline !== recorded.timeline) {
    const end = history.find(
      ({ timeline }) => timeline === recorded.timeline,
    )?.endLsn;
    if (end === undefined || lsn > end) {
      return goneBack(
        `the source has been read up to ${recorded.lsn} on timeline ${recorded.timeline}, and its timeline ${now.timeline} ${end === undefined ? 'is not known to come from there' : 'branched off before that'}: it was restored, or failed over to a standby that lagged`,
      );
    }
  }
  return confirmedLsn !== null && confirmedLsn > lsn
    ? new ReplicatorError('E6006', {
        detail: `the slot has moved beyond ${recorded.lsn}, up to which it was read: somebody else has read or advanced it, or made it anew`,
      })
    : null;
}

/**
 * Throws E6002 to E6007 where a daemon must not read the slot, or not now; to
 * be asked whenever a connection to the source is new. Resolves to who the
 * source is now.
 *
 * Another daemon may be at work on the same slot and staging, which notes a
 * place before it confirms it. So a `recorded` that is a function is called
 * after the slot was read: a place that was noted earlier could lie behind what
 * the other has confirmed meanwhile, and look like E6006.
 */
export async function requireContinuity(
  session: SourceSession,
  slotName: string,
  recorded: SourcePosition | null | (() => Promise<SourcePosition | null>),
): Promise<SourceIdentity> {
  const slot = await readSlot(session, slotName);
  const place = typeof recorded === 'function' ? await recorded() : recorded;
  const now = await identify(session);
  const history =
    place !== null &&
    now.systemId === place.systemId &&
    now.timeline !== place.timeline
      ? await readTimelineHistory(session, now.timeline)
      : [];
  const failure =
    (place && continuityFailure(place, now, { history, confirmedLsn: null })) ??
    (place && slot === null ? slotGone(slotName, place) : null) ??
    slotFailure(slotName, slot, session.database) ??
    (place &&
      continuityFailure(place, now, {
        history,
        confirmedLsn: slot?.confirmedLsn ?? null,
      }));
  if (failure !== null) {
    throw failure;
  }
  return now;
}

function slotGone(slotName: string, place: SourcePosition): ReplicatorError {
  return new ReplicatorError('E6002', {
    detail: `the source has no replication slot "${slotName}" any more, though it was read up to ${place.lsn}`,
    remedy:
      'the changes in between can no longer be read: create a new slot, and load the tables again as of it, or verify and mend them (docs/06-postgresql-source.md, "When a slot is lost")',
  });
}
