/** How far a slot lies behind, and how near it is to being lost. */
import { isSlotLost, lossReason, readSlot } from './slot-state.ts';
import type { SourceSession } from './source-session.ts';

export interface SlotHealth {
  readonly active: boolean;
  readonly activePid: number | null;
  /** From 13 on: `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string | null;
  readonly restartLsn: bigint | null;
  readonly confirmedLsn: bigint | null;
  readonly currentLsn: bigint;
  /** WAL that the source keeps because of the slot; null once it is lost. */
  readonly retainedBytes: bigint | null;
  /** WAL behind what is confirmed. */
  readonly lagBytes: bigint | null;
  /** Null without max_slot_wal_keep_size, before 13, and once it is lost. */
  readonly safeWalSizeBytes: bigint | null;
  /** `wal_removed`, `idle_timeout` and so on; null while it is sound. */
  readonly invalidationReason: string | null;
}

/** Null where there is no such slot. */
export async function readSlotHealth(
  session: SourceSession,
  slotName: string,
): Promise<SlotHealth | null> {
  const slot = await readSlot(session, slotName);
  if (slot === null) {
    return null;
  }
  const behind = (lsn: bigint | null): bigint | null =>
    lsn === null ? null : slot.currentLsn > lsn ? slot.currentLsn - lsn : 0n;
  return {
    active: slot.active,
    activePid: slot.activePid,
    walStatus: slot.walStatus,
    restartLsn: slot.restartLsn,
    confirmedLsn: slot.confirmedLsn,
    currentLsn: slot.currentLsn,
    retainedBytes: behind(slot.restartLsn),
    lagBytes: behind(slot.confirmedLsn),
    safeWalSizeBytes: slot.safeWalSizeBytes,
    invalidationReason: isSlotLost(slot) ? lossReason(slot) : null,
  };
}

export interface SlotSample {
  readonly atMs: number;
  readonly health: Pick<
    SlotHealth,
    'walStatus' | 'safeWalSizeBytes' | 'invalidationReason'
  >;
}

/**
 * In how many milliseconds the slot is lost if the room that it has left goes
 * on shrinking as from the first sample to the last; 0 once it is lost or may
 * be at any checkpoint. Null where it is not known to shrink, or has no limit.
 *
 * The room shrinks by what the source writes and grows whenever the slot's
 * restart_lsn moves, which it does by leaps: let the samples span minutes.
 */
export function estimateLossMs(samples: readonly SlotSample[]): number | null {
  const last = samples.at(-1);
  if (last === undefined) {
    return null;
  }
  const { walStatus, safeWalSizeBytes: roomBytes } = last.health;
  if (
    last.health.invalidationReason !== null ||
    walStatus === 'lost' ||
    walStatus === 'unreserved' ||
    (roomBytes !== null && roomBytes <= 0n)
  ) {
    return 0;
  }
  const first = samples.find(({ health }) => health.safeWalSizeBytes !== null);
  if (roomBytes === null || first === undefined) {
    return null;
  }
  const shrunkBytes = Number(first.health.safeWalSizeBytes! - roomBytes);
  const spanMs = last.atMs - first.atMs;
  return shrunkBytes <= 0 || spanMs <= 0
    ? null
    : (Number(roomBytes) / shrunkBytes) * spanMs;
}
