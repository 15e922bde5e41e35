/** What reaches an operator of values that no column takes. */
import { expect, test } from 'vitest';
import { createApplier } from '../../../../src/target/applier.ts';
import { applyTo, failureOf, row } from '../../../contract/target-fixture.ts';
import { postgresFixture } from '../fixture.ts';

const secret = 'Zq9-secret';

/** By column definition, what is said of the value. */
const told: Readonly<Record<string, string>> = {
  int4: 'E4006 column "v" of (here): the value is not a whole number; the server says invalid input syntax for type integer (SQLSTATE 22P02)',
  'numeric(3,1)':
    'E4006 column "v" of (here): the value is not a finite decimal number',
  bool: 'E4006 column "v" of (here): the value is not a boolean; the server says invalid input syntax for type boolean (SQLSTATE 22P02)',
  uuid: 'E4006 column "v" of (here): the value is not a uuid; the server says invalid input syntax for type uuid (SQLSTATE 22P02)',
  inet: 'E4006 invalid input syntax for type inet (SQLSTATE 22P02), in (here)',
  'bit(3)':
    'E4006 column "v" of (here): the value is not a string of bits; the server says a value cannot be stored in its target column (SQLSTATE 22P02)',
  'varchar(3)':
    'E4006 column "v" of (here): the value is longer than 3 characters',
  timestamptz: 'E4006 column "v" of (here): the value is not a timestamp',
  time: 'E4006 column "v" of (here): the value is not a time of day',
  money:
    'E4006 invalid input syntax for type money (SQLSTATE 22P02), in (here)',
  point:
    'E4006 invalid input syntax for type point (SQLSTATE 22P02), in (here)',
  int4range: 'E4006 malformed range literal (SQLSTATE 22P02), in (here)',
  int4multirange:
    'E4006 a value cannot be stored in its target column (SQLSTATE 22P02), in (here)',
  'int4[]':
    'E4006 column "v" of (here): the value is not a whole number; the server says malformed array literal (SQLSTATE 22P02)',
  mood: 'E4006 column "v" of (here): the value is not among the labels of the column; the server says invalid input value for enum mood (SQLSTATE 22P02)',
  pair: 'E4006 malformed record literal (SQLSTATE 22P02), in (here)',
  short:
    'E4005 value for domain short violates check constraint "short_check" (SQLSTATE 23514, constraint short_check, type short)',
  regclass:
    'E4011 the target schema has changed under a statement (SQLSTATE 42P01)',
  regtype: 'E4008 the target refused a statement (SQLSTATE 42601)',
  regproc:
    'E4011 the target schema has changed under a statement (SQLSTATE 42883)',
  regnamespace:
    'E4011 the target schema has changed under a statement (SQLSTATE 3F000)',
  regrole:
    'E4011 the target schema has changed under a statement (SQLSTATE 42704)',
  jsonpath: 'E4008 the target refused a statement (SQLSTATE 42601)',
  oid: 'E4006 column "v" of (here): the value is not a whole number; the server says invalid input syntax for type oid (SQLSTATE 22P02)',
  'text check (v::regclass is not null)':
    'E4011 the target schema has changed under a statement (SQLSTATE 42P01)',
  "text, w float8 generated always as (date_part(v, date '2020-01-01')) stored":
    'E4006 a value cannot be stored in its target column (SQLSTATE 22023), in (here)',
};

test('a value that a column refuses is told by its column type, in no case by itself', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql(`create type mood as enum ('well')`);
  await fixture.sql('create type pair as (x int4, y int4)');
  await fixture.sql(`create domain short as text check (length(value) < 3)`);
  const seen: Record<string, string> = {};
  const columns = Object.keys(told);
  for (const [index, column] of columns.entries()) {
    const name = `t${index}`;
    await fixture.sql(
      `create table ${name} (id int8 primary key, v ${column})`,
    );
    const failure = await failureOf(
      applyTo(fixture, {
        [name]: [row(1, [1], { id: '1', v: JSON.stringify(secret) })],
      }),
    );
    expect(failure.cause).toBeUndefined();
    const place = `table ${fixture.schema}.${name}, row [1]`;
    seen[column] = `${failure.code} ${failure.message}`.replace(
      place,
      '(here)',
    );
  }
  expect(JSON.stringify(seen)).not.toContain(secret.slice(0, 4));
  expect(seen).toEqual(told);
});

test('a failure inside a trigger names the function and the constraint, and not what either says', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql('create table item (id int8 primary key, v text)');
  await fixture.sql(
    'create table log (v text constraint no_secret check (v is null))',
  );
  const failWith = async (body: string): Promise<string> => {
    await fixture.sql(
      `create or replace function "Note it"() returns trigger language plpgsql as $$ begin ${body}; return new; end $$`,
    );
    const { code, message } = await failureOf(
      applyTo(fixture, {
        item: [row(1, [1], { id: '1', v: JSON.stringify(secret) })],
      }),
    );
    return `${code} ${message}`.replace(fixture.schema, 'public');
  };
  await fixture.sql(
    'create function "Note it"() returns trigger language plpgsql as $$ begin return new; end $$',
  );
  await fixture.sql(
    'create trigger noted before insert on item for each row execute function "Note it"()',
  );
  expect([
    await failWith(`raise exception 'no %', new.v`),
    await failWith(
      `raise exception using errcode = '40001', message = new.v, hint = new.v`,
    ),
    await failWith('insert into log values (new.v)'),
    await failWith(
      `execute 'insert into nowhere values (' || quote_literal(new.v) || ')'`,
    ),
    await failWith('perform new.v::int4'),
  ]).toEqual([
    'E4005 a trigger or function refused the row (SQLSTATE P0001, function "Note it")',
    'E4003 a trigger or function refused the row (SQLSTATE 40001, function "Note it")',
    'E4005 a row violates a constraint of the target, inside a trigger or function (SQLSTATE 23514, function "Note it", table log, constraint no_secret)',
    'E4011 the target schema has changed under a statement, inside a trigger or function (SQLSTATE 42P01, function "Note it")',
    'E4006 a value cannot be stored in its target column, inside a trigger or function (SQLSTATE 22P02, function "Note it"), in table public.item, row [1]',
  ]);
});

test('what the server says of our own statements and of names is shown', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql('create table item (id int8 primary key, v text unique)');
  await fixture.sql(`insert into item values (1, 'taken')`);
  expect(
    (
      await failureOf(
        applyTo(fixture, { item: [row(1, [2], { id: '2', v: '"taken"' })] }),
      )
    ).message,
  ).toBe(
    'duplicate key value violates unique constraint "item_v_key" (SQLSTATE 23505, table item, constraint item_v_key)',
  );
  const { tables } = (await fixture.target.introspect(fixture.schema))!;
  await fixture.sql('alter table item drop column v');
  await using transaction = await fixture.target.begin();
  const failure = await failureOf(
    createApplier({ collapse: true }).apply(
      [
        {
          table: tables.get('item')!,
          mutations: [row(1, [1], { id: '1', v: '"x"' })],
        },
      ],
      transaction,
      new AbortController().signal,
    ),
  );
  expect(failure.message).toBe(
    'column "v" of relation "item" does not exist (SQLSTATE 42703)',
  );
});
