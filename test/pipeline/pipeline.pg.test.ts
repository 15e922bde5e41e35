import { expect, test } from 'vitest';
import {
  applied,
  at,
  row,
  rowsOf,
  send,
  state,
  status,
  until,
} from '../support/fed-house.ts';
import { testHouse } from '../support/house.ts';

test('rows wait in staging until their resolved timestamp, and no longer', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 }), row('t', 3, 1, { v: 3 })], 2);
  await applied(house, 2);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 1']);
  await send(house, [], 3);
  await applied(house, 3);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 3']);
});

test('a row at or below the applied watermark is dropped, however late it comes', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 }), row('t', 2, 1, { v: 2 })], 5);
  await applied(house, 5);
  await house.store.retire(house.schema, at(5), 100);
  await house.restart();
  await send(house, [row('t', 1, 1, { v: 1 })], 6);
  await applied(house, 6);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 2']);
  expect(status(house).duplicateRowCount).toBe(1);
});

test('a resolved timestamp that goes backwards is ignored and counted', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [], 5);
  await send(house, [], 4);
  await applied(house, 5);
  expect(status(house).resolved).toBe(at(5));
  const { values } =
    await house.house.metrics.checkpoint_proposed_going_backwards_errors_total.get();
  expect(values.map(({ value }) => value)).toEqual([1]);
});

test('a unique value that passes between rows in three source transactions arrives', async () => {
  await using house = await testHouse();
  await house.database.query(
    'create table t (id int primary key, u text not null unique)',
  );
  await send(
    house,
    [row('t', 1, 1, { u: 'x' }), row('t', 1, 2, { u: 'y' })],
    1,
  );
  await applied(house, 1);
  await send(
    house,
    [
      row('t', 2, 1, { u: 'z' }),
      row('t', 3, 2, { u: 'x' }),
      row('t', 4, 1, { u: 'y' }),
    ],
    4,
  );
  await applied(house, 4);
  expect(await rowsOf(house, 'select * from t order by id')).toEqual([
    '1 y',
    '2 x',
  ]);
  await state(house, 'running');
});

test('a row whose parent is missing halts the pipeline with the reason, and it goes on when the parent is there', async () => {
  await using house = await testHouse({ sequencer: { maxRetries: 5 } });
  await house.database.query(
    'create table p (id int primary key); create table c (id int primary key, p int references p)',
  );
  await send(house, [row('c', 1, 1, { p: 7 })], 1);
  await state(house, 'halted');
  expect(status(house).complaint).toMatch(/^halted: E4004 /);
  // Staging goes on meanwhile.
  await send(house, [row('p', 2, 8, {})], 2);
  expect(await rowsOf(house, 'select * from p')).toEqual([]);
  await house.database.query('insert into p values (7)');
  await applied(house, 2);
  expect(await rowsOf(house, 'select * from c')).toEqual(['1 7']);
  await state(house, 'running');
  expect(status(house).complaint).toBeNull();
});

test('a table that is dropped while its rows wait halts the pipeline until it is back', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })]);
  await house.database.query('drop table t');
  await send(house, [], 1);
  await state(house, 'halted');
  expect(status(house).complaint).toMatch(/E4012/);
  await house.database.query('create table t (id int primary key, v int)');
  await applied(house, 1);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 1']);
});

test('a second daemon on the same target schema takes over, and the first one writes no more', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await house.target.claimCheckpoint(
    house.schema,
    (await house.store.memo('staging-id'))!,
    null,
  );
  await send(house, [row('t', 2, 1, { v: 2 })], 2);
  await state(house, 'superseded');
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 1']);
  await expect(send(house, [row('t', 3, 1, { v: 3 })])).rejects.toMatchObject({
    code: 'E4009',
  });
});

test('a target restored to an older state gets what it misses from the log again', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await house.database.query(
    'create table saved as table t; create table saved_checkpoint as table replicator_checkpoint',
  );
  await send(house, [row('t', 2, 2, { v: 2 })], 2);
  await applied(house, 2);
  await until(
    async () =>
      (await house.store.checkpoint(house.schema)).appliedInTarget >= at(2),
  );
  await house.pipelines[Symbol.asyncDispose]();
  await house.database.query(
    'truncate t, replicator_checkpoint; insert into t table saved; insert into replicator_checkpoint table saved_checkpoint; drop table saved, saved_checkpoint',
  );
  await house.restart();
  await applied(house, 2);
  await until(
    async () => (await rowsOf(house, 'select * from t')).length === 2,
  );
  expect(await rowsOf(house, 'select * from t order by id')).toEqual([
    '1 1',
    '2 2',
  ]);
});

