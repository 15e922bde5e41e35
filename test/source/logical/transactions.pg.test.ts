import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplicatorError } from '../../../src/failure/failure.ts';
import type { Timestamp } from '../../../src/mutation/timestamp.ts';
import { RowDecoder } from '../../../src/source/logical/decode/row-decoder.ts';
import { Spool } from '../../../src/source/logical/spool.ts';
import { Transactions } from '../../../src/source/logical/transactions.ts';
import { TypeCatalog } from '../../../src/source/logical/decode/type-catalog.ts';
import type { TransactionFeed } from '../../../src/source/source.ts';
import { status, until } from '../../support/fed-house.ts';
import { type TestHouse, testHouse } from '../../support/house.ts';
import {
  deleteMessage,
  inStream,
  insertMessage,
  int32,
  int64,
  message,
  relationMessage,
  updateMessage,
} from './decode/message-bytes.ts';
import { untilLate } from '../../support/until-late.ts';

const relation = relationMessage({
  columns: [
    { name: 'id', isKey: true, typeOid: 23 },
    { name: 'v', typeOid: 25 },
  ],
});
/** Of every commit: the clock of the source stands still. */
const micros = 800_000_000_000_000n;

interface Change {
  readonly id: number;
  /** Null deletes. */
  readonly v: string | null;
  /** Which savepoint it is behind. */
  readonly sub: number;
}

interface Script {
  readonly changes: readonly Change[];
  readonly isStreamed: boolean;
  readonly isRolledBack: boolean;
  /** Savepoints that were rolled back; only streamed ones are sent at all. */
  readonly undone: readonly number[];
  /** How many transactions before its own end its first chunk is sent. */
  readonly lead: number;
}

const scripts = fc.array(
  fc.record({
    changes: fc.array(
      fc.record({
        id: fc.nat(9),
        v: fc.option(
          fc.nat(400).map((length) => 'v'.repeat(length)),
          { freq: 4 },
        ),
        sub: fc.nat(2),
      }),
      { maxLength: 12 },
    ),
    isStreamed: fc.boolean(),
    isRolledBack: fc.boolean(),
    undone: fc.subarray([1, 2]),
    lead: fc.nat(3),
  }),
  { minLength: 1, maxLength: 25 },
);

/** What the source sends, in order. */
interface Event {
  readonly payload: Buffer | 'keepalive' | 'pause';
  readonly transaction: number;
}

/** As the source would send it, and what its table holds at the end. */
function written(list: readonly Script[]): {
  events: Event[];
  rows: Map<number, string>;
} {
  const rows = new Map<number, string>();
  const bodies = list.map((script) => body(script, rows));
  const events: Event[] = [];
  const chunks = list.map(() => 0);
  for (const [index, script] of list.entries()) {
    // Streamed ones that end later have a chunk sent before this one's end.
    for (let later = index; later < list.length; later += 1) {
      const other = list[later]!;
      if (other.isStreamed && later - index <= other.lead) {
        const from = chunks[later]!;
        const through =
          later === index
            ? bodies[later]!.length
            : from + Math.ceil((bodies[later]!.length - from) / 2);
        chunks[later] = through;
        const part = bodies[later]!.slice(from, through);
        events.push(
          ...[
            message(
              'S',
              int32(xidOf(later)),
              Buffer.from([from === 0 ? 1 : 0]),
            ),
            ...part,
            message('E'),
          ].map((payload) => ({ payload, transaction: later })),
        );
      }
    }
    events.push(
      ...endOf(script, index, bodies[index]!).map((payload) => ({
        payload,
        transaction: index,
      })),
      { payload: index % 3 === 0 ? 'keepalive' : 'pause', transaction: index },
    );
  }
  return { events, rows };
}

function body(script: Script, rows: Map<number, string>): Buffer[] {
  const { isStreamed, changes } = script;
  const isUndone = ({ sub }: Change): boolean =>
    isStreamed && (script.isRolledBack || script.undone.includes(sub));
  const messages = [relation];
  const subs = [0];
  for (const change of changes) {
    const id = String(change.id);
    const isThere = rows.has(change.id);
    if (change.v === null) {
      if (!isThere) {
        continue;
      }
      messages.push(deleteMessage('K', [id, null]));
    } else {
      messages.push(
        isThere ? updateMessage([id, change.v]) : insertMessage([id, change.v]),
      );
    }
    subs.push(change.sub);
    if (isUndone(change)) {
      continue;
    }
    if (change.v === null) {
      rows.delete(change.id);
    } else {
      rows.set(change.id, change.v);
    }
  }
  return isStreamed
    ? messages.map((plain, index) => inStream(plain, 1000 + subs[index]!))
    : messages;
}

function endOf(
  { isStreamed, isRolledBack, undone }: Script,
  index: number,
  plain: readonly Buffer[],
): Buffer[] {
  const commit = message(
    int64(lsnOf(index)),
    int64(endOfLsn(index)),
    int64(micros),
  );
  const xid = int32(xidOf(index));
  if (!isStreamed) {
    return [
      message('B', int64(lsnOf(index)), int64(micros), xid),
      ...plain,
      message('C', Buffer.from([0]), commit),
    ];
  }
  return isRolledBack
    ? [message('A', xid, xid)]
    : [
        ...undone.map((sub) => message('A', xid, int32(1000 + sub))),
        message('c', xid, Buffer.from([0]), commit),
      ];
}

