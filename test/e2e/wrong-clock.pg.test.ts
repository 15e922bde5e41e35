import { expect, test } from 'vitest';
import { eventually, openStage, row } from '../support/stage.ts';

test('a resolved timestamp years ahead of the clock is refused, not taken for progress that swallows every later row', async () => {
  await using stage = await openStage('create table t (id int primary key)');
  await stage.start();
  await stage.rows(row('t', 1, [1], { id: 1 }));
  const answer = await fetch(
    `${stage.daemon.url}/${stage.database.name}/public`,
    {
      method: 'POST',
      body: JSON.stringify({ resolved: '4102444800000000000.0000000000' }),
    },
  );
  await answer.text();
  await eventually(
    () => stage.database.query('select id from t'),
    ({ rows }) => rows.length === 1,
    2_000,
  );
  expect((await stage.rows(row('t', 2, [2], { id: 2 }))).status).toBe(200);
  await stage.resolve(3);
  const { rows } = await eventually(
    () => stage.database.query('select id from t order by id'),
    (found) => found.rows.length === 2,
  );
  // A row that was answered 200 is at the target.
  expect({ status: answer.status, rows }).toEqual({
    status: 400,
    rows: [{ id: 1 }, { id: 2 }],
  });
});
