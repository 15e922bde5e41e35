/** The fields that messages are made of; each read checks that it is there. */
import { ReplicatorError } from '../../../failure/failure.ts';

/** Throws E6009 unless so many bytes are left from `at` on, before `end`. */
export function checkRoom(
  payload: Buffer,
  at: number,
  length: number,
  end: number = payload.length,
): void {
  if (at + length > end) {
    throw cutShort(payload.subarray(0, end));
  }
}

export function cutShort(payload: Buffer): ReplicatorError {
  return new ReplicatorError('E6009', {
    detail: `a replication message is cut short: it ends after ${payload.length} bytes`,
  });
}

export function readUInt16(payload: Buffer, at: number): number {
  checkRoom(payload, at, 2);
  return (payload[at]! << 8) | payload[at + 1]!;
}

export function readUInt32(payload: Buffer, at: number): number {
  checkRoom(payload, at, 4);
  return (
    ((payload[at]! << 24) |
      (payload[at + 1]! << 16) |
      (payload[at + 2]! << 8) |
      payload[at + 3]!) >>>
    0
  );
}

export function readInt32(payload: Buffer, at: number): number {
  return readUInt32(payload, at) | 0;
}

/** UTF-8 up to a zero byte. */
export function readString(payload: Buffer, at: number): string {
  return payload.toString('utf8', at, endOfString(payload, at));
}

/** The position behind the zero byte. */
export function skipString(payload: Buffer, at: number): number {
  return endOfString(payload, at) + 1;
}

function endOfString(payload: Buffer, at: number): number {
  const end = payload.indexOf(0, at);
  if (end < 0 || at > payload.length) {
    throw cutShort(payload);
  }
  return end;
}
