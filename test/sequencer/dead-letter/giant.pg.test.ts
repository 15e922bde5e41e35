import { expect, test } from 'vitest';

import type { TableMutations } from '../../../src/mutation/mutation.ts';
import {
  lettersInShort,
  lettersOf,
  retryAll,
} from '../../support/dead-letter-hand.ts';
import {
  applied,
  row,
  rowsOf,
  send,
  state,
  status,
} from '../../support/fed-house.ts';
import { testHouse } from '../../support/house.ts';

const sequencer = {
  onRowError: 'deadLetter',
  flushSize: 20,
  scanSize: 40,
} as const;

/** Rows of one source transaction, in requests of ten. */
function giant(
  table: string,
  count: number,
  after: (id: number) => Record<string, unknown>,
): TableMutations[] {
  return Array.from({ length: count / 10 }, (_, request) => ({
    table,
    mutations: Array.from(
      { length: 10 },
      (__, index) =>
        row(table, 1, request * 10 + index, after(request * 10 + index))
          .mutations[0]!,
    ),
  }));
}

test('bad rows of a giant transaction are set aside from each of its parts, and it arrives whole', async () => {
  await using house = await testHouse({ sequencer });
  await house.database.query(
    'create table t (id int primary key, v int check (v < 100))',
  );
  const isBad = (id: number): boolean => [7, 8, 150, 299].includes(id);
  await send(
    house,
    giant('t', 300, (id) => ({ v: isBad(id) ? 500 : 1 })),
    1,
  );
  await applied(house, 1);
  expect((await lettersInShort(house)).toSorted()).toEqual(
    [7, 8, 150, 299]
      .map((id) => `t [${id}] E4005 {"id":${id},"v":500}`)
      .toSorted(),
  );
  expect(await rowsOf(house, 'select count(*) from t')).toEqual(['296']);
  await state(house, 'running');
});

/** 250 and 30 of p are bad. */
function family(above: (id: number) => number | null): TableMutations[] {
  return [
    ...giant('c', 200, (id) => ({ p: id })),
    ...giant('p', 400, (id) => ({
      above: above(id),
      v: id === 250 || id === 30 ? 500 : 1,
    })),
  ];
}

const createFamily =
  'create table p (id int primary key, above int references p, v int check (v < 100)); create table c (id int primary key, p int references p)';

test('of a giant transaction rows that wait for a bad one are set aside with it, and arrive when the letters are retried', async () => {
  await using house = await testHouse({ sequencer });
  await house.database.query(createFamily);
  await send(
    house,
    family((id) => (id < 200 ? null : 399 - id)),
    1,
  );
  await applied(house, 1);
  const letters = await lettersOf(house);
  expect(
    letters.map(({ table, mutation }) => `${table} ${mutation.key}`).toSorted(),
  ).toEqual(['c [30]', 'p [250]', 'p [30]', 'p [369]']);
  expect(await rowsOf(house, 'select count(*) from p')).toEqual(['397']);
  await state(house, 'running');
  await house.database.query('alter table p drop constraint p_v_check');
  await retryAll(house);
  expect(await rowsOf(house, 'select count(*) from p')).toEqual(['400']);
  expect(await rowsOf(house, 'select count(*) from c')).toEqual(['200']);
});

/** Rows from 200 on need one another two by two, those below one of them. */
const inCircles = family((id) => 399 - (id % 200));

test('of a giant transaction with rows that need one another two by two those that need a bad one are set aside, and arrive when the letters are retried', async () => {
  await using house = await testHouse({ sequencer });
  await house.database.query(createFamily);
  await send(house, inCircles, 1);
  await applied(house, 1);
  const letters = await lettersOf(house);
  expect(
    letters.map(({ table, mutation }) => `${table} ${mutation.key}`).toSorted(),
  ).toEqual([
    'c [149]',
    'c [30]',
    'c [50]',
    'p [149]',
    'p [250]',
    'p [30]',
    'p [349]',
    'p [50]',
  ]);
  await house.database.query('alter table p drop constraint p_v_check');
  await retryAll(house);
  expect(await rowsOf(house, 'select count(*) from p')).toEqual(['400']);
  expect(await rowsOf(house, 'select count(*) from c')).toEqual(['200']);
});

test('a giant transaction that is larger than memory, with rows that wait for a bad one, halts, and arrives when the cause is mended', async () => {
  await using house = await testHouse({
    sequencer: { ...sequencer, readBudgetBytes: 4_000 },
  });
  await house.database.query(createFamily);
  await send(house, inCircles, 1);
  // What waits for the bad ones cannot be told, and halts.
  await state(house, 'halted');
  expect(status(house).complaint).toMatch(/E4004/);
  await house.database.query('alter table p drop constraint p_v_check');
  await applied(house, 1);
  expect(await rowsOf(house, 'select count(*) from p')).toEqual(['400']);
});

test('of a giant transaction whose rows refer to one another what is set aside has all its columns', async () => {
  await using house = await testHouse({ sequencer });
  await house.database.query(
    'create table p (id int primary key, above int references p, v int check (v < 100))',
  );
  await send(
    house,
    [
      ...giant('p', 300, (id) => ({ above: (id * 7) % 250, v: 1 })),
      row('p', 1, 1_000, { above: 5, v: 500 }),
      row('p', 1, 1_001, { above: 1_000 - 1, v: 500 }),
      row('p', 1, 999, { above: 1, v: 1 }),
    ],
    1,
  );
  await applied(house, 1);
  const letters = await lettersOf(house);
  expect(
    letters.map(({ mutation }) => String(mutation.after)).toSorted(),
  ).toEqual([
    '{"id":1000,"above":5,"v":500}',
    '{"id":1001,"above":999,"v":500}',
  ]);
  await house.database.query('alter table p drop constraint p_v_check');
  await retryAll(house);
  expect(
    await rowsOf(house, 'select above from p where id >= 999 order by id'),
  ).toEqual(['1', '5', '999']);
});
