/** What goes at the target with a deleted row must not go with one that moves. */
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

const setup = `
  create table parent (id int4 primary key);
  create table child (id int4 primary key, long text, parent_id int4
    references parent on delete cascade on update cascade deferrable initially deferred);
  create table grandchild (id int4 primary key, child_id int4
    references child on delete cascade);
  create table loud (id int4 primary key, n int4 not null unique)`;

const family = `
  insert into parent select g from generate_series(1, 5) g;
  insert into child select g, repeat('x', 3000), g from generate_series(1, 5) g;
  insert into grandchild select g, g from generate_series(1, 5) g;
  insert into loud values (1, 1)`;

test.for([
  [
    'where unique values ask for deletes first',
    `update parent set id = id + 1000;
     delete from loud where id = 1;
     insert into loud values (2, 1)`,
  ],
  [
    'where unique values ask for deletes first, and keys pass in a circle',
    `insert into parent values (100);
     update parent set id = 101 where id = 1;
     update parent set id = 1 where id = 2;
     update parent set id = 2 where id = 101;
     delete from loud where id = 1;
     insert into loud values (2, 1)`,
  ],
] as const)(
  'children and grandchildren of a row that gets another key stay as they are, %s',
  async ([, change]) => {
    await using house = await slotHouse({
      server,
      setup,
      sourceSetup: 'alter table child alter long set storage external',
    });
    await house.source.sql(family);
    await house.settle();
    await house.source.sql(change);
    await house.settle();
    expect(await house.target.rows('select count(*) from grandchild')).toEqual([
      ['5'],
    ]);
  },
);
