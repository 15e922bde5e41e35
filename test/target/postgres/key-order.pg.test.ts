/** Upserts whose rows the server sorts by their key. */
import { expect, test } from 'vitest';
import type { Mutation } from '../../../src/mutation/mutation.ts';
import { upsertPlan } from '../../../src/target/postgres/statements/upsert-plan.ts';
import {
  applyTo,
  row,
  rowsOf,
  shapeOf,
} from '../../contract/target-fixture.ts';
import { postgresFixture } from './fixture.ts';

const rowCount = 500;

test('rows of a table without triggers and other unique keys are sorted by their key, and end right', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql(
    `create table t (v text, b int8, a int4, primary key (a, b));
     create table u (id int8 primary key, code text unique);
     create table w (id text primary key)`,
  );
  const { tables } = await shapeOf(fixture);
  const isSorted = (
    name: string,
    values: Readonly<Record<string, string>>,
  ): boolean => {
    const many = Array.from({ length: rowCount }, () => values);
    return upsertPlan(rowsOf(tables.get(name)!, many)).some(({ text }) =>
      text.includes('order by'),
    );
  };
  expect(isSorted('t', { a: '1', b: '1', v: '"x"' })).toBe(true);
  expect(isSorted('t', { a: '1', b: '1', v: `"${'x'.repeat(900)}"` })).toBe(
    false,
  );
  expect(isSorted('u', { id: '1', code: '"x"' })).toBe(false);
  expect(isSorted('w', { id: '"1"' })).toBe(false);
  const versions = (version: number): Mutation[] =>
    Array.from({ length: rowCount }, (_, index) => {
      const a = (index * 7_919) % rowCount;
      return row(version, [a, -a], {
        a: `${a}`,
        b: `${-a}`,
        v: `"${version}-${a}"`,
      });
    });
  await applyTo(fixture, { t: versions(1) });
  await applyTo(fixture, { t: versions(2) });
  expect(
    await fixture.rows(
      `select count(*), bool_and(b = -a and v = '2-' || a) from t`,
    ),
  ).toEqual([[String(rowCount), 't']]);
});
