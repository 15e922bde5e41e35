import { expect, test } from 'vitest';
import { climb } from '../contract/order-ladder.ts';
import { applyTo, failureOf, row } from '../contract/target-fixture.ts';
import { postgresFixture } from './postgres/fixture.ts';

test('a value passes on under an index that holds for rows that are not deleted', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql(`
    create table account (id int4 primary key, email text not null, deleted_at timestamptz);
    create unique index on account (lower(email)) where deleted_at is null;
    create table item (id int4 primary key, account int4 not null references account on delete cascade);
    insert into account values (1, 'a@x', null), (2, 'a@x', '2024-01-01'), (3, 'b@x', null);
    insert into item values (1, 1), (2, 2), (3, 3)`);
  const { refused } = await climb(
    fixture,
    [
      {
        account: [
          row(1, [1], { id: '1', email: '"B@x"', deleted_at: 'null' }),
          row(1, [2], { id: '2', email: '"a@x"', deleted_at: 'null' }),
          row(1, [3], {
            id: '3',
            email: '"b@x"',
            deleted_at: '"2024-01-02T00:00:00Z"',
          }),
        ],
      },
    ],
    async () => {},
  );
  expect(refused).toBeNull();
  expect(
    await fixture.rows(
      'select id, email from account where deleted_at is null order by id',
    ),
  ).toEqual([
    ['1', 'B@x'],
    ['2', 'a@x'],
  ]);
  expect(await fixture.rows('select id from item order by id')).toEqual([
    ['1'],
    ['2'],
    ['3'],
  ]);
});

test('a key column that the target computes is named, and nothing is written', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql(`
    create table item (id int4, part int4 generated always as (id % 4) stored, note text, primary key (id, part))`);
  const failure = await failureOf(
    applyTo(fixture, {
      item: [row(1, [1, 1], { id: '1', part: '1', note: '"x"' })],
    }),
  );
  expect([failure.code, failure.disposition]).toEqual(['E4022', 'halt']);
  expect(failure.message).toContain('"part"');
  expect(await fixture.rows('select id from item')).toEqual([]);
});

test.each([
  [
    'uuid',
    [
      '"0b9a5f6e-0000-4000-8000-000000000001"',
      '"0b9a5f6e-0000-4000-8000-000000000002"',
    ],
  ],
  ['timestamp', ['"2024-01-01T01:00:00"', '"2024-01-02T02:00:00"']],
  ['timestamptz', ['"2024-01-01T01:00:00Z"', '"2024-01-02T02:00:00Z"']],
  ['numeric(6, 2)', ['1.5', '2.5']],
  ['int2', ['1', '2']],
])(
  'values of %s pass between rows though children cascade',
  async (type, [a, b]) => {
    await using fixture = await postgresFixture();
    await fixture.sql(`
    create table item (id int4 primary key, v ${type} not null unique);
    create table child (id int4 primary key, item int4 references item on delete cascade);
    insert into item values (1, '${a!.replaceAll('"', '')}'), (2, '${b!.replaceAll('"', '')}');
    insert into child values (1, 1)`);
    const before = await fixture.rows('select v from item order by id');
    const { refused } = await climb(
      fixture,
      [
        {
          item: [
            row(1, [1], { id: '1', v: b! }),
            row(1, [2], { id: '2', v: a! }),
          ],
        },
      ],
      async () => {},
    );
    expect(refused).toBeNull();
    expect(await fixture.rows('select v from item order by id')).toEqual(
      before.toReversed(),
    );
    expect(await fixture.rows('select id from child')).toEqual([['1']]);
  },
);
