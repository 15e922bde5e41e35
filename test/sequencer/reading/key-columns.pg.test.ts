import { expect, test } from 'vitest';
import { eventually, openStage, row } from '../../support/stage.ts';

test('a staged delete finds its row after the primary key of the target was given another column order', async () => {
  await using stage = await openStage(
    'create table t (a int, b int, v text, primary key (a, b))',
  );
  await stage.start();
  const { database } = stage;
  await stage.rows(
    row('t', 1, [1, 2], { a: 1, b: 2, v: 'x' }),
    row('t', 1, [2, 1], { a: 2, b: 1, v: 'y' }),
  );
  await stage.resolve(1);
  const found = () => database.query('select a, b from t');
  await eventually(found, ({ rows }) => rows.length === 2);
  expect((await stage.rows(row('t', 2, [1, 2], null))).status).toBe(200);
  await database.query(
    'alter table t drop constraint t_pkey, add primary key (b, a)',
  );
  // An unknown name makes the daemon look at the catalog.
  expect((await stage.rows(row('nosuch', 3, [1], {}))).status).toBe(404);
  await stage.resolve(4);
  const { rows } = await eventually(found, (now) => now.rows.length === 1);
  expect(rows).toEqual([{ a: 2, b: 1 }]);
});

test('staged rows halt the pipeline while the primary key has a column that they are not keyed by, and cross when it is given back', async () => {
  await using stage = await openStage(
    'create table t (a int, b int, v text, primary key (a))',
  );
  await stage.start(['--quiescentPeriod=200ms']);
  const { database } = stage;
  await stage.rows(row('t', 1, [1], { a: 1, b: 2, v: 'x' }));
  await stage.resolve(1);
  const found = () => database.query('select a, b from t');
  await eventually(found, ({ rows }) => rows.length === 1);
  expect((await stage.rows(row('t', 2, [1], null))).status).toBe(200);
  const setKey = async (columns: string, step: number): Promise<void> => {
    await database.query(
      `alter table t drop constraint t_pkey, add primary key (${columns})`,
    );
    expect((await stage.rows(row('nosuch', step, [1], {}))).status).toBe(404);
  };
  await setKey('a, b', 3);
  await stage.resolve(4);
  expect(
    await eventually(
      () => stage.health(),
      (text) => text.includes('E4018'),
    ),
  ).toContain('E4018');
  await setKey('a', 5);
  expect(
    (await eventually(found, (now) => now.rows.length === 0)).rows,
  ).toEqual([]);
});

test('a row that changed a column which has since left the primary key is not deleted by its old key', async () => {
  await using stage = await openStage(
    'create table t (a int, b int, v text, primary key (a, b))',
  );
  await stage.start();
  const { database } = stage;
  await stage.rows(row('t', 1, [1, 2], { a: 1, b: 2, v: 'x' }));
  await stage.resolve(1);
  const found = () => database.query('select a, b, v from t');
  await eventually(found, ({ rows }) => rows.length === 1);
  // One transaction of the source, in either order and in two requests.
  await stage.rows(row('t', 2, [1, 3], { a: 1, b: 3, v: 'y' }));
  await stage.rows(row('t', 2, [1, 2], null));
  await database.query(
    'alter table t drop constraint t_pkey, add primary key (a)',
  );
  expect((await stage.rows(row('nosuch', 3, [1], {}))).status).toBe(404);
  await stage.resolve(4);
  const { rows } = await eventually(
    found,
    ({ rows: [now] }) => now?.['b'] !== 2,
  );
  expect(rows).toEqual([{ a: 1, b: 3, v: 'y' }]);
});
