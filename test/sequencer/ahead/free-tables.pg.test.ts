import { expect, test } from 'vitest';

import { schemaName } from '../../../src/mutation/schema-name.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { freeTables } from '../../../src/sequencer/ahead/free-tables.ts';
import { testDatabase } from '../../support/test-database.ts';

test('a table that a foreign key links to a table of another schema, either way, does not stand alone', async () => {
  await using database = await testDatabase();
  await database.query(`
    create schema other;
    create table alone (id int primary key, v int);
    create table parent (id int primary key);
    create table split (id int primary key) partition by range (id);
    create table other.parent (id int primary key);
    create table child (id int primary key, p int references other.parent);
    create table other.child (id int primary key, p int references parent, s int references split);
    create table other.alone (id int primary key)`);
  await using target = await openTarget({
    ...defaultTargetOptions,
    url: database.url,
  });
  const free = async (schema: string): Promise<string[]> => {
    const name = schemaName([database.name, schema]);
    return [...freeTables((await target.introspect(name))!)].toSorted();
  };
  expect(await free('public')).toEqual(['alone']);
  expect(await free('other')).toEqual(['alone']);
  await database.query('drop table other.child');
  expect(await free('public')).toEqual(['alone', 'parent', 'split']);
});
