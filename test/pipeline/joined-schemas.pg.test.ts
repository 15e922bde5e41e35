import { expect, test } from 'vitest';
import { schemaName } from '../../src/mutation/schema-name.ts';
import {
  joinedTableName,
  withJoinedSchemas,
} from '../../src/pipeline/joined-schemas.ts';
import type { Target } from '../../src/target/target.ts';
import { testHouse } from '../support/house.ts';

test('tables of other schemas stand beside those of the main one under their schema, and know where they live', async () => {
  await using house = await testHouse();
  await house.database.query(`
    create table item (id int primary key);
    create schema audit; create table audit.item (id int primary key, v text);
    create schema "Ref.x"; create table "Ref.x"."T" (id int primary key)`);
  const main = house.schema;
  const audit = schemaName([house.database.name, 'audit']);
  const other = schemaName([house.database.name, 'Ref.x']);
  const joined = withJoinedSchemas(plain(house.target), main, [audit, other]);
  const shape = (await joined.introspect(main))!;
  expect(shape.name).toBe(main);
  expect(
    [...shape.tables].map(([name, table]) => [name, table.schema, table.name]),
  ).toEqual([
    ['item', main, 'item'],
    [joinedTableName(main, audit, 'item'), audit, 'item'],
    [joinedTableName(main, other, 'T'), other, 'T'],
  ]);
  const [, inAudit] = [...shape.tables.values()];
  expect(inAudit!.columnByName.has('v')).toBe(true);
});

test('a schema that is missing is named', async () => {
  await using house = await testHouse();
  const missing = schemaName([house.database.name, 'missing']);
  const joined = withJoinedSchemas(plain(house.target), house.schema, [
    missing,
  ]);
  await expect(joined.introspect(house.schema)).rejects.toMatchObject({
    code: 'E4001',
    disposition: 'halt',
    message: expect.stringContaining('missing'),
  });
});

test('a table whose name is that of another one of another schema is refused', async () => {
  await using house = await testHouse();
  const audit = schemaName([house.database.name, 'audit']);
  const clash = joinedTableName(house.schema, audit, 'item');
  await house.database.query(
    `create schema audit; create table audit.item (id int primary key);
     create table "${clash}" (id int primary key)`,
  );
  const joined = withJoinedSchemas(plain(house.target), house.schema, [audit]);
  await expect(joined.introspect(house.schema)).rejects.toMatchObject({
    code: 'E4011',
    disposition: 'halt',
  });
});

/** As the meters of a daemon are: functions, no class. */
function plain(target: Target): Target {
  return {
    ...target,
    introspect: (schema, signal) => target.introspect(schema, signal),
  };
}
