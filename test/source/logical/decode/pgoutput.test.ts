import { describe, expect, test } from 'vitest';
import {
  messageKindName,
  readBegin,
  readCommit,
  readStreamAbort,
  readStreamCommit,
  readStreamedXid,
  readStreamStart,
  readTruncate,
} from '../../../../src/source/logical/decode/pgoutput.ts';
import { readRelation } from '../../../../src/source/logical/decode/relations.ts';
import {
  inStream,
  int32,
  int64,
  message,
  relationMessage,
} from './message-bytes.ts';

const lsn = 0x16_b374_d848n;
const commitTail = message(int64(lsn), int64(lsn + 48n), int64(-5n));
const samples = {
  begin: message('B', int64(lsn), int64(1n), int32(-1)),
  commit: message('C', '\0', commitTail),
  relation: relationMessage({
    columns: [{ name: 'a' }, { name: 'é', isKey: true, typeOid: 4e9 }],
  }),
  truncate: message('T', int32(2), '\u0003', int32(1), int32(-1)),
  streamStart: message('S', int32(7), '\u0001'),
  streamCommit: message('c', int32(7), '\0', commitTail),
  streamAbort: message('A', int32(7), int32(8)),
};

const readers: Record<
  keyof typeof samples,
  (payload: Buffer, offset: number) => unknown
> = {
  begin: readBegin,
  commit: readCommit,
  relation: readRelation,
  truncate: readTruncate,
  streamStart: readStreamStart,
  streamCommit: readStreamCommit,
  streamAbort: readStreamAbort,
};

const names = Object.keys(samples) as (keyof typeof samples)[];

describe('a message of pgoutput', () => {
  test('is read wherever it stands in its payload', () => {
    const read = (name: (typeof names)[number], padding: number): unknown =>
      readers[name](
        message(Buffer.alloc(padding, 0xff), samples[name]),
        padding,
      );
    for (const name of names) {
      expect(read(name, 25), name).toEqual(read(name, 0));
    }
    expect(read('begin', 3)).toEqual({
      finalLsn: lsn,
      commitMicros: 1n,
      xid: 4_294_967_295,
    });
    const commit = { commitLsn: lsn, endLsn: lsn + 48n, commitMicros: -5n };
    expect(read('commit', 3)).toEqual(commit);
    expect(read('streamCommit', 3)).toEqual({ xid: 7, ...commit });
    expect(read('streamAbort', 3)).toEqual({ xid: 7, subXid: 8 });
    expect(read('streamStart', 3)).toEqual({ xid: 7, isFirst: true });
    expect(read('truncate', 3)).toEqual({
      relationOids: [1, 4_294_967_295],
      cascade: true,
      restartIdentity: true,
    });
    expect(read('relation', 3)).toEqual({
      oid: 16_400,
      schema: 'public',
      table: 'item',
      replicaIdentity: 'default',
      columns: [
        { name: 'a', isKey: false, typeOid: 25, typeModifier: -1 },
        { name: 'é', isKey: true, typeOid: 4e9, typeModifier: -1 },
      ],
    });
  });

  test('carries its transaction inside a stream', () => {
    const relation = inStream(samples.relation);
    expect(readStreamedXid(relation)).toBe(77);
    expect(readRelation(relation, 0, true)).toEqual(
      readRelation(samples.relation),
    );
    expect(readTruncate(inStream(samples.truncate), 0, true)).toEqual(
      readTruncate(samples.truncate),
    );
  });

  test.each(names)('is refused wherever it is cut short: %s', (name) => {
    const whole = samples[name];
    for (let length = 0; length < whole.length; length += 1) {
      // In a larger buffer, where the bytes behind it are somebody else's.
      const cut = Buffer.from(whole).subarray(0, length);
      expect(() => readers[name](cut, 0), `${length} bytes`).toThrow(
        expect.objectContaining({ code: 'E6009' }),
      );
    }
  });

  test('is known by its kind, those of two-phase commit too', () => {
    const kinds = Array.from('BCORYIUDTMSEcAbPKrp');
    expect(
      kinds.map((kind) => messageKindName(kind.charCodeAt(0))),
    ).not.toContain('unknown');
    expect(messageKindName(0x78)).toBe('unknown');
  });

  test('describes no table whose replica identity is unknown', () => {
    expect(() =>
      readRelation(relationMessage({ identity: 'x', columns: [] })),
    ).toThrow(expect.objectContaining({ code: 'E6009' }));
  });

  test('tells tables of pg_catalog, whose schema it leaves out', () => {
    expect(
      readRelation(relationMessage({ schema: '', columns: [] })).schema,
    ).toBe('pg_catalog');
  });
});
