import { expect, test } from 'vitest';

import { schemaName } from '../../../src/mutation/schema-name.ts';
import { freeTables } from '../../../src/sequencer/ahead/free-tables.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../../support/mysql-test-database.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';

test.for(MYSQL_PRODUCTS)(
  'a table of %s that a foreign key links to a table of another database, either way, does not stand alone',
  async (product) => {
    await using one = await testMysqlDatabase(product);
    await using other = await testMysqlDatabase(product);
    await one.sql(
      'create table alone (id int primary key, v int); create table parent (id int primary key)',
    );
    await other.sql(
      `create table child (id int primary key, p int, foreign key (p) references ${one.name}.parent (id));
      create table alone (id int primary key)`,
    );
    await using target = await openTarget({
      ...defaultTargetOptions,
      url: one.url,
    });
    const free = async (name: string): Promise<string[]> => [
      ...freeTables((await target.introspect(schemaName([name])))!),
    ];
    expect(await free(one.name)).toEqual(['alone']);
    expect(await free(other.name)).toEqual(['alone']);
    await other.sql('drop table child');
    expect((await free(one.name)).toSorted()).toEqual(['alone', 'parent']);
  },
);
