/** What a PostgreSQL source may change, through the real command. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { PostgresServer } from '../support/postgres-server.ts';
import { slotHouse, startSlotServer } from '../support/slot-house.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe('a row', () => {
  test('that is inserted, updated and deleted in one transaction or in several is as at the source', async () => {
    await using house = await slotHouse({
      server,
      setup: 'create table item (id int8 primary key, name text, n numeric)',
    });
    const { source } = house;
    await source.sql(
      `insert into item select g, 'a' || g, g / 7.0 from generate_series(1, 50) g`,
    );
    await source.sql(`update item set name = null where id % 5 = 0`);
    await source.sql(`delete from item where id % 7 = 0`);
    await house.settle();
  });
});
