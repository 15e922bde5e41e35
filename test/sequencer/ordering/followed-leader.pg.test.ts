/**
 * Batches that get ready behind an elder, on its connection, or beside it with
 * the rows that they do not share with it, while all may fail.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import {
  asReplicatorError,
  ReplicatorError,
} from '../../../src/failure/failure.ts';
import {
  timestampFromMs,
  wallTimeMs,
  zeroTimestamp,
} from '../../../src/mutation/timestamp.ts';
import { OrderedApply } from '../../../src/sequencer/ordering/ordered-apply.ts';
import { createApplier } from '../../../src/target/applier.ts';
import type {
  Target,
  TargetCheckpoint,
  TargetTransaction,
} from '../../../src/target/target.ts';
import {
  type PostgresFixture,
  postgresFixture,
} from '../../target/postgres/fixture.ts';
import { wrapBegin } from '../wrapped-target.ts';
import { batchOf, gate, scene } from './ordered-scene.ts';

const runCount = 100;
const batchCount = 10;

test('what an elder has written is there for the batch that follows it on its connection', async () => {
  const second = gate();
  await using stage = await scene(
    `create table t (id int primary key, v int);
     create table log (id int primary key)`,
    async (number) => {
      if (number === 2) {
        second.open();
      }
    },
    {
      mayFollow: () => true,
      // The elder commits when the younger one is ready, and not before.
      after: async (number) => {
        if (number === 1) {
          await second.opened;
        }
      },
    },
  );
  await stage.apply.submit(batchOf(1, { t: [[1, { v: 1 }]], log: [[1, {}]] }));
  await stage.apply.submit(
    batchOf(2, { t: [[1, { v: 2 }]], log: [[1, null]] }),
  );
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2]);
  expect(stage.gaveWay).toEqual([]);
  expect(await stage.rows('select * from t')).toEqual([{ id: 1, v: 2 }]);
  expect(await stage.rows('select * from log')).toEqual([]);
});

test('a batch whose elder has to run again runs again behind it, and nobody hears of it', async () => {
  const second = gate();
  await using stage = await scene(
    'create table t (id int primary key, v int)',
    async (number) => {
      if (number === 3) {
        second.open();
      }
    },
    {
      mayFollow: () => true,
      after: async (number) => {
        if (number === 2 && !stage.gaveWay.includes('E4003')) {
          await second.opened;
          throw new ReplicatorError('E4003');
        }
        if (number === 1) {
          await second.opened;
          await sleep(50);
        }
      },
    },
  );
  await stage.apply.submit(batchOf(1, { t: [[9, { v: 1 }]] }));
  await stage.apply.submit(batchOf(2, { t: [[1, { v: 2 }]] }));
  await stage.apply.submit(batchOf(3, { t: [[1, { v: 3 }]] }));
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2, 3]);
  expect(stage.gaveWay).toEqual(['E4003']);
  expect(await stage.rows('select * from t order by id')).toEqual([
    { id: 1, v: 3 },
    { id: 9, v: 1 },
  ]);
});

test('batches that write beside elders what they do not share leave a connection to an elder that has yet to begin', async () => {
  const first = gate();
  await using stage = await scene(
    'create table t (id int primary key, v int)',
    async (number) => {
      if (number === 1) {
        await first.opened;
      }
    },
    { mayFollow: () => true, maxConnections: 2 },
  );
  const wide = (from: number): [id: number, after: object][] =>
    Array.from({ length: 300 }, (_, at) => [from + at, { v: 0 }]);
  const apply = stage.apply;
  await apply.submit(batchOf(1, { t: [1, 2].map((id) => [id, { v: 1 }]) }));
  await apply.submit(batchOf(2, { t: [[1, { v: 2 }]] }));
  await sleep(50);
  // The first has its follower already.
  await apply.submit(batchOf(3, { t: [[2, { v: 3 }]] }));
  await sleep(50);
  await apply.submit(batchOf(4, { t: [[1, { v: 4 }], ...wide(1_000)] }));
  await apply.submit(batchOf(5, { t: [[1, { v: 5 }], ...wide(2_000)] }));
  await sleep(50);
  first.open();
  await apply.drain();
  expect(stage.gaveWay).toEqual([]);
  expect(stage.committed).toEqual([1, 2, 3, 4, 5]);
});

test('no batch is lost, torn or out of order, whatever fails around one that follows another', async () => {
  const faults = await runAll(0);
  expect(faults.followCount).toBeGreaterThan(runCount);
});

test('no batch is lost, torn or out of order, whatever fails around one that writes beside another what they do not share', async () => {
  const faults = await runAll(220);
  expect(faults.besideCount).toBeGreaterThan(runCount);
});

/** `wideCount`: rows that a batch shares with the fifth before it alone. */
async function runAll(wideCount: number): Promise<Faults> {
  await using fixture = await postgresFixture();
  await fixture.sql(
    `create table hot (id int primary key, n int not null);
     create table log (id int primary key);
     create table wide (id int primary key, n int not null)`,
  );
  const faults = new Faults(fixture);
  let checkpoint: TargetCheckpoint | null = null;
  for (let run = 0; run < runCount; run += 1) {
    checkpoint = await faults.passed(() =>
      fixture.target.claimCheckpoint(fixture.schema, 'here', null),
    );
    expect(checkpoint).not.toBeNull();
    await runOnce({ fixture, faults, wideCount }, checkpoint!);
  }
  expect(faults.failureCount).toBeGreaterThan(runCount / 2);
  expect(fixture.target.poolCounts().total).toBe(
    fixture.target.poolCounts().idle,
  );
  return faults;
}

