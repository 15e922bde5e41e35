/** A sweep of the consistent mode, and what is resolved while it goes on. */
import { expect, test } from 'vitest';

import type { House } from '../../src/pipeline/house.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import { applied, at, row, rowsOf, send, until } from '../support/fed-house.ts';
import { type TestHouse, testHouse } from '../support/house.ts';
import { wrapMember } from './wrapped-target.ts';

/**
 * Does something when a sweep looks how far it may go: the one that has read
 * through the step, or the one behind it. Told whether that has ended.
 */
async function whenLooking(
  house: TestHouse,
  {
    isNext,
    step = 10,
    changes = {},
  }: {
    readonly isNext: boolean;
    readonly step?: number;
    readonly changes?: Parameters<TestHouse['restart']>[0];
  },
  work: (hasEnded: boolean) => Promise<void>,
): Promise<void> {
  let isDue = false;
  let hasEnded = false;
  const read: StagingStore['read'] = async (schema, range, signal) => {
    const entries = await house.store.read(schema, range, signal);
    isDue ||= !isNext && range.through === at(step) && entries.length === 0;
    return entries;
  };
  const commitApplied: StagingStore['commitApplied'] = async (
    schema,
    value,
    inTarget,
    signal,
  ) => {
    await house.store.commitApplied(schema, value, inTarget, signal);
    hasEnded ||= value === at(step);
    isDue ||= isNext && value === at(step);
  };
  const checkpoint: StagingStore['checkpoint'] = async (schema, signal) => {
    if (isDue) {
      isDue = false;
      await work(hasEnded);
    }
    return await house.store.checkpoint(schema, signal);
  };
  const store = wrapMember(
    wrapMember(
      wrapMember(house.store, 'read', read),
      'commitApplied',
      commitApplied,
    ),
    'checkpoint',
    checkpoint,
  );
  (house.house as { -readonly [N in keyof House]: House[N] }).store = store;
  await house.restart(changes);
}

test.for([false, true])(
  'rows of a table that was created meanwhile wait for a sweep that knows it (by the next one: %s)',
  async (isNext) => {
    await using house = await testHouse();
    await house.database.query('create table a (id int primary key, v int)');
    await whenLooking(house, { isNext }, async () => {
      await house.database.query('create table b (id int primary key, v int)');
      const feed = (await house.pipelines.open(house.schema))!;
      await feed.refreshShape();
      await send(house, [row('b', 15, 1, { v: 1 })], 20);
    });
    await send(house, [row('a', 5, 1, { v: 1 })], 10);
    await applied(house, 20);
    expect(await rowsOf(house, 'select * from b')).toEqual(['1 1']);
    const { metrics } = house.house;
    expect((await metrics.retry_aborted_total.get()).values).toEqual([]);
  },
);

test('a column that was added meanwhile is not left out as one that is unknown', async () => {
  await using house = await testHouse({
    sequencer: { ignoreUnknownColumns: true },
  });
  await house.database.query('create table a (id int primary key, v int)');
  await whenLooking(house, { isNext: false }, async () => {
    await house.database.query('alter table a add column w int');
    const feed = (await house.pipelines.open(house.schema))!;
    await feed.refreshShape();
    await send(house, [row('a', 15, 2, { v: 2, w: 3 })], 20);
  });
  await send(house, [row('a', 5, 1, { v: 1 })], 10);
  await applied(house, 20);
  expect(await rowsOf(house, 'select id, w from a where id = 2')).toEqual([
    '2 3',
  ]);
});

test.for(['never', 'once', 'still'] as const)(
  'a sweep goes on to what is resolved meanwhile, unless rows may be ahead of it (they have been: %s)',
  async (ahead) => {
    await using house = await testHouse({
      bestEffort: { only: ahead !== 'never' },
    });
    await house.database.query('create table a (id int primary key, v int)');
    await send(house, [row('a', 5, 1, { v: 1 })]);
    if (ahead !== 'never') {
      await until(
        async () => (await rowsOf(house, 'select * from a')).length === 1,
      );
    }
    // What goes ahead covers some seconds of the source at once.
    await send(house, [], 60_000);
    await applied(house, 60_000);
    const { bestEffort } = house.house.options;
    const only = ahead === 'still';
    const changes = { bestEffort: { ...bestEffort!, only } };
    const looked = Promise.withResolvers<boolean>();
    await whenLooking(
      house,
      { isNext: false, step: 60_010, changes },
      async (hasEnded) => looked.resolve(hasEnded),
    );
    await send(house, [row('a', 60_005, 1, { v: 2 })], 60_010);
    await applied(house, 60_010);
    await send(house, [row('a', 60_015, 1, { v: 3 })], 60_020);
    // Only a sweep that goes on looks before it has ended.
    expect(await looked.promise).toBe(ahead === 'still');
    await applied(house, 60_020);
    expect(await rowsOf(house, 'select * from a')).toEqual(['1 3']);
  },
);
