/** Younger transactions that stand in the way of elder ones, or wait long for them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { batchOf, gate, scene } from './ordered-scene.ts';

test('a younger batch gives way to an elder that waits for its row at the commit', async () => {
  const younger = gate();
  await using stage = await scene(
    `create table counter (n int);
     insert into counter values (0);
     create table a (id int primary key);
     create table b (id int primary key);
     create function count_it() returns trigger language plpgsql as
       $$ begin update counter set n = n + 1; return null; end $$;
     create constraint trigger counted after insert on a deferrable initially deferred
       for each row execute function count_it();
     create trigger counted after insert on b for each row execute function count_it()`,
    async (number) => {
      await (number === 1 && younger.opened);
    },
    {
      after: async (number) => {
        if (number === 2) {
          younger.open();
        }
      },
    },
  );
  await stage.apply.submit(batchOf(1, { a: [[1, {}]] }));
  await stage.apply.submit(batchOf(2, { b: [[1, {}]] }));
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2]);
  expect(stage.gaveWay).toEqual(['E3007']);
  expect(await stage.rows('select n from counter')).toEqual([{ n: 2 }]);
});

test('batches of two schemas whose younger ones hold all connections of the target still go through', async () => {
  const firstOfA = gate();
  const firstOfB = gate();
  await using stage = await scene(
    'create table t (id int primary key, v int); create table o (id int primary key, v int)',
    async (number) => {
      await (number === 1 && firstOfA.opened);
      await (number === 11 && firstOfB.opened);
    },
    { maxConnections: 2, applyTimeoutMs: 0 },
  );
  const other = stage.another();
  await stage.apply.submit(batchOf(1, { t: [[1, { v: 1 }]] }));
  await stage.apply.submit(batchOf(2, { t: [[1, { v: 2 }]] }));
  await stage.apply.submit(batchOf(3, { t: [[3, { v: 3 }]] }));
  await other.submit(batchOf(11, { o: [[1, { v: 1 }]] }));
  await other.submit(batchOf(12, { o: [[1, { v: 2 }]] }));
  await other.submit(batchOf(13, { o: [[3, { v: 3 }]] }));
  firstOfA.open();
  await expect.poll(() => stage.committed).toContain(1);
  firstOfB.open();
  const drained = Promise.all([stage.apply.drain(), other.drain()]).then(
    () => 'drained',
  );
  expect(await Promise.race([drained, sleep(30_000, 'waits for ever')])).toBe(
    'drained',
  );
  expect(stage.committed.filter((number) => number < 10)).toEqual([1, 2, 3]);
  expect(stage.committed.filter((number) => number > 10)).toEqual([11, 12, 13]);
});

test('a younger batch may wait longer for its elder than a statement may take', async () => {
  const younger = gate();
  await using stage = await scene(
    `create table a (id int primary key);
     create table b (id int primary key);
     create table c (id int primary key);
     create function take_long() returns trigger language plpgsql as
       $$ begin perform pg_sleep(4); return null; end $$;
     create trigger slow after insert on a for each row execute function take_long();
     create trigger slow after insert on b for each row execute function take_long()`,
    async (number) => {
      await (number === 1 && younger.opened);
    },
    {
      applyTimeoutMs: 6_000,
      after: async (number) => {
        if (number === 2) {
          younger.open();
        }
      },
    },
  );
  await stage.apply.submit(batchOf(1, { a: [[1, {}]], b: [[1, {}]] }));
  await stage.apply.submit(batchOf(2, { c: [[2, {}]] }));
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2]);
  expect(stage.gaveWay).toEqual([]);
});

test('batches that take coarse locks do not begin beside elders that have fine ones', async () => {
  const refused = gate();
  const bothAreDown = gate();
  await using stage = await scene(
    `create table u (id int primary key, email text unique);
     insert into u values (1, 'a');
     create table k (v int);
     insert into k values (1), (1)`,
    async (number) => {
      await (number === 1 && bothAreDown.opened);
    },
    { onGaveWay: () => refused.open() },
  );
  await stage.apply.submit(batchOf(1, { u: [[1, { email: 'b' }]] }));
  await stage.apply.submit(batchOf(2, { k: [{ v: 1 }] }));
  await stage.apply.submit(batchOf(3, { u: [[2, { email: 'a' }]] }));
  await refused.opened;
  await stage.apply.submit(batchOf(4, { k: [{ v: 1 }] }));
  // Time for it to do what it must not.
  await sleep(500);
  bothAreDown.open();
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2, 3, 4]);
  expect(await stage.rows('select * from k')).toEqual([]);
});
