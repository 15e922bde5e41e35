/**
 * Transactions that a PostgreSQL source takes statement by statement, at a
 * target that looks at its constraints with each of its own statements.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PostgresServer } from '../support/postgres-server.ts';
import { slotHouse, startSlotServer } from '../support/slot-house.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

interface Story {
  readonly setup: string;
  /** At the target before the others. */
  readonly first: string;
  /** A transaction each. */
  readonly transactions: readonly string[];
}

const badges =
  'create table t (id int8 primary key, code text not null unique)';
const threeBadges = `insert into t values (1, 'a'), (2, 'b'), (3, 'c')`;

const stories: Readonly<Record<string, Story>> = {
  'unique values that may not be null are swapped through a third': {
    setup: badges,
    first: threeBadges,
    transactions: [
      `update t set code = 'x' where id = 1; update t set code = 'a' where id = 2; update t set code = 'b' where id = 1`,
      `update t set code = 'x' where id = 1; update t set code = 'b' where id = 3; update t set code = 'c' where id = 1`,
    ],
  },
  'unique values of rows that are gone go to new rows and to old ones': {
    setup: badges,
    first: threeBadges,
    transactions: [
      `delete from t where id = 1; insert into t values (4, 'a'); update t set code = 'd' where id = 2; insert into t values (1, 'b')`,
      `delete from t where id = 1; update t set code = 'b' where id = 3; insert into t values (1, 'c')`,
    ],
  },
  'unique values are swapped between rows with large values that are not sent':
    {
      setup: `create table t (id int8 primary key, code text not null unique, long text); alter table t alter long set storage external`,
      first: `insert into t values (1, 'a', repeat('x', 9000)), (2, 'b', repeat('y', 9000))`,
      transactions: [
        `update t set code = 'x' where id = 1; update t set code = 'a' where id = 2; update t set code = 'b' where id = 1`,
      ],
    },
  'values of two unique columns go round among three rows': {
    setup: `create table t (id int8 primary key, a text unique, b int4 unique)`,
    first: `insert into t values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)`,
    transactions: [
      `update t set a = null, b = null where id = 1; update t set a = 'a', b = 1 where id = 2; update t set a = 'd', b = 4 where id = 3; update t set a = 'b', b = 3 where id = 1; update t set b = 2 where id = 3`,
    ],
  },
  'a parent with a large value gets another key, and its children follow': {
    setup: `create table p (id int8 primary key, long text); alter table p alter long set storage external;
      create table t (id int8 primary key, p int8 references p on update cascade)`,
    first: `insert into p values (1, repeat('x', 9000)); insert into t values (1, 1), (2, 1)`,
    transactions: [
      `update p set id = 2`,
      `update p set id = 3; delete from t where id = 1`,
    ],
  },
  'children go to new parents, and the old ones go': {
    setup: `create table p (id int8 primary key); create table t (id int8 primary key, p int8 not null references p)`,
    first: `insert into p values (1), (2); insert into t values (1, 1), (2, 2)`,
    transactions: [
      `insert into p values (3); update t set p = 3; delete from p where id < 3; insert into p values (1); update t set p = 1 where id = 1`,
    ],
  },
  'rows of a table that refers to itself go and come again': {
    setup: `create table t (id int8 primary key, boss int8 references t)`,
    first: `insert into t values (1, 2), (2, null), (3, 1)`,
    transactions: [
      `update t set boss = null where id = 3; delete from t where id = 1; insert into t values (1, 3); delete from t where id = 2; update t set id = 20 where id = 1`,
      `insert into t values (5, 6), (6, 5)`,
    ],
  },
  'a parent goes with its children, and comes again with one of them': {
    setup: `create table p (id int8 primary key, n int4); create table t (id int8 primary key, p int8 not null references p on delete cascade)`,
    first: `insert into p values (1, 1), (2, 2); insert into t values (1, 1), (2, 2), (3, 1)`,
    transactions: [
      `delete from p where id = 1; insert into p values (1, 5); insert into t values (1, 1)`,
    ],
  },
  'ranges that may not overlap give way to one another': {
    setup: `create table t (id int8 primary key, r int4range, exclude using gist (r with &&))`,
    first: `insert into t values (1, '[1,5)'), (2, '[5,9)')`,
    transactions: [
      `delete from t where id = 1; update t set r = '[1,9)' where id = 2`,
      `update t set r = '[1,3)' where id = 2; insert into t values (1, '[3,9)')`,
    ],
  },
};

test.for(Object.keys(stories))('%s', async (name) => {
  const { setup, first, transactions } = stories[name]!;
  await using house = await slotHouse({ server, setup });
  const { source } = house;
  await source.sql(first);
  await house.settle();
  for (const transaction of transactions) {
    await source.sql(transaction);
  }
  await house.settle();
  const tables = setup.match(/(?<=create table )\w+/g)!.toReversed();
  await source.sql(tables.map((table) => `delete from ${table}`).join(';'));
  await source.sql(first);
  await house.settle();
  // As a backlog, in one transaction of the target's.
  expect(await house.stop()).toBe(0);
  for (const transaction of transactions) {
    await source.sql(transaction);
  }
  await house.start({ waitFor: 'listening' });
  await house.settle();
});