/** Ten batches, each of which writes the row of the one before, and deletes its other one. */
async function runOnce(
  {
    fixture,
    faults,
    wideCount,
  }: {
    readonly fixture: PostgresFixture;
    readonly faults: Faults;
    readonly wideCount: number;
  },
  claimed: TargetCheckpoint,
): Promise<void> {
  const { schema } = fixture;
  const target = faults.around(fixture.target);
  const shape = (await fixture.target.introspect(schema))!;
  let inTarget = claimed;
  const first = numberOf(inTarget);
  const last = first + batchCount;
  const stop = new AbortController();
  const watching = watch(fixture, wideCount, stop.signal);
  while (numberOf(inTarget) < last) {
    const committed: number[] = [];
    const before = inTarget;
    try {
      await using apply = new OrderedApply(
        {
          target,
          applier: createApplier({ collapse: true }),
          order: 'upserts-first',
          shape,
          parallelism: 8,
          taskGracePeriodMs: 10_000,
          commitInOrder: true,
          mayFollow: () => true,
          lockGrain: 'fine',
          budgetLength: 1 << 20,
          markFor: (through) => ({
            schema,
            checkpoint: { ...inTarget, applied: through },
            previous: inTarget.applied,
          }),
          onCommitted: ({ through }) => {
            inTarget = { ...inTarget, applied: through };
            committed.push(wallTimeMs(through));
          },
          onOpenTransactions: () => {},
        },
        new AbortController().signal,
      );
      for (let number = numberOf(inTarget) + 1; number <= last; number += 1) {
        await apply.submit(
          batchOf(number, {
            hot: [[0, { n: number }]],
            log: [
              [number - 1, null],
              [number, {}],
            ],
            ...(wideCount > 0 && { wide: wideRows(number, wideCount) }),
          }),
        );
      }
      await apply.drain();
    } catch (error) {
      faults.failureCount += 1;
      expect(asReplicatorError(error).disposition).toBe('retry');
    }
    expect(committed).toEqual(
      committed.map((_, index) => numberOf(before) + 1 + index),
    );
    const found = await faults.passed(() => fixture.target.checkpoint(schema));
    expect(numberOf(found!)).toBeGreaterThanOrEqual(numberOf(inTarget));
    inTarget = found!;
  }
  stop.abort();
  await watching;
  expect(await fixture.rows('select n from hot')).toEqual([[String(last)]]);
  expect(await fixture.rows('select id from log')).toEqual([[String(last)]]);
}

const wideClasses = 5;