const xidOf = (index: number): number => 10_000 + index;
const lsnOf = (index: number): bigint => BigInt(1_000 * (index + 1));
const endOfLsn = (index: number): bigint => lsnOf(index) + 100n;

/** A server that sends what is not confirmed, and a daemon that may die. */
class Run {
  readonly #house: TestHouse;
  readonly #folder: string;
  confirmed = 0n;
  #reader = 0;

  constructor(house: TestHouse, folder: string) {
    this.#house = house;
    this.#folder = folder;
  }

  /** Reads `limit` events at most, then dies, or finishes in good order. */
  async read(events: readonly Event[], limit: number): Promise<void> {
    this.#reader += 1;
    const reader = this.#reader;
    const positionAt = (lsn: bigint): string => `${reader}:${lsn}`;
    const { pipelines, schema } = this.#house;
    // Of its own, as another process has it.
    const feed = (await pipelines.openTransactions(schema))!;
    const { noted, resolved } = await begun(feed, positionAt);
    await using spool = new Spool(this.#folder);
    const decoder = new RowDecoder({
      types: new TypeCatalog(() => Promise.reject(new Error('not asked'))),
      target: () => ({
        name: 'item',
        shape: feed.shape().tables.get('item')!,
      }),
    });
    const failures: unknown[] = [];
    const transactions = new Transactions({
      feed,
      decoder,
      spool,
      learnRelation: (payload) => decoder.relation(payload),
      learnTruncation: () => undefined,
      isSourceLeaving: () => Promise.resolve(false),
      resolved,
      stagedLsn: noted,
      positionAt,
      confirm: (lsn) => {
        if (reader === this.#reader) {
          expect(lsn).toBeGreaterThanOrEqual(this.confirmed);
          this.confirmed = lsn;
        }
      },
      failed: (error) => failures.push(error),
      bufferBytes: 2_500,
      runLimits: { rows: 1000, transactions: 1000 },
      spoolBytes: 1 << 20,
      observer: {
        transactions: () => {},
        staged: () => {},
        waitingForStaging: () => {},
      },
    });
    // Whatever ended at or before what is confirmed is not sent again.
    const from = this.confirmed;
    // What a reader that died has staged is confirmed first (logical-source.ts).
    this.confirmed = noted > from ? noted : from;
    const sent = events.filter(({ transaction }) => lsnOf(transaction) >= from);
    for (const { payload, transaction } of sent.slice(0, limit)) {
      if (payload === 'pause') {
        transactions.paused(false);
      } else if (payload === 'keepalive') {
        await transactions.keepalive(
          endOfLsn(transaction) + 10n,
          micros,
          transaction % 2 === 0,
        );
      } else {
        await transactions.message(payload);
      }
    }
    if (limit >= sent.length) {
      await transactions.finish();
      expect(failures).toEqual([]);
    }
  }
}

async function begun(
  feed: TransactionFeed,
  positionAt: (lsn: bigint) => string,
): Promise<{ readonly noted: bigint; readonly resolved: Timestamp }> {
  for (;;) {
    const position = await feed.position();
    const noted = BigInt(position?.split(':')[1] ?? 0);
    try {
      const resolved = await feed.begin(positionAt(noted), position);
      return { noted, resolved };
    } catch (error) {
      // A step of the one that died has landed in between.
      if (!(error instanceof ReplicatorError && error.code === 'E2010')) {
        throw error;
      }
    }
  }
}

async function expectRows(
  house: TestHouse,
  rows: ReadonlyMap<number, string>,
): Promise<void> {
  await until(async () => {
    const { resolved } = await house.store.checkpoint(house.schema);
    return status(house).applied >= resolved;
  });
  const found = await house.database.query<{ id: number; v: string }>(
    'select id, v from item',
  );
  expect(new Map(found.rows.map(({ id, v }) => [id, v]))).toEqual(rows);
}

test('whatever a source sends, whole or streamed, and however often its reader dies, the target ends with what the source has', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'transactions-'));
  try {
    await fc.assert(
      fc.asyncProperty(
        scripts,
        fc.array(fc.nat(120), { maxLength: 5 }),
        untilLate(60_000, async (list, deaths) => {
          await using house = await testHouse({
            sequencer: { isStatementOrder: true },
          });
          await house.database.query(
            'create table item (id int primary key, v text)',
          );
          const { events, rows } = written(list);
          const run = new Run(house, folder);
          for (const death of deaths) {
            await run.read(events, death);
          }
          await run.read(events, Infinity);
          // An end that is not known to be durable would be sent once more.
          const last = list.findLastIndex(
            ({ isStreamed, isRolledBack }) => !isStreamed || !isRolledBack,
          );
          if (last >= 0) {
            expect(run.confirmed).toBeGreaterThanOrEqual(endOfLsn(last));
          }
          await expectRows(house, rows);
        }),
      ),
      { numRuns: 25 },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