test('a target restored to before what is retired halts instead of skipping', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await until(
    async () =>
      (await house.store.checkpoint(house.schema)).appliedInTarget >= at(1),
  );
  await house.store.retire(house.schema, at(1), 100);
  await house.pipelines[Symbol.asyncDispose]();
  await house.database.query('truncate t; drop table replicator_checkpoint');
  await house.restart();
  await state(house, 'halted');
  expect(status(house).complaint).toMatch(/^halted: E3001 /);
});

test('a target restored so far back under a running daemon halts it until a later state is restored', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await until(
    async () =>
      (await house.store.checkpoint(house.schema)).appliedInTarget >= at(1),
  );
  await house.store.retire(house.schema, at(1), 100);
  const restore = (step: number): Promise<unknown> =>
    house.database.query(
      `update replicator_checkpoint set applied = '${at(step)}'`,
    );
  const claimCount = async (): Promise<number> =>
    Number(await rowsOf(house, 'select epoch from replicator_checkpoint'));
  await restore(0);
  const before = await claimCount();
  await send(house, [row('t', 2, 2, { v: 2 })], 2);
  // Each try claims the target, and is no stranger to the next one.
  await until(
    async () =>
      (await claimCount()) > before + 2 || status(house).state === 'superseded',
  );
  expect(status(house).complaint).toMatch(/^halted: E3001 /);
  await restore(1);
  await applied(house, 2);
  expect(await rowsOf(house, 'select * from t order by id')).toEqual([
    '1 1',
    '2 2',
  ]);
});

test('staging that is full refuses with E2002 and takes rows again when there is room', async () => {
  await using house = await testHouse({ stagingLimitBytes: 200_000 });
  await house.database.query('create table t (id int primary key, v text)');
  const wide = 'x'.repeat(20_000);
  let step = 0;
  await expect(async () => {
    for (; step < 100; step += 1) {
      await send(house, [row('t', step + 1, step, { v: wide })]);
    }
  }).rejects.toMatchObject({ code: 'E2002' });
  await send(house, [], 200);
  await applied(house, 200);
  expect(await rowsOf(house, 'select count(*) from t')).toEqual([String(step)]);
  await house.restart();
  await until(async () => {
    try {
      await send(house, [row('t', 300, 1, { v: 'y' })]);
      return true;
    } catch {
      return false;
    }
  });
});

test('in immediate mode a restart between apply and resolved does not bring an old version back', async () => {
  await using house = await testHouse({ mode: 'immediate' });
  await house.database.query(
    'create table t (id int primary key, v int); create table seen (v int); create function note() returns trigger language plpgsql as $$ begin insert into seen values (new.v); return new; end $$; create trigger note after insert or update on t for each row execute function note()',
  );
  await send(house, [row('t', 1, 1, { v: 1 })]);
  await send(house, [row('t', 2, 1, { v: 2 })]);
  await house.restart();
  // A changefeed that restarts sends everything since its checkpoint again.
  await send(house, [row('t', 1, 1, { v: 1 }), row('t', 2, 1, { v: 2 })]);
  await send(house, [row('t', 3, 1, { v: 3 })], 3);
  const versions = (await rowsOf(house, 'select v from seen')) as string[];
  expect(versions).toEqual(versions.toSorted());
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 3']);
});

test('the initial scan of a table that is added to the feed is applied, though its time is the watermark', async () => {
  await using house = await testHouse();
  await house.database.query(
    'create table t (id int primary key, v int); create table added (id int primary key, v int)',
  );
  await send(house, [row('t', 1, 1, { v: 1 })], 5);
  await applied(house, 5);
  await send(house, [row('added', 5, 1, { v: 1 })]);
  await house.restart();
  await send(house, [
    row('added', 5, 2, { v: 2 }),
    row('added', 6, 1, { v: 6 }),
  ]);
  // The table that has delivered before is protected as ever.
  await send(house, [row('t', 1, 1, { v: 0 })], 7);
  await applied(house, 7);
  expect(await rowsOf(house, 'select * from added order by id')).toEqual([
    '1 6',
    '2 2',
  ]);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 1']);
  // Once the feed has resolved beyond the scan the table is protected too.
  await send(house, [row('added', 5, 1, { v: 0 })], 8);
  await applied(house, 8);
  expect(await rowsOf(house, 'select v from added where id = 1')).toEqual([
    '6',
  ]);
});

