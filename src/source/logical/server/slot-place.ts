import type { PostgresAddress } from '../../../config/address/postgres.ts';
import type { TransactionFeed } from '../../source.ts';
import { parseLsn, printLsn } from './lsn.ts';
import {
  parsePosition,
  printPosition,
  type SlotPosition,
} from './slot-position.ts';
import { readSlot } from './slot-state.ts';
import { requireContinuity, type SourceIdentity } from './source-identity.ts';
import { openSourceSession } from './source-session.ts';

/** From where a slot is read on, and of which server. */
export interface SlotPlace {
  readonly identity: SourceIdentity;
  /** The feed's text; null where nothing was read yet. */
  readonly noted: string | null;
  /** Transactions that ended at or before this are in the feed. */
  readonly lsn: bigint;
  readonly versionNumber: number;
}

/**
 * Looks whether reading may go on, and where. Throws E6001 to E6008 and
 * E6010.
 */
export async function findPlace(
  {
    address,
    slotName,
    feed,
  }: {
    readonly address: PostgresAddress;
    readonly slotName: string;
    readonly feed: TransactionFeed;
  },
  signal: AbortSignal,
): Promise<SlotPlace> {
  await using session = await openSourceSession(address, signal);
  let noted: string | null = null;
  // Read behind the slot: another daemon may have gone on in between.
  const identity = await requireContinuity(session, slotName, async () => {
    noted = await feed.position();
    return parsePosition(noted, slotName);
  });
  const recorded = parsePosition(noted, slotName);
  const slot = await readSlot(session, slotName);
  return {
    identity,
    noted,
    lsn:
      recorded === null ? (slot?.confirmedLsn ?? 0n) : parseLsn(recorded.lsn),
    versionNumber: session.versionNumber,
  };
}

/** The feed's text for a later place of the same server. */
export function positionAt(
  { identity }: SlotPlace,
  lsn: bigint,
  { slot, reader }: Pick<SlotPosition, 'slot' | 'reader'>,
): string {
  const { systemId, timeline } = identity;
  return printPosition({
    slot,
    systemId,
    timeline,
    lsn: printLsn(lsn),
    reader,
  });
}

/** Parameters of pgoutput, as far as the version has them. */
export function pluginParameters(
  versionNumber: number,
  {
    publicationNames,
    origin,
    mayStream,
  }: {
    readonly publicationNames: readonly string[];
    readonly origin: 'any' | 'none';
    readonly mayStream: boolean;
  },
): Record<string, string> {
  const major = Math.floor(versionNumber / 10_000);
  return {
    proto_version:
      major >= 16 ? '4' : major === 15 ? '3' : major === 14 ? '2' : '1',
    publication_names: publicationNames
      .map((name) => `"${name.replaceAll('"', '""')}"`)
      .join(','),
    ...(major >= 14 && mayStream && { streaming: 'on' }),
    ...(major >= 16 && { origin }),
  };
}
