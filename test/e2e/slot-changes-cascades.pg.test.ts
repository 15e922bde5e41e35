/** Rows that leave a parent that goes: what goes along at the target is not theirs. */
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

test.for(['cascade', 'set null'])(
  'a child that has left its parent outlives it (on delete %s) where unique values ask for deletes first',
  async (action) => {
    await using house = await slotHouse({
      server,
      setup: `
        create table parent (id int4 primary key);
        create table child (id int4 primary key, long text,
          parent_id int4 references parent on delete ${action});
        create table grandchild (id int4 primary key,
          child_id int4 references child on delete ${action});
        create table loud (id int4 primary key, n int4 not null unique)`,
      sourceSetup: 'alter table child alter long set storage external',
    });
    await house.source.sql(`
      insert into parent values (2), (3);
      insert into child values (1, repeat('x', 3000), 2);
      insert into grandchild values (1, 1);
      insert into loud values (1, 1)`);
    await house.settle();
    await house.source.sql(`
      update child set parent_id = 3;
      delete from parent where id = 2;
      delete from loud;
      insert into loud values (2, 1)`);
    await house.settle();
    expect(
      await house.target.rows('select parent_id, length(long) from child'),
    ).toEqual([['3', '3000']]);
    expect(await house.target.rows('select child_id from grandchild')).toEqual([
      ['1'],
    ]);
  },
);