test('staging that was lost is noticed: the watermark of another store is not taken over', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await house.store.setMemo('staging-id', 'a store that knows nothing');
  await house.restart();
  await state(house, 'halted');
  expect(status(house).complaint).toMatch(
    /^halted: E4016 .*cursor '1700000000001000000\.0000000000'/,
  );
  // Nothing is acknowledged before a person has decided.
  await expect(send(house, [row('t', 2, 1, { v: 2 })])).rejects.toMatchObject({
    code: 'E4016',
  });
  await house.database.query('delete from replicator_checkpoint');
  await state(house, 'running');
  await send(house, [row('t', 2, 1, { v: 2 })], 2);
  await applied(house, 2);
  expect(await rowsOf(house, 'select v from t')).toEqual(['2']);
});

test.each(['consistent', 'immediate'] as const)(
  'in %s mode a pipeline that waits for better times ends when it is told to',
  async (mode) => {
    await using house = await testHouse({
      mode,
      sequencer: {
        quiescentPeriodMs: 1_000_000,
        backoff: { initialMs: 1_000_000, maxMs: 1_000_000, multiplier: 1 },
      },
    });
    await house.database.query(
      'create table t (id int primary key, v int check (v < 5))',
    );
    await send(house, [row('t', 1, 1, { v: 1 })], 1);
    await applied(house, 1);
    await house.pipelines[Symbol.asyncDispose]();
    await house.database.query(
      "update replicator_checkpoint set staging_id = 'another', applied = '1700000000009000000.0000000000'",
    );
    await house.restart();
    await state(house, 'halted');
    await house.pipelines.drain();
    expect(status(house).complaint).toMatch(/E4016/);
  },
);

test('a consistent pipeline that is halted by a row ends when it is told to', async () => {
  await using house = await testHouse({
    sequencer: { quiescentPeriodMs: 1_000_000, maxRetries: 1 },
  });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 5))',
  );
  await send(house, [row('t', 1, 1, { v: 9 })], 1);
  await state(house, 'halted');
  await house.pipelines.drain();
  expect(status(house).complaint).toMatch(/E4005/);
});

test('a schema that is missing at the start is opened when it comes back, without a request', async () => {
  await using house = await testHouse({ sequencer: { quiescentPeriodMs: 20 } });
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })]);
  const feed = (await house.pipelines.open(house.schema))!;
  await house.pipelines.drain();
  await feed.resolve(at(1));
  await house.database.query('alter schema public rename to away');
  await house.restart();
  expect([...house.pipelines.unopened.keys()]).toEqual([house.schema]);
  await house.database.query('alter schema away rename to public');
  await until(() => house.pipelines.all.length > 0);
  await applied(house, 1);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 1']);
  expect(house.pipelines.unopened.size).toBe(0);
});

test('a sweep without rows does not move on past a watermark that fell back', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await house.database.query(
    'create table saved as table t; create table saved_checkpoint as table replicator_checkpoint',
  );
  await send(house, [row('t', 2, 2, { v: 2 })], 2);
  await applied(house, 2);
  await until(
    async () =>
      (await house.store.checkpoint(house.schema)).appliedInTarget >= at(2),
  );
  // The target is restored under the running daemon; then nothing but time.
  await house.database.query(
    'begin; truncate t, replicator_checkpoint; insert into t table saved; insert into replicator_checkpoint table saved_checkpoint; commit',
  );
  await send(house, [], 3);
  await applied(house, 3);
  expect(await rowsOf(house, 'select * from t order by id')).toEqual([
    '1 1',
    '2 2',
  ]);
});

test('a schema that is gone, with nothing of it left to apply, troubles nobody', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await house.pipelines.drain();
  await house.database.query('alter schema public rename to away');
  await house.restart();
  expect(house.pipelines.unopened.size).toBe(0);
});
