/** What becomes of transactions between a slot and a PostgreSQL target. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PostgresServer } from '../support/postgres-server.ts';
import {
  openSession,
  type Session,
  type SlotHouse,
  slotHouse,
  startSlotServer,
} from '../support/slot-house.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer({
    // The smallest there is: whatever is larger is streamed before its end.
    settings: { logical_decoding_work_mem: '64kB' },
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const setup = 'create table item (id int8 primary key, name text)';
/** Beyond logical_decoding_work_mem. */
const many = (from: number, name: string): string =>
  `insert into item select g, '${name}' || g from generate_series(${from}, ${from + 2999}) g`;

/** Sessions at the source, for transactions side by side. */
async function sessions(
  house: SlotHouse,
  stack: AsyncDisposableStack,
  count: number,
): Promise<Session[]> {
  const opened: Session[] = [];
  for (let index = 0; index < count; index += 1) {
    const session = await openSession(house.source.url);
    stack.defer(() => session.end());
    opened.push(session);
  }
  return opened;
}

/** Counters of the daemon. */
async function varz({ daemon }: SlotHouse, name: string): Promise<number> {
  const text = await (await fetch(`${daemon.metricsUrl}/_/varz`)).text();
  return [...text.matchAll(new RegExp(`^${name}(?:{[^}]*})? (.+)$`, 'gm'))]
    .map(([, value]) => Number(value))
    .reduce((sum, value) => sum + value, 0);
}

