import { expect, test } from 'vitest';
import { inLowerCase } from './lower-case-names.ts';

test('only names are put in quotes', () => {
  expect(
    inLowerCase(
      `create table item (id number(19) primary key, "A b" varchar2(3 char) default 'given id', n number(19) generated always as (id * 2) virtual)`,
    ),
  ).toBe(
    `create table "item" ("id" number(19) primary key, "A b" varchar2(3 char) default 'given id', "n" number(19) generated always as ("id" * 2) virtual)`,
  );
  expect(inLowerCase(`delete from replicator_checkpoint`)).toBe(
    `delete from replicator_checkpoint`,
  );
});
