import fc from 'fast-check';
import { expect, test } from 'vitest';
import type {
  JsonText,
  Mutation,
  TableMutations,
} from '../../src/mutation/mutation.ts';
import {
  type Timestamp,
  timestampFromMs,
} from '../../src/mutation/timestamp.ts';
import { type TestHouse, testHouse } from '../support/house.ts';

/** A source transaction: what it leaves in some rows of the tables a and b. */
interface Change {
  readonly table: 'a' | 'b';
  readonly id: number;
  /** Null deletes the row. */
  readonly value: number | null;
}
type Transaction = readonly Change[];

interface Delivered {
  readonly table: string;
  readonly mutation: Mutation;
}

const transactions = fc.array(
  fc.uniqueArray(
    fc.record({
      table: fc.constantFrom('a' as const, 'b' as const),
      id: fc.integer({ min: 0, max: 5 }),
      value: fc.option(fc.integer({ min: 0, max: 99 }), { freq: 4 }),
    }),
    {
      minLength: 1,
      maxLength: 5,
      selector: ({ table, id }) => `${table}${id}`,
    },
  ),
  { minLength: 1, maxLength: 25 },
);

/**
 * Numbers that decide what the changefeed contract leaves open: how rows are
 * cut into requests, what is sent again, where resolved messages stand.
 */
const chances = fc.infiniteStream(fc.nat({ max: 1_000 }));

const baseMs = 1_700_000_000_000;

function timeOf(index: number): Timestamp {
  return timestampFromMs(baseMs + index * 400);
}

function rowsOf(transaction: Transaction, index: number): Delivered[] {
  return transaction.map(({ table, id, value }) => ({
    table,
    mutation: {
      time: timeOf(index),
      key: `[${id}]` as JsonText,
      after: value === null ? null : (`{"id":${id},"v":${value}}` as JsonText),
      before: null,
    },
  }));
}

function tablesOf(rows: readonly Delivered[]): TableMutations[] {
  return [...Map.groupBy(rows, ({ table }) => table)].map(([table, group]) => ({
    table,
    mutations: group.map(({ mutation }) => mutation),
  }));
}

function stateAfter(all: readonly Transaction[]): Map<string, number> {
  const state = new Map<string, number>();
  for (const transaction of all) {
    for (const { table, id, value } of transaction) {
      if (value === null) {
        state.delete(`${table} ${id}`);
      } else {
        state.set(`${table} ${id}`, value);
      }
    }
  }
  return state;
}

async function targetState({
  database,
}: TestHouse): Promise<Map<string, number>> {
  const { rows } = await database.query<{ t: string; id: number; v: number }>(
    "select 'a' t, id, v from a union all select 'b', id, v from b",
  );
  return new Map(rows.map(({ t, id, v }) => [`${t} ${id}`, v]));
}

/**
 * Delivers as a changefeed may: per key in order, otherwise shuffled and cut
 * at will, some rows twice, now and then everything since the last resolved
 * timestamp again; resolved only when all before it is acknowledged.
 */
async function deliver(
  house: TestHouse,
  all: readonly Transaction[],
  start: number,
  chance: () => number,
  atResolved: () => Promise<void>,
): Promise<void> {
  let resolvedIndex = -1;
  for (let index = 0; index < all.length; index += 1) {
    const isLast = index === all.length - 1;
    if (!isLast && chance() % 3 !== 0) {
      continue;
    }
    const window = all
      .slice(resolvedIndex + 1, index + 1)
      .flatMap((transaction, offset) =>
        rowsOf(transaction, start + resolvedIndex + 1 + offset),
      );
    const passes = 1 + (chance() % 3 === 0 ? 1 : 0);
    for (let pass = 0; pass < passes; pass += 1) {
      // Rows of one key stay in order within a worker; workers run at will.
      const workers = Map.groupBy(window, ({ table, mutation }) => {
        const id = Number(mutation.key.slice(1, -1));
        return (id + (table === 'a' ? 0 : 3)) % 3;
      });
      const requests = [...workers.values()].map((rows) => {
        const cut: Delivered[][] = [];
        for (let at = 0; at < rows.length;) {
          const size = 1 + (chance() % 4);
          cut.push(rows.slice(at, at + size));
          if (chance() % 5 === 0) {
            cut.push(rows.slice(at, at + size));
          }
          at += size;
        }
        return cut;
      });
      await Promise.all(
        requests.map(async (queue) => {
          const feed = (await house.pipelines.open(house.schema))!;
          for (const request of queue) {
            await feed.accept(tablesOf(request));
          }
        }),
      );
    }
    const feed = (await house.pipelines.open(house.schema))!;
    await feed.resolve(timeOf(start + index));
    resolvedIndex = index;
    await atResolved();
  }
}

async function applied(house: TestHouse, time: Timestamp): Promise<void> {
  for (;;) {
    const [pipeline] = house.pipelines.all;
    if (pipeline && pipeline.status.applied >= time) {
      return;
    }
    await new Promise((done) => setTimeout(done, 2));
  }
}

async function emptyTables({ database }: TestHouse): Promise<void> {
  await database.query(
    'drop table if exists a, b; create table a (id int primary key, v int); create table b (id int primary key, v int)',
  );
}

test.each(['consistent', 'immediate'] as const)(
  'in %s mode any split, repetition and reordering that a changefeed may do leaves the same rows',
  async (mode) => {
    await using house = await testHouse({ mode, sequencer: { flushSize: 7 } });
    await emptyTables(house);
    let start = 0;
    await fc.assert(
      fc.asyncProperty(transactions, chances, async (all, stream) => {
        await house.database.query('truncate a, b');
        const chance = (): number => stream.next().value as number;
        await deliver(house, all, start, chance, async () => {});
        await applied(house, timeOf(start + all.length - 1));
        // The next run lies behind this one in time, as a feed's life goes on.
        start += all.length;
        expect(await targetState(house)).toEqual(stateAfter(all));
      }),
      { numRuns: 100 },
    );
  },
);

test('a restart at any resolved timestamp leaves the same rows', async () => {
  await using house = await testHouse({ sequencer: { flushSize: 3 } });
  await emptyTables(house);
  let start = 0;
  await fc.assert(
    fc.asyncProperty(transactions, chances, async (all, stream) => {
      await house.database.query('truncate a, b');
      const chance = (): number => stream.next().value as number;
      await deliver(house, all, start, chance, async () => {
        if (chance() % 2 === 0) {
          await house.restart();
        }
      });
      await applied(house, timeOf(start + all.length - 1));
      start += all.length;
      expect(await targetState(house)).toEqual(stateAfter(all));
    }),
    { numRuns: 60 },
  );
});
