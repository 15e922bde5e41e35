import { expect, test } from 'vitest';
import { inLowerCase } from '../lower-case-names.ts';

test('only names are put in quotes', () => {
  expect(
    inLowerCase(
      `create table item (id number(19) primary key, "A b" varchar2(3 char) default 'given id', n number(19) generated always as (id * 2) virtual)`,
    ),
  ).toBe(
    `create table "item" ("id" number(19) primary key, "A b" varchar2(3 char) default 'given id', "n" number(19) generated always as ("id" * 2) virtual)`,
  );
  expect(
    inLowerCase(
      `select case when dbms_lob.getlength(v) = 0 then 'none' else to_char(v, 'YYYY') end from cell_1 where id = 1`,
    ),
  ).toBe(
    `select case when dbms_lob.getlength("v") = 0 then 'none' else to_char("v", 'YYYY') end from "cell_1" where "id" = 1`,
  );
  expect(inLowerCase(`delete from replicator_checkpoint`)).toBe(
    `delete from replicator_checkpoint`,
  );
});
