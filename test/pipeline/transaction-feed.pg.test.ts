import { expect, test } from 'vitest';
import type { TransactionFeed } from '../../src/source/source.ts';
import { at, row, rowsOf, send, state, until } from '../support/fed-house.ts';
import { type TestHouse, testHouse } from '../support/house.ts';

async function transactionHouse(): Promise<TestHouse> {
  const house = await testHouse({ sequencer: { isStatementOrder: true } });
  await house.database.query('create table t (id int primary key, v int)');
  return house;
}

/** As another daemon, or the next start, would open it. */
async function feedOf(house: TestHouse): Promise<TransactionFeed> {
  return (await house.pipelines.openTransactions(house.schema))!;
}

const ids = 'select id from t order by id';

async function see(house: TestHouse, expected: string[]): Promise<void> {
  await until(async () => {
    const rows = await rowsOf(house, ids);
    return rows.length >= expected.length;
  });
  expect(await rowsOf(house, ids)).toEqual(expected);
}

test('rows later than what is resolved are seen when a later step resolves them, and no sooner', async () => {
  await using house = await transactionHouse();
  const feed = await feedOf(house);
  expect(await feed.position()).toBeNull();
  await feed.begin('begun', null);
  const step = { resolved: at(1), position: 'one' };
  await feed.advance({
    ...step,
    tables: [row('t', 1, 1, { v: 1 }), row('t', 5, 5, { v: 5 })],
  });
  await see(house, ['1']);
  await feed.advance({
    tables: [row('t', 5, 6, { v: 6 })],
    resolved: at(5),
    position: 'two',
  });
  await see(house, ['1', '5', '6']);
  expect(await feed.position()).toBe('two');
});

test('whoever begins again finds the time and place of the last step, and nothing of a transaction without an end', async () => {
  await using house = await transactionHouse();
  const dead = await feedOf(house);
  await dead.begin('begun', null);
  await dead.advance({
    tables: [row('t', 2, 2, { v: 2 }), row('t', 7, 7, { v: 7 })],
    resolved: at(2),
    position: 'half of seven',
  });
  await house.restart();
  const feed = await feedOf(house);
  const noted = await feed.position();
  expect(noted).toBe('half of seven');
  expect(await feed.begin('again', noted)).toBe(at(2));
  await feed.advance({
    tables: [row('t', 8, 8, { v: 8 })],
    resolved: at(8),
    position: 'eight',
  });
  await see(house, ['2', '8']);
});

test('of two readers the one that began last goes on, and the other adds nothing', async () => {
  await using house = await transactionHouse();
  const first = await feedOf(house);
  const second = await feedOf(house);
  await first.begin('first', null);
  await expect(second.begin('second', null)).rejects.toMatchObject({
    code: 'E2010',
  });
  await second.begin('second', 'first');
  const step = { resolved: at(1), position: 'more' };
  await expect(
    first.advance({ ...step, tables: [row('t', 1, 1, { v: 1 })] }),
  ).rejects.toMatchObject({ code: 'E2010' });
  await second.advance({ ...step, tables: [row('t', 1, 2, { v: 1 })] });
  await see(house, ['2']);
});

test('rows of a changefeed that were never resolved are neither discarded nor applied', async () => {
  await using house = await transactionHouse();
  await send(house, [row('t', 3, 3, { v: 3 })]);
  const feed = await feedOf(house);
  await expect(feed.begin('begun', null)).rejects.toMatchObject({
    code: 'E6008',
  });
  expect((await house.store.size(house.schema)).rowCount).toBe(1);
});

test('a daemon that another has superseded at the target takes no more steps', async () => {
  await using house = await transactionHouse();
  const feed = await feedOf(house);
  await feed.begin('begun', null);
  await feed.advance({
    tables: [row('t', 1, 1, { v: 1 })],
    resolved: at(1),
    position: 'one',
  });
  await see(house, ['1']);
  await house.database.query(
    'update replicator_checkpoint set epoch = epoch + 1',
  );
  await feed.advance({
    tables: [row('t', 2, 2, { v: 2 })],
    resolved: at(2),
    position: 'two',
  });
  await state(house, 'superseded');
  await expect(
    feed.advance({ tables: [], resolved: at(3), position: 'three' }),
  ).rejects.toMatchObject({ code: 'E4009' });
  expect(await feed.position()).toBe('two');
});
