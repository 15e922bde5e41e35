/** Every type through the real command, value for value. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownTypes, typeValues } from '../source/logical/decode/type-values.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import { slotHouse, startSlotServer } from '../support/slot-house.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const types = Object.entries(typeValues);
const isList = (type: string): boolean =>
  ['list', 'int2vector', 'oidvector'].includes(type);

/** `do` that leaves undone what the source refuses. */
const whatever = (statement: string): string =>
  `do $do$ begin ${statement}; exception when others then null; end $do$`;

test('a PostgreSQL target holds what the source holds, of every type and of arrays of it', async () => {
  const setup = [...ownTypes];
  const changes: string[] = [];
  for (const [index, [type, values]] of types.entries()) {
    setup.push(
      `create table one_${index} (id int4 primary key, v ${type}, n int4)`,
      `create table many_${index} (id int4 primary key, v ${type}[])`,
    );
    const rows = [...values.map(literal), 'null'].map(
      (value, place) => `(${place}, ${value})`,
    );
    const all = isList(type)
      ? `array(select v from one_${index} order by id)::text[]::${type}[]`
      : `(select array_agg(v order by id) from one_${index})`;
    changes.push(
      `insert into one_${index} (id, v) values ${rows.join()}`,
      `insert into many_${index} values (1, ${all}), (2, '{}'), (3, null), (4, array[null::${type}])`,
      `update one_${index} set n = id where id % 2 = 0`,
    );
    if (!isList(type)) {
      const first = `(select v from one_${index} where id = 0)`;
      changes.push(
        `insert into many_${index} values
          (5, array[${all}, ${all}]),
          (6, array_fill(${first}, array[2], array[0])),
          (7, array_fill(${first}, array[1, 2], array[-1, 5]))`,
        `update many_${index} set v[3] = ${first} where id = 6`,
      );
    }
  }
  await using house = await slotHouse({ server, setup: setup.join(';\n') });
  for (const change of changes) {
    await house.source.sql(change);
  }
  await house.settle();
  expect(await house.target.rows('select id from many_0')).toHaveLength(7);
});

test('rows are found by keys of every type that can be one', async () => {
  await using house = await slotHouse({
    server,
    setup: [
      ...ownTypes,
      ...types.map(([type], index) =>
        whatever(`create table k_${index} (v ${type} primary key, n int4)`),
      ),
    ].join(';\n'),
  });
  const { source } = house;
  const tables = (
    await source.rows(
      `select relname from pg_class where relname like 'k\\_%' and relkind = 'r'`,
    )
  ).flat();
  expect(tables.length).toBeGreaterThan(50);
  for (const [index, [, values]] of types.entries()) {
    const table = `k_${index}`;
    if (!tables.includes(table)) {
      continue;
    }
    const insert = (value: string, n: number): string =>
      whatever(`insert into ${table} values (${literal(value)}, ${n})`);
    const [first] = values;
    await source.sql(values.map((value) => insert(value, 1)).join(';'));
    await source.sql(`update ${table} set n = 2`);
    await source.sql(
      `delete from ${table} where v::text = ${literal(first!)}; ${whatever(`update ${table} set v = ${literal(first!)} where v::text = ${literal(values[1] ?? '')}`)}`,
    );
    await source.sql(values.map((value) => insert(value, 3)).join(';'));
    await source.sql(
      `alter table ${table} replica identity full; delete from ${table} where n = 2; update ${table} set n = 4`,
    );
  }
  await house.settle();
});

test('rows without a key are found by values of every type', async () => {
  await using house = await slotHouse({
    server,
    setup: [
      ...ownTypes,
      ...types.map(
        ([type], index) =>
          `create table b_${index} (n int4, v ${type}, vs ${type}[])`,
      ),
    ].join(';\n'),
  });
  const { source } = house;
  for (const [index, [, values]] of types.entries()) {
    const table = `b_${index}`;
    await source.sql(
      `alter table ${table} replica identity full; insert into ${table} (n, v) values ${[...values.map(literal), 'null'].map((value, place) => `(${place}, ${value})`).join()}`,
    );
    await source.sql(`insert into ${table} select * from ${table}`);
    await source.sql(
      `update ${table} set n = -1 where ctid in (select min(ctid) from ${table} group by n)`,
    );
    await source.sql(
      `delete from ${table} where ctid in (select max(ctid) from ${table} where n % 2 = 0 group by n)`,
    );
  }
  await house.settle();
});
