/** A transaction that comes in parts: deletes of one stand before upserts of the next. */
import { expect, test } from 'vitest';
import { createApplier } from '../../../src/target/applier.ts';
import { row, shapeOf } from '../../contract/target-fixture.ts';
import { postgresFixture } from './fixture.ts';

test('what refers to a row that gets another key follows it, though its own change comes later', async () => {
  await using fixture = await postgresFixture();
  for (const statement of [
    'create table parent (id int8 primary key)',
    `create table child (id int8 primary key, note text,
      parent_id int8 references parent on update cascade on delete cascade)`,
    'create table grandchild (id int8 primary key references child on delete cascade)',
    'insert into parent values (1)',
    `insert into child values (1, 'kept', 1)`,
    'insert into grandchild values (1)',
  ]) {
    await fixture.sql(statement);
  }
  const { tables } = await shapeOf(fixture);
  const gone = row(1, [1], null);
  const parts = {
    parent: [gone, { ...row(1, [2], { id: '2' }), movedFrom: gone.key }],
    child: [row(1, [1], { id: '1', parent_id: '2' })],
  };
  await using transaction = await fixture.target.begin();
  for (const [name, mutations] of Object.entries(parts)) {
    await createApplier({ collapse: true }).apply(
      [{ table: tables.get(name)!, mutations }],
      transaction,
      new AbortController().signal,
      'part',
    );
  }
  await transaction.commit(null);
  expect(
    await fixture.rows(
      'select c.*, g.id from child c join grandchild g using (id)',
    ),
  ).toEqual([['1', 'kept', '2', '1']]);
  expect(await fixture.rows('select id from parent')).toEqual([['2']]);
});
