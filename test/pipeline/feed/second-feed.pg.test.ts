import { expect, test } from 'vitest';
import type { TableMutations } from '../../../src/mutation/mutation.ts';
import { Pipelines } from '../../../src/pipeline/pipelines.ts';
import type { StagingStore } from '../../../src/staging/staging.ts';
import {
  applied,
  at,
  row,
  rowsOf,
  send,
  state,
  status,
} from '../../support/fed-house.ts';
import { testHouse } from '../../support/house.ts';

const stranger = expect.objectContaining({ code: 'E1029' });

test.each(['consistent', 'immediate'] as const)(
  'in %s mode a row at or below what is resolved that was never here is refused, and told',
  async (mode) => {
    await using house = await testHouse({ mode });
    await house.database.query('create table t (id int primary key, v int)');
    await send(house, [row('t', 1, 1, { v: 1 })], 5);
    await applied(house, 5);
    await expect(send(house, [row('t', 3, 2, { v: 3 })])).rejects.toEqual(
      stranger,
    );
    expect(status(house).feedComplaint).toMatch(/^E1029 .*"t"/);
    expect(status(house).complaint).toBeNull();
    // The first one goes on, and may send again what it has sent.
    await send(house, [row('t', 1, 1, { v: 1 }), row('t', 6, 1, { v: 6 })], 7);
    await applied(house, 7);
    expect(await rowsOf(house, 'select * from t')).toEqual(['1 6']);
    const { values } =
      await house.house.metrics.replicator_feed_conflicts_total.get();
    expect(values.map(({ value }) => value)).toEqual([1]);
  },
);

test('a row that was never here is refused too when it comes with later ones that were', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  const known = [row('t', 3, 1, { v: 3 }), row('t', 4, 2, { v: 4 })] as const;
  await send(house, known, 5);
  await applied(house, 5);
  const feed = (await house.pipelines.open(house.schema))!;
  const together = (...parts: readonly TableMutations[]): Promise<void> =>
    feed.accept([
      { table: 't', mutations: parts.flatMap((part) => part.mutations) },
    ]);
  const late = row('t', 2, 3, { v: 2 });
  for (const parts of [
    [late],
    [late, ...known],
    [...known, late],
    [row('t', 6, 1, { v: 6 }), known[0], late],
  ]) {
    await expect(together(...parts)).rejects.toEqual(stranger);
  }
  await together(...known, row('t', 6, 1, { v: 6 }));
  expect(status(house).duplicateRowCount).toBe(2);
});

test('a row that is being staged while another feed resolves beyond it is applied', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 2);
  await applied(house, 2);
  const gate = Promise.withResolvers<void>();
  const isStaging = Promise.withResolvers<void>();
  const store: StagingStore = new Proxy(house.store, {
    get: (target, name) => {
      const method = Reflect.get(target, name) as unknown;
      return name === 'append'
        ? async (...given: Parameters<StagingStore['append']>) => {
            isStaging.resolve();
            await gate.promise;
            return await target.append(...given);
          }
        : typeof method === 'function'
          ? (method.bind(target) as unknown)
          : method;
    },
  });
  await house.pipelines[Symbol.asyncDispose]();
  house.pipelines = new Pipelines({ ...house.house, store }, 0);
  const slow = send(house, [row('t', 5, 2, { v: 5 })]);
  await isStaging.promise;
  const resolving = send(house, [], 10);
  // What comes from now on must have been here before.
  await expect(send(house, [row('t', 6, 3, { v: 6 })])).rejects.toEqual(
    stranger,
  );
  expect((await house.store.checkpoint(house.schema)).resolved).toBe(at(2));
  gate.resolve();
  await slow;
  await resolving;
  await applied(house, 10);
  expect(await rowsOf(house, 'select * from t order by id')).toEqual([
    '1 1',
    '2 5',
  ]);
});

test('after a purge with the daemon stopped redeliveries are dropped as before, and a target that falls back halts', async () => {
  await using house = await testHouse();
  await house.database.query('create table t (id int primary key, v int)');
  await send(house, [row('t', 1, 1, { v: 1 })], 1);
  await applied(house, 1);
  await house.database.query(
    'create table saved as table replicator_checkpoint',
  );
  await send(house, [row('t', 3, 1, { v: 3 })], 5);
  await applied(house, 5);
  await house.pipelines[Symbol.asyncDispose]();
  await house.store.purge({ schema: house.schema }, false);
  await house.restart();
  await send(house, [row('t', 3, 1, { v: 3 }), row('t', 2, 1, { v: 2 })], 6);
  await applied(house, 6);
  expect(status(house).feedComplaint).toBeNull();
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 3']);
  const { retired } = await house.store.checkpoint(house.schema);
  expect(retired).toBe(at(3));
  // What lies between is not in the log any more.
  await house.pipelines[Symbol.asyncDispose]();
  await house.database.query(
    'truncate replicator_checkpoint; insert into replicator_checkpoint table saved; drop table saved',
  );
  await house.restart();
  await send(house, []);
  await state(house, 'halted');
  expect(status(house).complaint).toMatch(/E3001/);
});
