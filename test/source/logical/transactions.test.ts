import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { zeroTimestamp } from '../../../src/mutation/timestamp.ts';
import { RowDecoder } from '../../../src/source/logical/decode/row-decoder.ts';
import { Spool } from '../../../src/source/logical/spool.ts';
import { Transactions } from '../../../src/source/logical/transactions.ts';
import { TypeCatalog } from '../../../src/source/logical/decode/type-catalog.ts';
import type {
  SourceStep,
  TransactionFeed,
} from '../../../src/source/source.ts';
import { plainShape } from '../../support/recording-feed.ts';
import {
  insertMessage,
  int32,
  int64,
  message,
  relationMessage,
} from './decode/message-bytes.ts';

const micros = 800_000_000_000_000n;

test('a source that sends nothing but what is left out, and no keepalive, may forget it all the same', async () => {
  const shape = plainShape({ item: ['id'] });
  const steps: SourceStep[] = [];
  const feed: TransactionFeed = {
    schema: shape.name,
    shape: () => shape,
    refreshShape: () => Promise.resolve(shape),
    position: () => Promise.resolve(null),
    begin: () => Promise.resolve(zeroTimestamp),
    advance: async (step) => void steps.push(step),
    admit() {},
  };
  const decoder = new RowDecoder({
    types: new TypeCatalog(() => Promise.reject(new Error('not asked'))),
    target: () => null,
  });
  await using spool = new Spool('/nonexistent');
  const confirmed: bigint[] = [];
  const transactions = new Transactions({
    feed,
    decoder,
    spool,
    learnRelation: (payload) => decoder.relation(payload),
    learnTruncation: () => undefined,
    isSourceLeaving: () => Promise.resolve(false),
    resolved: zeroTimestamp,
    stagedLsn: 0n,
    positionAt: String,
    confirm: (lsn) => confirmed.push(lsn),
    failed: (error) => {
      throw error;
    },
    bufferBytes: 1 << 20,
    runLimits: null,
    spoolBytes: 1 << 20,
    observer: { transactions() {}, staged() {}, waitingForStaging() {} },
  });
  await transactions.message(
    relationMessage({ columns: [{ name: 'id', isKey: true }] }),
  );

  let lsn = 0n;
  while (confirmed.length < 2) {
    lsn += 100n;
    for (const payload of [
      message('B', int64(lsn), int64(micros + lsn), int32(1)),
      insertMessage(['a']),
      message(
        'C',
        Buffer.from([0]),
        int64(lsn),
        int64(lsn + 10n),
        int64(micros + lsn),
      ),
    ]) {
      await transactions.message(payload);
    }
    transactions.paused(false);
    await sleep(5);
  }

  expect(steps.every(({ tables }) => tables.length === 0)).toBe(true);
  expect(steps.map(({ position }) => position)).toEqual(confirmed.map(String));
  const [first, second] = steps;
  expect(second!.resolved > first!.resolved).toBe(true);
});
