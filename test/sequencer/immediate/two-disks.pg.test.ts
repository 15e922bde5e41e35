import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ReplicatorError } from '../../../src/failure/failure.ts';
import type { StagingStore } from '../../../src/staging/staging.ts';
import { row, rowsOf, send } from '../../support/fed-house.ts';
import { type TestHouse, testHouse } from '../../support/house.ts';

const openTransactions = `select state from pg_stat_activity
  where datname = current_database() and state = 'idle in transaction'`;

interface SlowHouse extends TestHouse {
  /** What was appended and is not answered: the disk has not said anything. */
  readonly syncs: PromiseWithResolvers<void>[];
}

/** Staging of which the disk answers when the test says so. */
async function slowHouse(applyTimeoutMs = 30_000): Promise<SlowHouse> {
  const syncs: PromiseWithResolvers<void>[] = [];
  const wrapStore = (store: StagingStore): StagingStore => ({
    ...store,
    append: async (entries, options) => {
      const isAppended = await store.append(entries, options);
      const sync = Promise.withResolvers<void>();
      syncs.push(sync);
      await sync.promise;
      return isAppended;
    },
  });
  const house = await testHouse({
    mode: 'immediate',
    applyTimeoutMs,
    wrapStore,
  });
  await house.database.query('create table t (id int primary key, v int)');
  return Object.assign(house, { syncs });
}

test('a row is written at the target while staging waits for its disk, and committed behind it', async () => {
  await using house = await slowHouse();
  let isAnswered = false;
  const sent = send(house, [row('t', 1, 1, { v: 1 })]).then(() => {
    isAnswered = true;
  });
  await expect.poll(() => rowsOf(house, openTransactions)).toHaveLength(1);
  await expect.poll(() => house.syncs.length).toBe(1);
  expect([isAnswered, await rowsOf(house, 'select * from t')]).toEqual([
    false,
    [],
  ]);
  house.syncs[0]!.resolve();
  await sent;
  expect(await rowsOf(house, 'select id, v from t')).toEqual(['1 1']);
});

test('no row is committed before its own request is on disk, whatever comes of those beside it', async () => {
  await using house = await slowHouse();
  const sent = [1, 2, 3].map((id) => send(house, [row('t', 1, id, { v: id })]));
  await expect.poll(() => house.syncs.length).toBe(3);
  const [first, ...others] = house.syncs;
  for (const { resolve } of others) {
    resolve();
  }
  await expect.poll(() => rowsOf(house, openTransactions)).toHaveLength(1);
  expect(await rowsOf(house, 'select id from t where id = 1')).toEqual([]);
  first!.resolve();
  await Promise.all(sent);
  expect(await rowsOf(house, 'select id from t order by id')).toEqual([
    '1',
    '2',
    '3',
  ]);
});

test('what staging could not bring to disk is rolled back at the target and refused', async () => {
  await using house = await slowHouse();
  const sent = send(house, [row('t', 1, 1, { v: 1 })]);
  const refused = expect(sent).rejects.toMatchObject({ code: 'E2007' });
  await expect.poll(() => rowsOf(house, openTransactions)).toHaveLength(1);
  await expect.poll(() => house.syncs.length).toBe(1);
  house.syncs[0]!.reject(new ReplicatorError('E2007'));
  await refused;
  await expect.poll(() => rowsOf(house, openTransactions)).toHaveLength(0);
  expect(await rowsOf(house, 'select * from t')).toEqual([]);
  const again = send(house, [row('t', 1, 1, { v: 2 })]);
  await expect.poll(() => house.syncs.length).toBe(2);
  house.syncs[1]!.resolve();
  await again;
  expect(await rowsOf(house, 'select id, v from t')).toEqual(['1 2']);
});

test('a disk that takes longer than the server lets a transaction be idle does not cost the transaction', async () => {
  // Spoken for every two seconds.
  await using house = await slowHouse(6_000);
  const sent = send(house, [row('t', 1, 1, { v: 1 })]);
  await expect.poll(() => house.syncs.length).toBe(1);
  await sleep(8_000);
  await expect.poll(() => rowsOf(house, openTransactions)).toHaveLength(1);
  house.syncs[0]!.resolve();
  await sent;
  expect(await rowsOf(house, 'select id, v from t')).toEqual(['1 1']);
});

test('who is aborted does not wait for the disk, and leaves no transaction open', async () => {
  await using house = await slowHouse();
  const refused = expect(
    send(house, [row('t', 1, 1, { v: 1 })]),
  ).rejects.toMatchObject({ code: 'E3005' });
  await expect.poll(() => rowsOf(house, openTransactions)).toHaveLength(1);
  await expect.poll(() => house.syncs.length).toBe(1);
  house.pipelines.abort();
  await refused;
  await expect.poll(() => rowsOf(house, openTransactions)).toHaveLength(0);
  expect(await rowsOf(house, 'select * from t')).toEqual([]);
  house.syncs[0]!.resolve();
});
