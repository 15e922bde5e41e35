/** What preflight says of the slot. */
import type { Finding } from '../../../failure/finding.ts';
import { formatByteSize } from '../../../lib/byte-size.ts';
import { createSlotStatement } from './slot-admin.ts';
import { type SlotState, slotFailure } from './slot-state.ts';
import type { SourceNeeds } from './source-needs.ts';
import type { SourceSession } from './source-session.ts';

/** Throws E6007 where a failover slot is wanted of a version without them. */
export function slotFindings(
  session: Pick<SourceSession, 'versionNumber' | 'database'>,
  slot: SlotState | null,
  { slotName, slotFailover, willCreateSlot }: SourceNeeds,
): Finding[] {
  const failure = slotFailure(slotName, slot, session.database);
  if (slot === null) {
    const statement = createSlotStatement(session.versionNumber, {
      slotName,
      failover: slotFailover,
    });
    return [
      willCreateSlot
        ? {
            level: 'ok',
            subject: 'source',
            text: `there is no slot ${slotName} yet: start makes it (${statement})`,
          }
        : {
            level: 'error',
            subject: 'source',
            text: `${failure!.code} ${failure!.message}`,
            remedy: `${statement}, or start with --createSlot; unless there was one before: then see docs/06-postgresql-source.md, "When a slot is lost"`,
          },
    ];
  }
  if (failure !== null) {
    return [
      {
        // Somebody who reads it may be the daemon that is to be replaced.
        level: failure.code === 'E6004' ? 'warn' : 'error',
        subject: 'source',
        text: `${failure.code} ${failure.message}`,
        remedy: failure.remedy,
      },
    ];
  }
  return soundSlot(slot);
}

function soundSlot(slot: SlotState): Finding[] {
  const kept =
    slot.restartLsn === null || slot.currentLsn < slot.restartLsn
      ? 0n
      : slot.currentLsn - slot.restartLsn;
  const findings: Finding[] = [
    {
      level: 'ok',
      subject: 'source',
      text: `the slot ${slot.name} is free${slot.walStatus === null ? '' : `, its WAL ${slot.walStatus}`}; it holds back ${roundedSize(kept)} of WAL${slot.failover ? ', and follows a failover' : ''}`,
    },
  ];
  if (slot.walStatus === 'unreserved') {
    findings.push({
      level: 'warn',
      subject: 'source',
      text: `the slot ${slot.name} is about to be lost: it holds back more WAL than max_slot_wal_keep_size`,
      remedy:
        'start the daemon now, or raise max_slot_wal_keep_size and select pg_reload_conf()',
    });
  }
  return findings;
}

function roundedSize(bytes: bigint): string {
  const mebibytes = Number(bytes >> 20n);
  return mebibytes === 0
    ? 'less than 1MiB'
    : formatByteSize(mebibytes * 2 ** 20);
}
