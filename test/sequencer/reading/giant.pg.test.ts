import { expect, test } from 'vitest';
import {
  applied,
  at,
  row,
  rowsOf,
  state,
  status,
  until,
} from '../../support/fed-house.ts';
import { type TestHouse, testHouse } from '../../support/house.ts';

test('a giant transaction is applied in fragments and seen whole or not at all', async () => {
  await using house = await testHouse({
    sequencer: { flushSize: 50, scanSize: 100 },
  });
  await house.database.query('create table t (id int primary key, v int)');
  const feed = (await house.pipelines.open(house.schema))!;
  for (let from = 0; from < 1_000; from += 25) {
    await feed.accept([
      {
        table: 't',
        mutations: Array.from(
          { length: 25 },
          (_, index) => row('t', 1, from + index, { v: 1 }).mutations[0]!,
        ),
      },
    ]);
  }
  const seen = new Set<string>();
  await feed.resolve(at(1));
  await until(async () => {
    const [count] = (await rowsOf(house, 'select count(*) from t')) as string[];
    seen.add(count!);
    return status(house).applied >= at(1);
  });
  seen.add(((await rowsOf(house, 'select count(*) from t')) as string[])[0]!);
  seen.delete('0');
  expect([...seen]).toEqual(['1000']);
});

test('a failure in the middle of a giant transaction leaves nothing of it behind', async () => {
  await using house = await testHouse({
    sequencer: { flushSize: 50, scanSize: 100, maxRetries: 3 },
  });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 5))',
  );
  const feed = (await house.pipelines.open(house.schema))!;
  for (let id = 0; id < 400; id += 1) {
    await feed.accept([row('t', 1, id, { v: id === 399 ? 9 : 1 })]);
  }
  await feed.resolve(at(1));
  await state(house, 'halted');
  expect(await rowsOf(house, 'select count(*) from t')).toEqual(['0']);
  await house.database.query('alter table t drop constraint t_v_check');
  await applied(house, 1);
  expect(await rowsOf(house, 'select count(*) from t')).toEqual(['400']);
});

async function sendGiant(
  house: TestHouse,
  parts: readonly {
    table: string;
    rows: readonly [number, Record<string, unknown>][];
  }[],
): Promise<void> {
  const feed = (await house.pipelines.open(house.schema))!;
  for (const { table, rows } of parts) {
    for (let from = 0; from < rows.length; from += 50) {
      await feed.accept([
        {
          table,
          mutations: rows
            .slice(from, from + 50)
            .map(([id, after]) => row(table, 1, id, after).mutations[0]!),
        },
      ]);
    }
  }
  await feed.resolve(at(1));
}

test('a giant transaction whose children are staged before their parents, and rows before those they refer to, is applied', async () => {
  await using house = await testHouse({
    sequencer: { flushSize: 50, scanSize: 100, maxRetries: 3 },
  });
  await house.database.query(`
    create table grandparent (id int primary key);
    create table parent (id int primary key, g int not null references grandparent);
    create table child (id int primary key, p int references parent);
    create table tree (id int primary key, up int references tree, v text);
    create table chicken (id int primary key, egg int);
    create table egg (id int primary key, chicken int references chicken);
    alter table chicken add foreign key (egg) references egg;
  `);
  const ids = Array.from({ length: 400 }, (_, id) => id);
  await sendGiant(house, [
    { table: 'child', rows: ids.map((id) => [id, { p: 399 - id }]) },
    {
      table: 'tree',
      rows: ids.map((id) => [id, { up: (id + 1) % 400, v: `v${id}` }]),
    },
    { table: 'parent', rows: ids.map((id) => [id, { g: id }]) },
    { table: 'chicken', rows: ids.map((id) => [id, { egg: 399 - id }]) },
    { table: 'grandparent', rows: ids.map((id) => [id, {}]) },
    { table: 'egg', rows: ids.map((id) => [id, { chicken: id }]) },
  ]);
  await applied(house, 1);
  expect(
    await rowsOf(
      house,
      `select (select count(*) from child where p = 399 - id) as n1, (select count(*) from parent) as n2,
         (select count(*) from grandparent) as n3, (select count(*) from tree where up = (id + 1) % 400 and v = 'v' || id) as n4,
         (select count(*) from chicken where egg = 399 - id) as n5, (select count(*) from egg where chicken = id) as n6`,
    ),
  ).toEqual(['400 400 400 400 400 400']);
});

test('a giant transaction that deletes parents and children is applied, whatever comes first', async () => {
  await using house = await testHouse({
    sequencer: { flushSize: 50, scanSize: 100, maxRetries: 3 },
  });
  await house.database.query(`
    create table parent (id int primary key);
    create table child (id int primary key, p int references parent);
    insert into parent select generate_series(0, 399);
    insert into child select i, i from generate_series(0, 399) i;
  `);
  const feed = (await house.pipelines.open(house.schema))!;
  for (const table of ['parent', 'child']) {
    for (let id = 0; id < 400; id += 1) {
      await feed.accept([row(table, 1, id, null)]);
    }
  }
  await feed.resolve(at(1));
  await applied(house, 1);
  expect(
    await rowsOf(
      house,
      'select (select count(*) from parent) as p, (select count(*) from child) as c',
    ),
  ).toEqual(['0 0']);
});

test('six thousand rows of one transaction that refer to one another are applied', async () => {
  await using house = await testHouse({ sequencer: { maxRetries: 3 } });
  await house.database.query(
    'create table tree (id int primary key, up int references tree)',
  );
  const ids = Array.from({ length: 6_000 }, (_, id) => id);
  await sendGiant(house, [
    { table: 'tree', rows: ids.map((id) => [id, { up: 5_999 - id }]) },
  ]);
  await applied(house, 1);
  expect(await rowsOf(house, 'select count(*) from tree')).toEqual(['6000']);
});