describe('a transaction', () => {
  test('keeps what its savepoints keep, and nothing that they roll back', async () => {
    await using house = await slotHouse({ server, setup });
    const { source } = house;
    await source.sql(`begin; insert into item values (1, 'a');
      savepoint one; insert into item values (2, 'b'); update item set name = 'x' where id = 1; rollback to one;
      savepoint two; insert into item values (3, 'c'); release two;
      savepoint three; delete from item; savepoint four; insert into item values (4, 'd'); rollback to three;
      insert into item values (2, 'e'); commit`);
    await source.sql(`begin; savepoint one; truncate item; insert into item values (9, 'z'); rollback to one;
      update item set id = id + 10; commit`);
    await source.sql(`begin; insert into item values (5, 'e'); rollback`);
    await house.settle();
  });

  test('that is prepared comes when it is committed, and never when it is rolled back', async () => {
    await using house = await slotHouse({ server, setup });
    const { source, target } = house;
    const name = source.name;
    await source.sql(
      `begin; insert into item values (1, 'kept'); prepare transaction '${name} kept'`,
    );
    await source.sql(
      `begin; insert into item values (2, 'gone'); prepare transaction '${name} gone'`,
    );
    await source.sql(
      `begin; ${many(10_000, 'large')}; prepare transaction '${name} large'`,
    );
    await source.sql(`insert into item values (3, 'between')`);
    await house.caughtUp();
    expect(await target.rows('select id from item')).toEqual([['3']]);
    await house.kill();
    await house.start();
    await source.sql(`commit prepared '${name} kept'`);
    await source.sql(`rollback prepared '${name} gone'`);
    await source.sql(`commit prepared '${name} large'`);
    await house.settle();
  });

  test('of logical messages alone, or without any change, moves the slot on', async () => {
    await using house = await slotHouse({
      server,
      setup,
      sourceSetup:
        'create table unread (id int8); alter table unread set unlogged',
    });
    const { source } = house;
    await house.caughtUp();
    await source.rows(`select pg_logical_emit_message(true, 'said', 'text')`);
    await source.rows(`select pg_logical_emit_message(false, 'said', 'text')`);
    await source.sql(
      `begin; select pg_logical_emit_message(true, 'said', repeat('x', 200000)); insert into item values (1, 'a'); commit`,
    );
    await source.sql(
      `begin; select pg_logical_emit_message(true, 'said', ''); rollback`,
    );
    await source.sql(`insert into unread values (1)`);
    await source.sql(`create table elsewhere (id int8)`);
    await house.settle(['item']);
    // The place of what says nothing is confirmed too.
    await source.sql(`create schema nothing; analyze item`);
    const [lsn] = await source.rows('select pg_current_wal_lsn()');
    await expect
      .poll(async () => {
        const rows = await source.rows(
          `select confirmed_flush_lsn >= '${lsn![0]}' from pg_replication_slots where slot_name = '${house.slotName}'`,
        );
        return rows[0]![0];
      })
      .toBe('t');
  });

  test.for([
    ['any', ['1', '2']],
    ['none', ['1']],
  ] as const)(
    'that came to the source by replication is read as --origin %s says',
    async ([origin, expected]) => {
      await using house = await slotHouse({
        server,
        setup,
        args: [`--origin=${origin}`],
      });
      const { source, target } = house;
      const name = `elsewhere_${source.name}`;
      await source.rows(`select pg_replication_origin_create('${name}')`);
      await source.sql(`insert into item values (1, 'here')`);
      await source.sql(`
        begin;
        select pg_replication_origin_session_setup('${name}');
        select pg_replication_origin_xact_setup('0/1234', now());
        insert into item values (2, 'elsewhere');
        commit;
        select pg_replication_origin_session_reset()`);
      await house.caughtUp();
      await source.rows(`select pg_replication_origin_drop('${name}')`);
      expect(
        (await target.rows('select id from item order by id')).flat(),
      ).toEqual(expected);
    },
  );

  test('that is streamed before its end comes whole, without the parts that were rolled back', async () => {
    await using house = await slotHouse({ server, setup });
    await using stack = new AsyncDisposableStack();
    const { source, target } = house;
    const [a, b, c] = await sessions(house, stack, 3);
    await a!.sql(`begin; ${many(0, 'a')}`);
    await b!.sql(`begin; ${many(10_000, 'b')}`);
    await c!.sql(`begin; savepoint one; ${many(20_000, 'c')}`);
    await source.sql(`insert into item values (-1, 'between')`);
    await a!.sql(`savepoint one; ${many(3_000, 'undone')}`);
    await b!.sql(many(13_000, 'b'));
    await a!.sql(
      `rollback to one; savepoint two; update item set name = 'changed' where id < 100; ${many(6_000, 'a')}`,
    );
    await c!.sql(
      `savepoint two; ${many(23_000, 'c')}; rollback to two; update item set id = -id where id between 20000 and 20009`,
    );
    await house.caughtUp();
    expect(await target.rows('select id from item')).toEqual([['-1']]);
    await b!.sql('rollback');
    await a!.sql(
      'release two; delete from item where id between 50 and 60; commit',
    );
    await source.sql(`update item set name = name || '!' where id % 10 = 0`);
    await c!.sql(
      'rollback to one; insert into item values (29999, null); commit',
    );
    await house.settle();
    expect(
      Number(
        (
          await source.rows(
            `select stream_txns from pg_stat_replication_slots where slot_name = '${house.slotName}'`,
          )
        )[0]?.[0],
      ),
    ).toBeGreaterThan(0);
    // Taken once a second.
    await expect.poll(() => varz(house, 'replicator_slot_spool_bytes')).toBe(0);
  });

  test('that is streamed, and changes its table on the way, is read as it was at each change', async () => {
    await using house = await slotHouse({ server, setup });
    await using stack = new AsyncDisposableStack();
    const { source, target } = house;
    const [a] = await sessions(house, stack, 1);
    await target.sql('alter table item add n int4, add undone text');
    await a!.sql(
      `begin; ${many(0, 'a')}; savepoint one; alter table item add undone text; insert into item values (-1, 'x', 'y')`,
    );
    await a!.sql(
      `${many(50_000, 'u')}; rollback to one; alter table item add n int4; insert into item select g, 'b', g from generate_series(10000, 13000) g`,
    );
    await source.sql('select 1');
    await a!.sql(
      `truncate item; insert into item select g, 'c', g from generate_series(1, 3000) g; commit`,
    );
    await house.caughtUp();
    await target.sql('alter table item drop undone');
    await house.settle();
  });

  test('that is streamed goes on after a kill of its reader', async () => {
    await using house = await slotHouse({ server, setup });
    await using stack = new AsyncDisposableStack();
    const { source } = house;
    const [a] = await sessions(house, stack, 1);
    await a!.sql(`begin; ${many(0, 'a')}`);
    await source.sql(`insert into item values (-1, 'between')`);
    await house.caughtUp();
    await house.kill();
    await source.sql(`insert into item values (-2, 'between')`);
    await a!.sql(many(10_000, 'a'));
    await house.start();
    await house.caughtUp();
    await a!.sql(`update item set name = 'b' where id % 2 = 0; commit`);
    await house.settle();
  });

  test('of rows whose foreign keys and unique values hold only at its end comes where the target looks at the end too', async () => {
    await using house = await slotHouse({
      server,
      setup: `
        create table a (id int8 primary key, b_id int8);
        create table b (id int8 primary key, a_id int8 references a deferrable initially deferred, code text unique deferrable initially deferred);
        alter table a add foreign key (b_id) references b deferrable initially deferred`,
    });
    const { source } = house;
    await source.sql(
      `begin; insert into a values (1, 1), (2, 2); insert into b values (1, 2, 'x'), (2, 1, 'y'); commit`,
    );
    await source.sql(
      `begin; update b set code = case code when 'x' then 'y' else 'x' end; commit`,
    );
    await source.sql(
      `begin; delete from a where id = 1; insert into a values (1, 2); delete from b where id = 1; commit`,
    );
    await source.sql(
      `begin; update a set b_id = 3; insert into b values (3, 1, 'y'); commit`,
    );
    await source.sql(
      `begin; update a set id = id + 10; update b set a_id = a_id + 10; commit`,
    );
    await house.settle();
  });

  test('of a unique value that passes to another row of the table comes where the target looks at once', async () => {
    await using house = await slotHouse({
      server,
      setup: `create table badge (id int8 primary key, code text unique)`,
    });
    const { source } = house;
    await source.sql(
      `insert into badge values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')`,
    );
    await source.sql(
      `begin; delete from badge where id = 1; insert into badge values (9, 'a'); commit`,
    );
    await source.sql(
      `begin; update badge set code = null where id = 2; insert into badge values (8, 'b'); commit`,
    );
    await source.sql(
      `begin; update badge set code = null where id = 3; update badge set code = 'c' where id = 4; commit`,
    );
    await source.sql(`begin; update badge set id = 7 where id = 9; commit`);
    await house.settle();
  });

  test('of unique values that two rows swap comes where the target looks at once', async () => {
    await using house = await slotHouse({
      server,
      setup: `create table badge (id int8 primary key, code text unique)`,
    });
    const { source } = house;
    await source.sql(`insert into badge values (1, 'a'), (2, 'b')`);
    await house.caughtUp();
    await source.sql(
      `begin; update badge set code = null where id = 1; update badge set code = 'a' where id = 2; update badge set code = 'b' where id = 1; commit`,
    );
    await house.settle();
  });
});
