import { expect, test } from 'vitest';
import { row, rowsOf, send } from '../../support/fed-house.ts';
import { testHouse } from '../../support/house.ts';

test('a request whose keys cannot be told any more is refused by itself, and those beside it and behind it are applied', async () => {
  await using house = await testHouse({ mode: 'immediate' });
  await house.database.query(`
    create table t (id int, v int, primary key (id, v));
    create table u (id int primary key, v int)`);
  const feed = (await house.pipelines.open(house.schema))!;
  await send(house, [row('u', 1, 1, { v: 1 })]);
  // It was read when the table had another key.
  const old = { ...row('t', 2, 1, { v: 1 }), keyColumns: ['id', 'w'] };
  const outcomes = await Promise.allSettled([
    feed.accept([row('u', 2, 2, { v: 2 })]),
    feed.accept([old]),
    feed.accept([row('u', 2, 3, { v: 3 })]),
  ]);
  expect(outcomes).toMatchObject([
    { status: 'fulfilled' },
    { status: 'rejected', reason: { code: 'E4018' } },
    { status: 'fulfilled' },
  ]);
  await send(house, [row('u', 3, 1, { v: 4 })]);
  expect(await rowsOf(house, 'select id, v from u order by id')).toEqual([
    '1 4',
    '2 2',
    '3 3',
  ]);
});
