/** Every type, from a slot to a PostgreSQL target, value for value. */
import { expect, test } from 'vitest';
import { createApplier } from '../../../../src/target/applier.ts';
import { startPostgresServer } from '../../../support/postgres-server.ts';
import { decodedSlot } from './decoded-slot.ts';
import { ownTypes, typesWithoutValues, typeValues } from './type-values.ts';

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

test('a PostgreSQL target holds what the source holds, of every type and of arrays of it', async () => {
  await using server = await startPostgresServer({
    fsync: false,
    settings: { wal_level: 'logical' },
  });
  await using slot = await decodedSlot(server, 'types');
  for (const statement of ownTypes) {
    await slot.sql(statement);
  }
  const tables: string[] = [];
  for (const [index, [type, values]] of Object.entries(typeValues).entries()) {
    const [single, many] = [`single_${index}`, `many_${index}`];
    tables.push(single, many);
    for (const schema of ['source', 'target']) {
      await slot.sql(
        `create table ${schema}.${single} (id int4 primary key, v ${type})`,
      );
      await slot.sql(
        `create table ${schema}.${many} (id int4 primary key, v ${type}[])`,
      );
    }
    const rows = [...values.map(literal), 'null']
      .map((value, place) => `(${place}, ${value})`)
      .join();
    await slot.sql(`insert into source.${single} values ${rows}`);
    const isArray = ['list', 'int2vector', 'oidvector'].includes(type);
    const all = isArray
      ? `array(select v from source.${single} order by id)::text[]::${type}[]`
      : `(select array_agg(v order by id) from source.${single})`;
    await slot.sql(`
      insert into source.${many} values
      (1, ${all}), (2, '{}'), (3, null), (4, array[null::${type}])`);
    if (!isArray) {
      await slot.sql(`
        insert into source.${many} values
        (5, array[${all}, ${all}]),
        (6, array_fill((select v from source.${single} where id = 0), array[2], array[0])),
        (7, array_fill((select v from source.${single} where id = 0), array[1, 2], array[-1, 5]))`);
    }
  }
  const shape = await slot.refresh();
  const changes = await slot.changes();
  const applier = createApplier({ collapse: true });
  for (const table of tables) {
    await using transaction = await slot.target.begin();
    await applier.apply(
      [
        {
          table: shape.tables.get(table)!,
          mutations: changes
            .filter((change) => change.table === table)
            .map(({ mutation }) => mutation),
        },
      ],
      transaction,
      new AbortController().signal,
    );
    await transaction.commit(null);
    const [target, source] = await Promise.all(
      ['target', 'source'].map((schema) =>
        slot.rows(`select id, v::text from ${schema}.${table} order by id`),
      ),
    );
    expect(target, table).toEqual(source);
    expect(source!.length).toBeGreaterThan(1);
  }
  const all = await slot.rows(`
    select format_type(oid, null) from pg_type
    where typtype in ('b', 'r', 'm') and typcategory <> 'A'
      and typnamespace = 'pg_catalog'::regnamespace`);
  const named = await slot.rows(
    `select ${Object.keys(typeValues)
      .map((type) => `format_type(${literal(type)}::regtype, null)`)
      .join()}`,
  );
  const seen = new Set([...named[0]!, ...typesWithoutValues]);
  expect(all.flat().filter((type) => !seen.has(type))).toEqual([]);
});