function wideRows(
  number: number,
  count: number,
): [id: number, after: { n: number }][] {
  const first = (number % wideClasses) * count;
  return Array.from({ length: count }, (_, at) => [first + at, { n: number }]);
}

/** What all `wide` rows add up to behind so many batches. */
function wideSum(number: number, count: number): number {
  let sum = 0;
  for (let at = 0; at < wideClasses && number > at; at += 1) {
    sum += (number - at) * count;
  }
  return sum;
}

function numberOf({ applied }: TargetCheckpoint): number {
  return applied === zeroTimestamp ? 0 : wallTimeMs(applied);
}

/** Every state that a reader sees is that of one batch, whole. */
async function watch(
  fixture: PostgresFixture,
  wideCount: number,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    const [[applied, hot, log, wide]] = (await fixture.rows(
      `select (select applied from replicator_checkpoint),
              (select coalesce(max(n), 0) from hot),
              (select coalesce(string_agg(id::text, ','), '0') from log),
              (select coalesce(sum(n), 0) from wide)`,
    )) as [[string, string, string, string]];
    const number = applied === zeroTimestamp ? 0 : wallTimeMs(applied as never);
    expect({ hot, log, wide }).toEqual({
      hot: String(number),
      log: String(number),
      wide: String(wideSum(number, wideCount)),
    });
    await sleep(1);
  }
}

/** Fails one call in some, before or after it has had its effect. */
class Faults {
  readonly #fixture: PostgresFixture;
  followCount = 0;
  /** Transactions that began while another one was open. */
  besideCount = 0;
  #openCount = 0;
  failureCount = 0;
  /** Resolves when no session is ended any more. */
  #killed: Promise<void> = Promise.resolve();

  constructor(fixture: PostgresFixture) {
    this.#fixture = fixture;
  }

  /** What is asked outside of transactions, once sessions that ended are gone. */
  async passed<T>(ask: () => Promise<T>): Promise<T> {
    await this.#killed;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        expect(asReplicatorError(error).disposition).toBe('retry');
      }
    }
  }

  around(target: Target): Target {
    return wrapBegin(target, async (signal) => {
      const transaction = await target.begin(signal);
      this.besideCount += this.#openCount > 0 ? 1 : 0;
      return this.#transaction(transaction);
    });
  }

  #transaction(inner: TargetTransaction): TargetTransaction {
    const written = async (write: () => Promise<void>): Promise<void> => {
      await this.#pause();
      if (chance(60)) {
        throw new ReplicatorError('E4002', { detail: 'before a statement' });
      }
      await write();
      if (chance(60)) {
        throw new ReplicatorError('E4002', { detail: 'behind a statement' });
      }
    };
    this.#openCount += 1;
    return {
      parking: inner.parking,
      upsert: (rows) => written(() => inner.upsert(rows)),
      delete: (keys) => written(() => inner.delete(keys)),
      commit: async (mark) => {
        if (chance(30)) {
          // As if another one had moved it: refused by the target itself.
          const previous = timestampFromMs(999_999_999);
          await inner.commit({ ...mark!, previous } as never);
        }
        if (chance(30)) {
          this.#killed = this.#kill();
        }
        await inner.commit(mark);
        if (chance(30)) {
          throw new ReplicatorError('E4002', { detail: 'behind a commit' });
        }
      },
      follow: () => {
        const follower = inner.follow!();
        this.followCount += follower ? 1 : 0;
        return follower && this.#transaction(follower);
      },
      keepAlive: () => inner.keepAlive(),
      waitsForLock: () => inner.waitsForLock(),
      [Symbol.asyncDispose]: () => {
        this.#openCount -= 1;
        return inner[Symbol.asyncDispose]();
      },
    } as TargetTransaction;
  }

  async #pause(): Promise<void> {
    if (chance(3)) {
      await sleep(Math.random() * 4);
    }
  }

  /** All sessions of the target, at some time during the commit or behind it. */
  async #kill(): Promise<void> {
    await sleep(Math.random() * 2);
    await this.#fixture.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()
         and application_name like 'replicator%'`,
    );
  }
}

function chance(oneIn: number): boolean {
  return Math.random() * oneIn < 1;
}
