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
} from '../../support/fed-house.ts';
import { type TestHouse, testHouse } from '../../support/house.ts';
import { testDatabase } from '../../support/test-database.ts';
import { wrapMember } from '../../sequencer/wrapped-target.ts';
import { Pipelines } from '../../../src/pipeline/pipelines.ts';

interface Pair extends AsyncDisposable {
  readonly leader: TestHouse;
  readonly other: TestHouse;
}

/** Two daemons on one staging schema; `leader` leads, and has applied step 1. */
async function pair(
  mode: 'consistent' | 'immediate' = 'consistent',
): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await testDatabase());
  const staging = stack.use(await testDatabase());
  await database.query('create table t (id int primary key, v int)');
  const open = async (name: string): Promise<TestHouse> =>
    stack.use(await testHouse({ mode, shared: { name, database, staging } }));
  const leader = await open('first');
  await send(leader, [row('t', 1, 1, { v: 1 })], 1);
  await applied(leader, 1);
  const other = await open('second');
  await other.pipelines.resume();
  await state(other, 'standby');
  const owned = stack.move();
  return {
    leader,
    other,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function leaseEpoch(house: TestHouse): Promise<number> {
  return (await house.store.leases!.read(house.schema))!.epoch;
}

async function targetEpoch(house: TestHouse): Promise<number> {
  return (await house.target.checkpoint(house.schema))!.epoch;
}

test('what a daemon that stands by accepts, the leader applies', async () => {
  await using two = await pair();
  await send(two.other, [row('t', 2, 2, { v: 2 })], 2);
  await applied(two.leader, 2);
  expect(await rowsOf(two.leader, 'select * from t order by id')).toEqual([
    '1 1',
    '2 2',
  ]);
  // The one that stands by knows how far the leader is.
  await applied(two.other, 2);
  expect(status(two.other).state).toBe('standby');
  expect(two.other.pipelines.all[0]!.leader).toBe('first');
});

test('a leader that ends hands over, and the next one goes on under a later epoch', async () => {
  await using two = await pair();
  const before = await targetEpoch(two.leader);
  await two.leader.pipelines[Symbol.asyncDispose]();
  await state(two.other, 'running');
  await send(two.other, [row('t', 2, 1, { v: 2 })], 2);
  await applied(two.other, 2);
  expect(await rowsOf(two.other, 'select * from t')).toEqual(['1 2']);
  const epoch = await targetEpoch(two.other);
  expect(epoch).toBeGreaterThan(before);
  expect(epoch).toBe(await leaseEpoch(two.other));
});

test('a daemon that no request has told of a schema takes it over all the same', async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await testDatabase());
  const staging = stack.use(await testDatabase());
  await database.query('create table t (id int primary key, v int)');
  const open = async (name: string): Promise<TestHouse> =>
    stack.use(await testHouse({ shared: { name, database, staging } }));
  const idle = await open('idle');
  await idle.pipelines.resume();
  expect(idle.pipelines.all).toEqual([]);
  const leader = await open('leader');
  await send(leader, [row('t', 1, 1, { v: 1 })], 1);
  await applied(leader, 1);
  // Staged, and never applied by the one that has accepted it.
  await leader.database.query('alter table t rename to hidden');
  await send(leader, [row('t', 2, 1, { v: 2 })], 2);
  await leader.pipelines[Symbol.asyncDispose]();
  await database.query('alter table hidden rename to t');
  await until(() => idle.pipelines.all.length === 1);
  await applied(idle, 2);
  expect(await rowsOf(idle, 'select * from t')).toEqual(['1 2']);
});

test('rows of a new table that a follower accepts of purged staging before the watermark is claimed reach the target', async () => {
  await using two = await pair();
  await send(two.leader, [row('t', 5, 1, { v: 5 })], 5);
  await applied(two.leader, 5);
  for (const house of [two.leader, two.other]) {
    await house.pipelines[Symbol.asyncDispose]();
  }
  const { store, schema } = two.leader;
  await two.leader.database.query('create table n (id int primary key, v int)');
  await store.purge({ schema }, false);
  const gate = Promise.withResolvers<void>();
  const held = wrapMember(
    two.leader.target,
    'claimCheckpoint',
    async (...given) => {
      await gate.promise;
      return await two.leader.target.claimCheckpoint(...given);
    },
  );
  await using leading = new Pipelines({ ...two.leader.house, target: held }, 0);
  await leading.open(schema);
  await until(() => leading.all[0]!.leader === 'first');
  await two.other.restart();
  const feed = (await two.other.pipelines.open(schema))!;
  await state(two.other, 'standby');
  await feed.accept([row('n', 3, 1, { v: 3 })]);
  gate.resolve();
  await until(() => leading.all[0]!.status.state === 'running');
  await feed.resolve(at(6));
  await until(() => leading.all[0]!.status.applied >= at(6));
  expect(await rowsOf(two.other, 'select * from n')).toEqual(['1 3']);
});

test('a late claim of the target by another is answered with a later one while the lease is held', async () => {
  await using two = await pair();
  const id = (await two.leader.store.memo('staging-id'))!;
  await two.leader.target.claimCheckpoint(two.leader.schema, id, null);
  const late = await targetEpoch(two.leader);
  await send(two.other, [row('t', 2, 1, { v: 2 })], 2);
  await applied(two.leader, 2);
  expect(await rowsOf(two.leader, 'select * from t')).toEqual(['1 2']);
  expect(await targetEpoch(two.leader)).toBeGreaterThan(late);
  expect(status(two.leader).state).toBe('running');
});

