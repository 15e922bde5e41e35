import { expect, test } from 'vitest';
import { nextTimestamp } from '../../src/mutation/timestamp.ts';
import { applied, at, row, rowsOf, until } from '../support/fed-house.ts';
import { testHouse } from '../support/house.ts';

test('after staging was purged a source whose clock lags goes on behind what the target has', async () => {
  await using house = await testHouse({
    sequencer: { isStatementOrder: true },
  });
  await house.database.query('create table t (id int primary key, v int)');
  const feed = (await house.pipelines.openTransactions(house.schema))!;
  await feed.begin('first', null);
  await feed.advance({
    tables: [row('t', 10, 1, { v: 1 })],
    resolved: at(10),
    position: 'second',
  });
  await applied(house, 10);
  await house.store.purge({ schema: house.schema }, false);

  const resolved = await feed.begin('other source', null);
  const time = nextTimestamp(resolved);
  const { mutations, ...table } = row('t', 5, 2, { v: 2 });
  await feed.advance({
    tables: [
      {
        ...table,
        mutations: mutations.map((one) => ({ ...one, time })),
      },
    ],
    resolved: time,
    position: 'third',
  });

  await until(
    async () => (await rowsOf(house, 'select * from t')).length === 2,
  );
  expect(resolved >= at(10)).toBe(true);
  expect(await rowsOf(house, 'select * from t order by id')).toEqual([
    '1 1',
    '2 2',
  ]);
});
