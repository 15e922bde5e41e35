/** Transactions too large for memory in which unique values pass between rows. */
import { expect, test } from 'vitest';
import type { TableMutations } from '../../../src/mutation/mutation.ts';
import { applied, row, rowsOf, send, state } from '../../support/fed-house.ts';
import { type TestHouse, testHouse } from '../../support/house.ts';

const ids = Array.from({ length: 60 }, (_, index) => index);

type After = Record<string, unknown> | null;

/** One request for every ten rows, tables apart. */
async function sendStep(
  house: TestHouse,
  step: number,
  rowsByTable: Readonly<Record<string, readonly (readonly [number, After])[]>>,
): Promise<void> {
  const requests: TableMutations[] = [];
  for (const [table, rows] of Object.entries(rowsByTable)) {
    for (let from = 0; from < rows.length; from += 10) {
      requests.push({
        table,
        mutations: rows
          .slice(from, from + 10)
          .map(([id, after]) => row(table, step, id, after).mutations[0]!),
      });
    }
  }
  await send(house, requests, step);
}

function smallHouse(): Promise<TestHouse> {
  return testHouse({
    sequencer: { scanSize: 25, flushSize: 10, maxRetries: 9 },
  });
}

const columns = [
  ['not null, texts', 'text not null unique', (n: number) => `c${n}`],
  ['not null, numbers', 'int not null unique', (n: number) => n],
  ['not null, small numbers', 'int2 not null unique', (n: number) => n],
  [
    'not null, days',
    'date not null unique',
    (n: number) => new Date(n * 86_400_000).toISOString().slice(0, 10),
  ],
  ['that may be null, flags', 'bit(9) unique', (n: number) => bits(n)],
] as const;

function bits(n: number): string {
  return n.toString(2).padStart(9, '0');
}

test.for(columns)(
  'a giant transaction in which rows far apart swap and pass on unique values arrives: %s',
  async ([, type, valueOf]) => {
    await using house = await smallHouse();
    await house.database.query(
      `create table t (id int primary key, u ${type}, v int)`,
    );
    const rows = (
      place: (id: number) => number,
      v: number,
    ): [number, After][] => ids.map((id) => [id, { u: valueOf(place(id)), v }]);
    await sendStep(house, 1, { t: rows((id) => id, 1) });
    await applied(house, 1);
    // Swaps over the whole length, then a circle through all.
    await sendStep(house, 2, { t: rows((id) => 59 - id, 2) });
    await applied(house, 2);
    await sendStep(house, 3, { t: rows((id) => (id + 1) % 60, 3) });
    await applied(house, 3);
    const expected = await rowsOf(
      house,
      `select id, u, v from (values ${ids.map((id) => `(${id}, ${sqlText(valueOf((id + 1) % 60))}::${type.split(' ')[0]}, 3)`).join()}) as e (id, u, v) order by id`,
    );
    expect(await rowsOf(house, 'select id, u, v from t order by id')).toEqual(
      expected,
    );
  },
);

function sqlText(value: string | number): string {
  return `'${value}'`;
}

test('rows swap values and take over those of deleted ones that others still refer to until they change too', async () => {
  await using house = await smallHouse();
  await house.database.query(`
    create table account (id int primary key, mail text not null unique);
    create table item (id int primary key, account int not null references account on delete cascade);
  `);
  await sendStep(house, 1, {
    account: ids.map((id) => [id, { mail: `a${id}` }]),
    item: ids.map((id) => [id, { account: id }]),
  });
  await applied(house, 1);
  // The lower half goes, its mails to new accounts, and so do its items; the upper half turns round.
  await sendStep(house, 2, {
    account: [
      ...ids.slice(0, 30).map((id) => [id, null] as const),
      ...ids.slice(30).map((id) => [id, { mail: `a${89 - id}` }] as const),
      ...ids.slice(0, 30).map((id) => [100 + id, { mail: `a${id}` }] as const),
    ],
    item: ids.slice(0, 30).map((id) => [id, { account: 100 + id }] as const),
  });
  await applied(house, 2);
  expect(
    await rowsOf(house, 'select id, mail from account order by id'),
  ).toEqual([
    ...ids.slice(30).map((id) => `${id} a${89 - id}`),
    ...ids.slice(0, 30).map((id) => `${100 + id} a${id}`),
  ]);
  expect(
    await rowsOf(house, 'select id, account from item order by id'),
  ).toEqual(ids.map((id) => `${id} ${id < 30 ? 100 + id : id}`));
});

test('rows that do not carry a unique column keep what they have while others pass values on', async () => {
  await using house = await smallHouse();
  await house.database.query(
    'create table t (id int primary key, a text not null unique, b int, c int, v int, unique (b, c))',
  );
  await sendStep(house, 1, {
    t: ids.map((id) => [id, { a: `a${id}`, b: id, c: 60 - id, v: 1 }]),
  });
  await applied(house, 1);
  // One third gets no new unique value, one turns round, one passes `b` and `c` on.
  const next = (id: number): number => (id + 3) % 60;
  const changes = [
    () => ({ v: 2 }),
    (id: number) => ({ a: `a${59 - id}`, v: 2 }),
    (id: number) => ({ b: next(id), c: 60 - next(id), v: 2 }),
  ];
  await sendStep(house, 2, {
    t: ids.map((id) => [id, changes[id % 3]!(id)]),
  });
  await applied(house, 2);
  expect(
    await rowsOf(house, 'select id, a, b, c, v from t order by id'),
  ).toEqual(
    ids.map((id) => {
      const a = id % 3 === 1 ? 59 - id : id;
      const b = id % 3 === 2 ? next(id) : id;
      return `${id} a${a} ${b} ${60 - b} 2`;
    }),
  );
});

test('a child goes before its parent loses the unique value that it refers to, beside a swap', async () => {
  await using house = await smallHouse();
  await house.database.query(`
    create table parent (id int primary key, code text unique, n int not null unique);
    create table child (id int primary key, code text not null references parent (code));
  `);
  await sendStep(house, 1, {
    parent: ids.map((id) => [id, { code: `p${id}`, n: id }]),
    child: ids.map((id) => [id, { code: `p${id}` }]),
  });
  await applied(house, 1);
  await sendStep(house, 2, {
    parent: ids.map((id) => [id, { code: null, n: 59 - id }]),
    child: ids.map((id) => [id, null]),
  });
  await applied(house, 2);
  expect(
    await rowsOf(
      house,
      'select count(*) as rows, count(code) as codes, sum((n = 59 - id)::int) as swapped, (select count(*) from child) as children from parent',
    ),
  ).toEqual(['60 0 60 0']);
});

test('what nothing can stand in for is refused, and nothing has changed', async () => {
  await using house = await testHouse({
    sequencer: { scanSize: 25, flushSize: 10, maxRetries: 6 },
  });
  await house.database.query(
    `create table t (id int primary key, u bit(9) not null unique, v int);
     create table follower (id int primary key, t int references t on delete cascade)`,
  );
  await sendStep(house, 1, {
    t: ids.map((id) => [id, { u: bits(id), v: 1 }]),
  });
  await applied(house, 1);
  await sendStep(house, 2, {
    t: ids.map((id) => [id, { u: bits(59 - id), v: 2 }]),
  });
  await state(house, 'halted');
  expect(await rowsOf(house, 'select count(*) from t where v = 1')).toEqual([
    '60',
  ]);
  await house.database.query('alter table t drop constraint t_u_key');
  await applied(house, 2);
  expect(await rowsOf(house, 'select id, u from t order by id')).toEqual(
    ids.map((id) => `${id} ${bits(59 - id)}`),
  );
});
