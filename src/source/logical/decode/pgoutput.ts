/**
 * The messages of PostgreSQL's plugin pgoutput, protocol versions 1 to 4:
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 *
 * One message fills a payload from `offset`, where the byte of its kind
 * stands, to the end. Inside a stream (between `S` and `E`: a transaction that
 * is still in progress) the messages I, U, D, T, R, Y and M carry the id of
 * their (sub)transaction behind that byte; where readers take `inStream`, it
 * says so. Whatever is cut short throws E6009.
 */
import { checkRoom, readUInt32 } from './message-fields.ts';

/** The first byte of a message. */
export const messageKinds = {
  begin: 0x42, // B
  commit: 0x43, // C
  origin: 0x4f, // O
  relation: 0x52, // R
  type: 0x59, // Y
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  logicalMessage: 0x4d, // M
  streamStart: 0x53, // S
  streamStop: 0x45, // E
  streamCommit: 0x63, // c
  streamAbort: 0x41, // A
  beginPrepare: 0x62, // b
  prepare: 0x50, // P
  commitPrepared: 0x4b, // K
  rollbackPrepared: 0x72, // r
  streamPrepare: 0x70, // p
} as const;

type MessageKindName = keyof typeof messageKinds;

const namesByKind = new Map<number, MessageKindName>(
  Object.entries(messageKinds).map(([name, kind]) => [
    kind,
    name as MessageKindName,
  ]),
);

/** For logs; `unknown` where there is no such kind. */
export function messageKindName(kind: number): MessageKindName | 'unknown' {
  return namesByKind.get(kind) ?? 'unknown';
}

/** Where the fields of a message begin. */
export function fieldsAt(offset: number, inStream: boolean): number {
  return inStream ? offset + 5 : offset + 1;
}

/** The (sub)transaction that a message inside a stream belongs to. */
export function readStreamedXid(payload: Buffer, offset = 0): number {
  return readUInt32(payload, offset + 1);
}

export interface BeginMessage {
  /** Where the transaction's commit record will be. */
  readonly finalLsn: bigint;
  /** Microseconds since 2000-01-01 UTC. */
  readonly commitMicros: bigint;
  readonly xid: number;
}

export function readBegin(
  payload: Buffer,
  offset = 0,
  end: number = payload.length,
): BeginMessage {
  checkRoom(payload, offset, 21, end);
  return {
    finalLsn: payload.readBigUInt64BE(offset + 1),
    commitMicros: payload.readBigInt64BE(offset + 9),
    xid: payload.readUInt32BE(offset + 17),
  };
}

export interface CommitMessage {
  readonly commitLsn: bigint;
  /** Behind the commit record: what is confirmed once the transaction is safe. */
  readonly endLsn: bigint;
  readonly commitMicros: bigint;
}

export function readCommit(
  payload: Buffer,
  offset = 0,
  end: number = payload.length,
): CommitMessage {
  checkRoom(payload, offset, 26, end);
  return commitFields(payload, offset + 2);
}

function commitFields(payload: Buffer, at: number): CommitMessage {
  return {
    commitLsn: payload.readBigUInt64BE(at),
    endLsn: payload.readBigUInt64BE(at + 8),
    commitMicros: payload.readBigInt64BE(at + 16),
  };
}

export interface TruncateMessage {
  readonly relationOids: readonly number[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
}

export function readTruncate(
  payload: Buffer,
  offset = 0,
  inStream = false,
): TruncateMessage {
  const at = fieldsAt(offset, inStream);
  const count = readUInt32(payload, at);
  checkRoom(payload, at, 5 + count * 4);
  const options = payload[at + 4]!;
  const relationOids: number[] = [];
  for (let index = 0; index < count; index += 1) {
    relationOids.push(payload.readUInt32BE(at + 5 + index * 4));
  }
  return {
    relationOids,
    cascade: (options & 1) !== 0,
    restartIdentity: (options & 2) !== 0,
  };
}

export interface StreamStartMessage {
  readonly xid: number;
  /** Nothing of this transaction was streamed before. */
  readonly isFirst: boolean;
}

export function readStreamStart(
  payload: Buffer,
  offset = 0,
): StreamStartMessage {
  checkRoom(payload, offset, 6);
  return {
    xid: payload.readUInt32BE(offset + 1),
    isFirst: payload[offset + 5] === 1,
  };
}

export interface StreamCommitMessage extends CommitMessage {
  readonly xid: number;
}

export function readStreamCommit(
  payload: Buffer,
  offset = 0,
): StreamCommitMessage {
  checkRoom(payload, offset, 30);
  return {
    xid: payload.readUInt32BE(offset + 1),
    ...commitFields(payload, offset + 6),
  };
}

export interface StreamAbortMessage {
  readonly xid: number;
  /** Equal to `xid` where the whole transaction is rolled back. */
  readonly subXid: number;
}

/** What `streaming 'parallel'` adds behind the two ids is not read. */
export function readStreamAbort(
  payload: Buffer,
  offset = 0,
): StreamAbortMessage {
  checkRoom(payload, offset, 9);
  return {
    xid: payload.readUInt32BE(offset + 1),
    subXid: payload.readUInt32BE(offset + 5),
  };
}
