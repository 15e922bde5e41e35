/** Transactions too large for memory whose rows take over what deleted ones had. */
import { expect, test } from 'vitest';
import type { TableMutations } from '../../../src/mutation/mutation.ts';
import { applied, row, rowsOf, send } from '../../support/fed-house.ts';
import { testHouse } from '../../support/house.ts';

const ids = Array.from({ length: 60 }, (_, index) => index);

/** One request for every ten rows. */
function requestsOf(parts: readonly TableMutations[]): TableMutations[] {
  const requests: TableMutations[] = [];
  for (let at = 0; at < parts.length; at += 10) {
    const byTable = Map.groupBy(parts.slice(at, at + 10), ({ table }) => table);
    for (const [table, rows] of byTable) {
      requests.push({
        table,
        mutations: rows.flatMap(({ mutations }) => mutations),
      });
    }
  }
  return requests;
}

test.each([
  [
    'no foreign key',
    'create table p (id int primary key); create table t (id int primary key, code text not null unique, p int)',
  ],
  [
    'foreign keys',
    'create table p (id int primary key); create table t (id int primary key, code text not null unique, p int references p)',
  ],
])(
  'a giant transaction that deletes all rows and inserts them under other keys arrives, with %s',
  async (_, ddl) => {
    await using house = await testHouse({
      sequencer: { scanSize: 25, flushSize: 10 },
    });
    await house.database.query(ddl);
    await send(
      house,
      requestsOf([
        row('p', 1, 1, {}),
        ...ids.map((id) => row('t', 1, id, { code: `c${id}`, p: 1 })),
      ]),
      1,
    );
    await applied(house, 1);
    await send(
      house,
      requestsOf([
        ...ids.map((id) => row('t', 2, 100 + id, { code: `c${id}`, p: 1 })),
        ...ids.map((id) => row('t', 2, id, null)),
      ]),
      2,
    );
    await applied(house, 2);
    expect(await rowsOf(house, 'select id, code from t order by id')).toEqual(
      ids.map((id) => `${100 + id} c${id}`),
    );
  },
);

test.each([
  ['refer to one another', 'parent int references t'],
  [
    'refer to one another and have a default',
    'parent int default 0 references t',
  ],
])(
  'giant transactions that insert and delete rows of one table that %s arrive',
  async (_, parent) => {
    await using house = await testHouse({
      sequencer: { scanSize: 25, flushSize: 10 },
    });
    await house.database.query(
      `create table t (id int primary key, v text not null, ${parent})`,
    );
    const parentOf = (id: number): number | null => (id === 0 ? null : id - 1);
    await send(
      house,
      requestsOf(
        ids
          .toReversed()
          .map((id) => row('t', 1, id, { v: 'x', parent: parentOf(id) })),
      ),
      1,
    );
    await applied(house, 1);
    expect(await rowsOf(house, 'select parent from t order by id')).toEqual(
      ids.map((id) => String(parentOf(id) ?? '')),
    );
    await send(
      house,
      requestsOf(
        ids
          .slice(0, 59)
          .map((id) => row('t', 2, id, null))
          .concat(row('t', 2, 59, { v: 'y', parent: null })),
      ),
      2,
    );
    await applied(house, 2);
    expect(await rowsOf(house, 'select id, v from t')).toEqual(['59 y']);
  },
);

test('giant transactions that insert and delete rows of tables that refer to one another arrive', async () => {
  await using house = await testHouse({
    sequencer: { scanSize: 25, flushSize: 10 },
  });
  await house.database.query(
    `create table division (id int primary key, head int);
     create table person (id int primary key, division int not null references division);
     alter table division add foreign key (head) references person`,
  );
  await send(
    house,
    requestsOf([
      ...ids.map((id) => row('person', 1, id, { division: 59 - id })),
      ...ids.map((id) => row('division', 1, id, { head: id })),
    ]),
    1,
  );
  await applied(house, 1);
  expect(
    await rowsOf(house, 'select count(*) from division where head = id'),
  ).toEqual(['60']);
  await send(
    house,
    requestsOf([
      ...ids.map((id) => row('division', 2, id, null)),
      ...ids.map((id) => row('person', 2, id, null)),
    ]),
    2,
  );
  await applied(house, 2);
  expect(await rowsOf(house, 'select id from person')).toEqual([]);
  expect(await rowsOf(house, 'select id from division')).toEqual([]);
});