test('a target that is set back to an earlier epoch is gone on with', async () => {
  await using two = await pair();
  const before = await targetEpoch(two.leader);
  await send(two.leader, [row('t', 2, 1, { v: 2 })], 2);
  await applied(two.leader, 2);
  await two.leader.database.query(
    `update replicator_checkpoint set epoch = 0, applied = '${at(1)}'`,
  );
  await two.leader.database.query('update t set v = 1');
  await send(two.other, [row('t', 3, 3, { v: 3 })], 3);
  await until(
    async () =>
      (await rowsOf(two.leader, 'select * from t order by id')).join() ===
      '1 2,3 3',
  );
  expect(await targetEpoch(two.leader)).toBeGreaterThan(before);
});

test('where the target belongs to other staging, no daemon accepts', async () => {
  await using two = await pair();
  await two.leader.database.query(
    "update replicator_checkpoint set staging_id = 'elsewhere'",
  );
  const { name, database, staging } = {
    name: 'third',
    database: two.leader.database,
    staging: two.leader.database,
  };
  // Of other staging: its own memo names it otherwise.
  await using third = await testHouse({ shared: { name, database, staging } });
  await using fourth = await testHouse({
    shared: { name: 'fourth', database, staging },
  });
  const refused = async (house: TestHouse): Promise<void> => {
    await expect(
      send(house, [row('t', 5, 5, { v: 5 })], 5),
    ).rejects.toMatchObject({ code: 'E4016' });
  };
  await refused(third);
  await refused(fourth);
});

test('in immediate mode only the leader takes rows, and another one once it leads', async () => {
  await using two = await pair('immediate');
  await expect(
    send(two.other, [row('t', 2, 1, { v: 2 })]),
  ).rejects.toMatchObject({ code: 'E3008', httpStatus: 503 });
  await send(two.leader, [row('t', 2, 1, { v: 2 })]);
  // Resolved timestamps may come to either.
  await send(two.other, [], 2);
  await applied(two.leader, 2);
  await two.leader.pipelines[Symbol.asyncDispose]();
  await state(two.other, 'running');
  await send(two.other, [row('t', 3, 1, { v: 3 })], 3);
  expect(await rowsOf(two.other, 'select * from t')).toEqual(['1 3']);
  // Older than what the one before had applied: it overwrites nothing.
  await send(two.other, [row('t', 2, 1, { v: 2 })]);
  expect(await rowsOf(two.other, 'select * from t')).toEqual(['1 3']);
});

test('in immediate mode a leader that is fenced off claims again, and its sender hears to repeat', async () => {
  await using two = await pair('immediate');
  const id = (await two.leader.store.memo('staging-id'))!;
  await two.leader.target.claimCheckpoint(two.leader.schema, id, null);
  const late = await targetEpoch(two.leader);
  const first = send(two.leader, [row('t', 2, 1, { v: 2 })]);
  await expect(first).rejects.toMatchObject({ httpStatus: 503 });
  expect(await rowsOf(two.leader, 'select * from t')).toEqual(['1 1']);
  await until(() =>
    send(two.leader, [row('t', 2, 1, { v: 2 })]).then(
      () => true,
      () => false,
    ),
  );
  expect(await rowsOf(two.leader, 'select * from t')).toEqual(['1 2']);
  expect(await targetEpoch(two.leader)).toBeGreaterThan(late);
});

test('in immediate mode a row that is staged just when the daemon stops leading is refused, and holds up no resolved timestamp', async () => {
  await using two = await pair('immediate');
  const { leader } = two;
  const gate = Promise.withResolvers<void>();
  let stagedCount = 0;
  await leader.pipelines[Symbol.asyncDispose]();
  await state(two.other, 'running');
  await two.other.pipelines[Symbol.asyncDispose]();
  const store: TestHouse['store'] = {
    ...leader.store,
    async append(...given) {
      const isStaged = await leader.store.append(...given);
      stagedCount += 1;
      if (stagedCount === 1) {
        await gate.promise;
      }
      return isStaged;
    },
  };
  leader.pipelines = new Pipelines({ ...leader.house, store }, 0);
  await leader.pipelines.resume();
  await state(leader, 'running');
  const late = send(leader, [row('t', 2, 2, { v: 2 })]);
  const outcome = expect(late).rejects.toMatchObject({ httpStatus: 503 });
  await until(() => stagedCount === 1);
  const id = (await leader.store.memo('staging-id'))!;
  await leader.target.claimCheckpoint(leader.schema, id, null);
  await expect(send(leader, [row('t', 2, 1, { v: 2 })])).rejects.toMatchObject({
    httpStatus: 503,
  });
  gate.resolve();
  await outcome;
  const again = [row('t', 2, 1, { v: 2 }), row('t', 2, 2, { v: 2 })];
  await until(() =>
    send(leader, again).then(
      () => true,
      () => false,
    ),
  );
  await send(leader, [], 3);
  await applied(leader, 3);
  expect(await rowsOf(leader, 'select * from t order by id')).toEqual([
    '1 2',
    '2 2',
  ]);
});
