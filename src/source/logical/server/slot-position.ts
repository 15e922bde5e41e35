/**
 * Where a slot has been read to, as it is kept in staging with what was read
 * (StagingStore.advance): one line of JSON.
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import type { SourcePosition } from './source-identity.ts';

export interface SlotPosition extends SourcePosition {
  readonly slot: string;
  /** Of one session with the source: no two of them ever note the same text. */
  readonly reader: string;
}

export function printPosition(position: SlotPosition): string {
  const { slot, systemId, timeline, lsn, reader } = position;
  return JSON.stringify({ slot, systemId, timeline, lsn, reader });
}

/** Null where nothing was read yet. E6008 where it was another slot. */
export function parsePosition(
  text: string | null,
  slotName: string,
): SlotPosition | null {
  if (text === null) {
    return null;
  }
  const position = JSON.parse(text) as SlotPosition;
  if (position.slot !== slotName) {
    throw new ReplicatorError('E6008', {
      detail: `staging holds what was read from the slot ${JSON.stringify(position.slot)} up to ${position.lsn}, and --slotName is ${JSON.stringify(slotName)}`,
    });
  }
  return position;
}
