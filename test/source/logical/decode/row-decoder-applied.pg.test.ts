/** Whatever is done to the source, the target ends up the same. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createApplier } from '../../../../src/target/applier.ts';
import { startPostgresServer } from '../../../support/postgres-server.ts';
import { decodedSlot } from './decoded-slot.ts';

/** By table: its columns, and how its rows are told apart. */
const tables = {
  by_key: { columns: 'id int4 primary key, n numeric, long text' },
  by_row: {
    columns: 'id int4 primary key, n numeric, long text',
    identity: 'full',
  },
  by_index: {
    columns: 'id int4 not null unique, n numeric, long text',
    targetColumns: 'id int4 primary key, n numeric, long text',
    identity: 'using index by_index_id_key',
  },
  keyless: { columns: 'id int4, n numeric, long text', identity: 'full' },
} as const satisfies Record<
  string,
  { columns: string; targetColumns?: string; identity?: string }
>;
const names = Object.keys(tables) as (keyof typeof tables)[];

const id = fc.integer({ min: 1, max: 3 });
const value = fc.constantFrom('null', '1.0', '1.00', '2.5');
/** The larger ones are stored outside of their rows. */
const long = fc.constantFrom(
  'null',
  `''`,
  `'é"\\'`,
  `repeat('x', 9000)`,
  `repeat('y', 9000)`,
);
const isRare = fc.constantFrom(...Array.from({ length: 12 }, (_, at) => !at));

const statement = fc.oneof(
  fc.tuple(id, value, long).map(
    ([key, n, text]) =>
      (table: keyof typeof tables) =>
        `insert into ${table} values (${key}, ${n}, ${text})${table === 'keyless' ? '' : ' on conflict do nothing'}`,
  ),
  fc.tuple(id, value).map(
    ([key, n]) =>
      (table: string) =>
        `update ${table} set n = ${n} where id = ${key}`,
  ),
  fc.tuple(id, id, fc.option(long, { freq: 1 })).map(
    ([from, to, text]) =>
      (table: keyof typeof tables) =>
        `update ${table} set id = ${to}${text === null ? '' : `, long = ${text}`} where id = ${from}
        ${table === 'keyless' ? '' : `and not exists (select from ${table} where id = ${to} and id <> ${from})`}`,
  ),
  id.map((key) => (table: string) => `delete from ${table} where id = ${key}`),
  fc.tuple(isRare, id).map(
    ([isTruncate, key]) =>
      (table: string) =>
        isTruncate
          ? `truncate ${table}`
          : `delete from ${table} where id = ${key}`,
  ),
);

const transactions = fc.array(
  fc.array(fc.tuple(fc.constantFrom(...names), statement), {
    minLength: 1,
    maxLength: 6,
  }),
  { minLength: 1, maxLength: 6 },
);

test('a target holds what the source holds after any changes, applied at once or one after the other', async () => {
  await using server = await startPostgresServer({
    fsync: false,
    settings: { wal_level: 'logical' },
  });
  await using slot = await decodedSlot(server, 'applied');
  for (const name of names) {
    const { columns, ...more } = {
      targetColumns: null,
      identity: null,
      ...tables[name],
    };
    await slot.sql(`create table source.${name} (${columns})`);
    await slot.sql(
      `alter table source.${name} alter long set storage external`,
    );
    await slot.sql(
      `create table target.${name} (${more.targetColumns ?? columns})`,
    );
    if (more.identity !== null) {
      await slot.sql(
        `alter table source.${name} replica identity ${more.identity}`,
      );
    }
  }
  const shape = await slot.refresh();
  const applier = createApplier({ collapse: true });
  const signal = new AbortController().signal;
  await slot.sql('set search_path to source, public');
  await fc.assert(
    fc.asyncProperty(transactions, fc.boolean(), async (work, isAtOnce) => {
      for (const statements of work) {
        await slot.sql(
          [
            'begin',
            ...statements.map(([table, text]) => text(table)),
            'commit',
          ].join(';\n'),
        );
      }
      const changes = await slot.changes();
      const steps = isAtOnce
        ? [changes]
        : Map.groupBy(changes, ({ mutation }) => mutation.time).values();
      for (const step of steps) {
        await using transaction = await slot.target.begin();
        await applier.apply(
          names
            .map((name) => ({
              table: shape.tables.get(name)!,
              mutations: step
                .filter(({ table }) => table === name)
                .map(({ mutation }) => mutation),
            }))
            .filter(({ mutations }) => mutations.length > 0),
          transaction,
          signal,
        );
        await transaction.commit(null);
      }
      for (const name of names) {
        const [target, source] = await Promise.all(
          ['target', 'source'].map((schema) =>
            slot.rows(
              `select id::text, n::text, long from ${schema}.${name} order by 1, 2, 3`,
            ),
          ),
        );
        expect(target, name).toEqual(source);
      }
    }),
    { numRuns: 100 },
  );
});
