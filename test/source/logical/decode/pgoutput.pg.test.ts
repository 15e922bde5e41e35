/** Messages as a server writes them; those it seldom sends are in the unit test. */
import { expect, test } from 'vitest';
import type { Timestamp } from '../../../../src/mutation/timestamp.ts';
import { zeroTimestamp } from '../../../../src/mutation/timestamp.ts';
import { CommitClock } from '../../../../src/source/logical/commit-clock.ts';
import {
  messageKindName,
  messageKinds,
  readBegin,
  readCommit,
  readStreamAbort,
  readStreamCommit,
  readStreamedXid,
  readStreamStart,
} from '../../../../src/source/logical/decode/pgoutput.ts';
import { readRelation } from '../../../../src/source/logical/decode/relations.ts';
import { startPostgresServer } from '../../../support/postgres-server.ts';
import { decodedSlot } from './decoded-slot.ts';

test('what a server says around its changes is read, streamed or not', async () => {
  await using server = await startPostgresServer({
    fsync: false,
    settings: {
      wal_level: 'logical',
      track_commit_timestamp: 'on',
      // Streams every transaction that is asked to be streamed.
      debug_logical_replication_streaming: 'immediate',
    },
  });
  await using slot = await decodedSlot(server, 'messages');
  await slot.sql(
    'create table source.item (id int8 primary key, "N ü" numeric(6,2))',
  );
  await slot.sql(
    'create table target.item (id int8 primary key, "N ü" numeric(6,2))',
  );
  await slot.refresh();
  await slot.sql(`select pg_replication_origin_create('elsewhere')`);
  await slot.sql(`select pg_replication_origin_session_setup('elsewhere')`);
  const work = `
    begin;
    select pg_replication_origin_xact_setup('16/B374D848', '2024-02-29 12:34:56+00');
    insert into source.item values (1, 2.50);
    select pg_logical_emit_message(true, 'prefix', 'content é');
    savepoint here;
    insert into source.item values (2, 2);
    rollback to here;
    insert into source.item values (3, null);
    commit`;
  await slot.sql(work);
  const [xid, micros] = (
    await slot.rows(`
      select xmin, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000000)::int8
      from source.item where id = 1`)
  )[0]!;
  await slot.sql('truncate source.item');

  const plain = await slot.messages();
  expect(plain.map((data) => messageKindName(data[0]!))).toEqual([
    'begin',
    'origin',
    'relation',
    'insert',
    'logicalMessage',
    'insert',
    'commit',
    'begin',
    'origin',
    // Emptying a table gives it another file.
    'relation',
    'truncate',
    'commit',
  ]);
  const begin = readBegin(plain[0]!);
  const commit = readCommit(plain[6]!);
  expect(begin.xid).toBe(Number(xid));
  expect(new CommitClock(zeroTimestamp).next(begin.commitMicros)).toBe(
    `${micros}000.0000000000`,
  );
  expect(commit.commitLsn).toBe(begin.finalLsn);
  expect(commit.commitMicros).toBe(begin.commitMicros);
  expect(commit.endLsn).toBeGreaterThan(commit.commitLsn);
  const [[oid]] = (await slot.rows(`select 'source.item'::regclass::oid`)) as [
    [string],
  ];
  expect(readRelation(plain[2]!)).toEqual({
    oid: Number(oid),
    schema: 'source',
    table: 'item',
    replicaIdentity: 'default',
    columns: [
      { name: 'id', isKey: true, typeOid: 20, typeModifier: -1 },
      { name: 'N ü', isKey: false, typeOid: 1700, typeModifier: 393_222 },
    ],
  });

  await slot.sql(work);
  await slot.sql('begin; insert into source.item values (9, 9)');
  await slot.sql('truncate source.item; rollback');
  // A rollback waits for no flush, and only what is flushed is read.
  await slot.sql('create table flushed ()');
  const streamed = await slot.messages('parallel');
  const kinds = streamed.map((data) => data[0]!);
  const after: unknown[] = [];
  const xids = new Set<number>();
  let streamXid = 0;
  for (const [index, data] of streamed.entries()) {
    const kind = kinds[index]!;
    const inStream = streamXid !== 0;
    const put = {
      put(_table: unknown, _columns: unknown, mutation: { after: unknown }) {
        after.push(mutation.after);
      },
    };
    switch (kind) {
      case messageKinds.streamStart: {
        const start = readStreamStart(data);
        expect(start.isFirst).toBe(!xids.has(start.xid));
        xids.add(start.xid);
        streamXid = start.xid;
        break;
      }
      case messageKinds.streamStop:
        streamXid = 0;
        break;
      case messageKinds.streamAbort: {
        const { xid: whole, subXid } = readStreamAbort(data);
        after.push(subXid === whole ? 'abort' : 'abort of a part');
        expect(xids.has(whole)).toBe(true);
        break;
      }
      case messageKinds.streamCommit: {
        const end = readStreamCommit(data);
        expect(xids.has(end.xid)).toBe(true);
        expect(end.endLsn).toBeGreaterThan(end.commitLsn);
        // Both are of the origin's commit.
        expect(end.commitMicros).toBe(begin.commitMicros);
        after.push('commit');
        break;
      }
      case messageKinds.relation:
        await slot.decoder.relation(data, 0, inStream);
        break;
      case messageKinds.logicalMessage:
      case messageKinds.origin:
        break;
      default:
        expect(readStreamedXid(data)).toBeGreaterThanOrEqual(streamXid);
        slot.decoder.change(data, 0, '' as Timestamp, put, inStream);
    }
  }
  expect(after).toEqual([
    '{"id":1,"N ü":2.50}',
    '{"id":2,"N ü":2.00}',
    'abort of a part',
    '{"id":3,"N ü":null}',
    'commit',
    '{"id":9,"N ü":9.00}',
    'abort',
  ]);
});
