import { expect, test } from 'vitest';
import type { TableMutations } from '../../../src/mutation/mutation.ts';
import { nextTimestamp } from '../../../src/mutation/timestamp.ts';
import { applied, at, row, rowsOf, until } from '../../support/fed-house.ts';
import { testHouse } from '../../support/house.ts';

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

test('a changefeed is refused where a slot was read, whose last transaction may have no end', async () => {
  await using house = await testHouse({
    sequencer: { isStatementOrder: true },
  });
  await house.database.query('create table t (id int primary key, v int)');
  const slot = (await house.pipelines.openTransactions(house.schema))!;
  await slot.begin('first', null);
  await slot.advance({
    tables: [row('t', 10, 1, { v: 1 })],
    resolved: at(10),
    position: 'second',
  });
  await slot.advance({
    tables: [row('t', 12, 2, { v: 2 })],
    resolved: at(10),
    position: 'second',
  });
  await house.restart();
  const changefeed = (await house.pipelines.open(house.schema))!;

  const refused = { code: 'E6008' };
  await expect(changefeed.resolve(at(20))).rejects.toMatchObject(refused);
  await expect(
    changefeed.accept([row('t', 15, 3, { v: 3 })]),
  ).rejects.toMatchObject(refused);
  await applied(house, 10);
  expect(await rowsOf(house, 'select * from t')).toEqual(['1 1']);
});

test('a transaction of a slot with more rows than one reading takes is applied, though children are staged before their parents', async () => {
  await using house = await testHouse({
    sequencer: { isStatementOrder: true, scanSize: 50, flushSize: 20 },
  });
  await house.database.query('create table p (id int primary key)');
  await house.database.query(
    'create table c (id int primary key, p int references p)',
  );
  const slot = (await house.pipelines.openTransactions(house.schema))!;
  await slot.begin('first', null);
  const rows = (
    table: string,
    after: (id: number) => Record<string, unknown>,
  ): TableMutations => ({
    table,
    mutations: Array.from(
      { length: 1_000 },
      (_, id) => row(table, 10, id, after(id)).mutations[0]!,
    ),
  });

  await slot.advance({
    tables: [rows('c', (id) => ({ p: id })), rows('p', () => ({}))],
    resolved: at(10),
    position: 'second',
  });

  await applied(house, 10);
  expect(await rowsOf(house, 'select count(*) from c')).toEqual(['1000']);
});

test('a transaction larger than memory is cut where no child waits for its parent', async () => {
  await using house = await testHouse({
    sequencer: {
      isStatementOrder: true,
      readBudgetBytes: 40_000,
      scanSize: 40,
    },
  });
  await house.database.query(
    `create table a_child (id int primary key, p int not null, v int);
     create table parent (id int primary key, v int);
     alter table a_child add foreign key (p) references parent`,
  );
  await house.pipelines.openTransactions(house.schema);
  const feed = (await house.pipelines.openTransactions(house.schema))!;
  await feed.begin('begun', null);
  // Parent, child, parent, child …, staged in parts as they come: in the log
  // a part's children lie before its parents.
  const partCount = 20;
  for (let part = 0; part < partCount; part += 1) {
    const ids = Array.from({ length: 30 }, (_, index) => part * 30 + index);
    const table = (
      name: string,
      after: (id: number) => Record<string, unknown>,
    ): TableMutations => ({
      table: name,
      mutations: ids.map((id) => row(name, 10, id, after(id)).mutations[0]!),
    });
    const isLast = part + 1 === partCount;
    await feed.advance({
      tables: [
        table('a_child', (id) => ({ p: id, v: part })),
        table('parent', () => ({ v: part })),
      ],
      resolved: isLast ? at(10) : at(9),
      position: `part ${part}`,
      ...(!isLast && { partOf: at(10) }),
    });
  }

  await applied(house, 10);
  expect(await rowsOf(house, 'select count(*), sum(v) from a_child')).toEqual([
    '600 5700',
  ]);
});
