import { expect, test } from 'vitest';
import { row, rowsOf, send } from '../../support/fed-house.ts';
import { testHouse } from '../../support/house.ts';

test('of requests that share a transaction rows are written in the order of the source, so that a unique value can pass between them', async () => {
  await using house = await testHouse({ mode: 'immediate' });
  await house.database.query(
    'create table t (id int primary key, v int unique)',
  );
  const feed = (await house.pipelines.open(house.schema))!;
  await send(house, [row('t', 1, 1, { v: 1 }), row('t', 1, 2, { v: 2 })]);
  await Promise.all([
    feed.accept([row('t', 4, 2, { v: 1 })]),
    feed.accept([row('t', 3, 1, { v: 3 })]),
  ]);
  expect(await rowsOf(house, 'select id, v from t order by id')).toEqual([
    '1 3',
    '2 1',
  ]);
});
