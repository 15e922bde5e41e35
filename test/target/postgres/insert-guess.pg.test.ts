/** Rows that are guessed to be new: plain inserts, and what comes of those that were there. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Mutation } from '../../../src/mutation/mutation.ts';
import { createApplier } from '../../../src/target/applier.ts';
import { groupByShape } from '../../../src/target/row-cutter.ts';
import type { SchemaShape } from '../../../src/target/target.ts';
import { failureOf, row, shapeOf } from '../../contract/target-fixture.ts';
import { type PostgresFixture, postgresFixture } from './fixture.ts';

const batchRows = 200;

/** Shapes keep what was guessed of them: one for all batches. */
async function openScene(ddl: string): Promise<
  AsyncDisposable & {
    readonly fixture: PostgresFixture;
    readonly shape: SchemaShape;
    apply(tables: Readonly<Record<string, readonly Mutation[]>>): Promise<void>;
  }
> {
  const fixture = await postgresFixture();
  await fixture.sql(ddl);
  const shape: SchemaShape = await shapeOf(fixture);
  const applier = createApplier({ collapse: true });
  return {
    fixture,
    shape,
    async apply(tables) {
      await using transaction = await fixture.target.begin();
      await applier.apply(
        Object.entries(tables).map(([table, mutations]) => ({
          table: shape.tables.get(table)!,
          mutations,
        })),
        transaction,
        new AbortController().signal,
      );
      await transaction.commit(null);
    },
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

function rowsFrom(first: number, v: number, count = batchRows): Mutation[] {
  return Array.from({ length: count }, (_, index) =>
    row(1, [first + index], { id: `${first + index}`, v: `${v}` }),
  );
}

test('new rows are inserted behind a savepoint once they have been new again and again, and updated when they are not', async () => {
  await using scene = await openScene(
    `create table t (id int8 primary key, v int8);
     create table child (id int8 primary key, v int8 references t);
     create table beside (id int8 primary key, v int8)`,
  );
  const { fixture } = scene;
  /** A row of a subtransaction has another xmin than the rest. */
  const guessed = async (id: number): Promise<boolean> => {
    const [found] = await fixture.rows(
      `select t.xmin <> b.xmin from t, beside b where t.id = ${id} and b.id = ${id}`,
    );
    return found![0] === 't';
  };
  const seen: boolean[] = [];
  for (let batch = 0; batch < 6; batch += 1) {
    const first = 1 + batch * batchRows;
    await scene.apply({
      beside: rowsFrom(first, 0, 1),
      t: rowsFrom(first, batch),
      child: [row(1, [first], { id: `${first}`, v: `${first + 7}` })],
    });
    seen.push(await guessed(first));
  }
  expect(seen).toEqual([false, false, false, true, true, true]);
  // The last of these is there; so all are written as they ever were.
  const first = 2 + 5 * batchRows;
  await scene.apply({
    beside: rowsFrom(first, 0, 1),
    t: rowsFrom(first, 77),
    child: [row(1, [9_999], { id: '9999', v: `${first + batchRows - 1}` })],
  });
  expect(await guessed(first)).toBe(false);
  expect(await fixture.rows('select count(*) from t where v = 77')).toEqual([
    [String(batchRows)],
  ]);
  // It takes more looks now.
  const next = first + batchRows;
  for (let batch = 0; batch < 5; batch += 1) {
    const start = next + batch * batchRows;
    await scene.apply({ beside: rowsFrom(start, 0, 1), t: rowsFrom(start, 1) });
    expect(await guessed(start)).toBe(false);
  }
});

test('a row that a constraint refuses is refused as without a guess', async () => {
  await using scene = await openScene(
    `create table t (id int8 primary key, v int8 check (v < 100))`,
  );
  for (let batch = 0; batch < 4; batch += 1) {
    await scene.apply({ t: rowsFrom(batch * batchRows, batch) });
  }
  const rows = rowsFrom(5_000, 1);
  const broken = await failureOf(
    scene.apply({ t: [...rows, row(1, [9_000], { id: '9000', v: '100' })] }),
  );
  expect(broken.code).toBe('E4005');
  const [first] = rows;
  const bad = { ...first!, after: `{"id":5000,"v":"x"}` as never };
  const senseless = await failureOf(
    scene.apply({ t: [bad, ...rows.slice(1)] }),
  );
  expect(senseless.code).toBe('E4006');
  expect(await scene.fixture.rows('select count(*) from t')).toEqual([
    [String(4 * batchRows)],
  ]);
});

test('whatever is new or there, rows end as if they were written one by one', async () => {
  await using scene = await openScene(
    'create table t (id int8 primary key, v int8)',
  );
  const expected = new Map<number, number>();
  let end = 0;
  let version = 0;
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 300 }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      for (const back of steps) {
        version += 1;
        const first = Math.max(0, end - back);
        await scene.apply({ t: rowsFrom(first, version) });
        for (let id = first; id < first + batchRows; id += 1) {
          expected.set(id, version);
        }
        end = Math.max(end, first + batchRows);
      }
      const found = await scene.fixture.rows('select id, v from t');
      expect(new Map(found.map(([id, v]) => [Number(id), Number(v)]))).toEqual(
        expected,
      );
    }),
    { numRuns: 20 },
  );
});

const manyTables = ['a', 'b', 'c', 'd', 'e'];

function openMany(): ReturnType<typeof openScene> {
  return openScene(
    manyTables
      .map((name) => `create table ${name} (id int8 primary key, v int8)`)
      .join(';\n'),
  );
}

/** Until rows of all tables are guessed to be new. */
async function learn(
  scene: Awaited<ReturnType<typeof openMany>>,
): Promise<void> {
  for (let batch = 0; batch < 4; batch += 1) {
    await scene.apply(
      Object.fromEntries(
        manyTables.map((name) => [name, rowsFrom(batch * batchRows, 0)]),
      ),
    );
  }
}

test('guesses of many tables share a savepoint, and what comes with them is written again when one is refused', async () => {
  await using scene = await openMany();
  const { fixture } = scene;
  await learn(scene);
  const first = 4 * batchRows;
  const states = async (): Promise<(string | null)[][]> =>
    fixture.rows(
      `select 'a' as t, xmin, v from a where id = ${first}
       union all select 'b', xmin, v from b where id = ${first}
       union all select 'c', xmin, v from c where id = ${first}
       order by t`,
    );
  await scene.apply({
    a: rowsFrom(first, 1),
    b: rowsFrom(first, 2, 1),
    c: rowsFrom(first, 3),
  });
  const together = await states();
  expect(new Set(together.map(([, xmin]) => xmin)).size).toBe(1);
  expect(together.map(([, , v]) => v)).toEqual(['1', '2', '3']);
  // Of the last table one row is there; those before it had been written.
  await scene.apply({
    a: rowsFrom(first + batchRows, 4),
    b: rowsFrom(first, 5, 2),
    c: rowsFrom(first + batchRows - 1, 6),
    d: rowsFrom(first, 7),
  });
  expect(
    await fixture.rows(
      `select (select count(*) from a where v = 4), (select count(*) from b where v = 5),
         (select count(*) from c where v = 6), (select count(*) from d where v = 7)`,
    ),
  ).toEqual([['200', '2', '200', '200']]);
});

test('an upsert that is refused among guesses tells why, and nothing stays', async () => {
  await using scene = await openMany();
  await learn(scene);
  await scene.fixture.sql(
    'alter table b add constraint small check (v < 100) not valid',
  );
  const first = 4 * batchRows;
  for (const count of [1, batchRows]) {
    const failure = await failureOf(
      scene.apply({
        a: rowsFrom(first, 1),
        b: rowsFrom(first, 100, count),
        c: rowsFrom(first, 1),
      }),
    );
    expect(failure).toMatchObject({
      code: 'E4005',
      message: expect.stringContaining('small') as string,
    });
  }
  expect(
    await scene.fixture.rows(
      `select max(id) from a union all select max(id) from c`,
    ),
  ).toEqual([[String(first - 1)], [String(first - 1)]]);
});

test('more statements than share a savepoint are all written', async () => {
  await using scene = await openMany();
  await learn(scene);
  const { fixture, shape } = scene;
  await using transaction = await fixture.target.begin();
  const first = 4 * batchRows;
  const written: Promise<void>[] = [];
  for (let part = 0; part < 300; part += 1) {
    const [rows] = groupByShape(
      shape.tables.get(manyTables[part % 5]!)!,
      rowsFrom(first + part * 50, part, 50).map(({ key, after }) => ({
        key,
        after: after!,
      })),
      { ignoreUnknownColumns: false, replace: false },
    );
    written.push(transaction.upsert(rows!));
  }
  await Promise.all(written);
  await transaction.commit(null);
  const [distinct] = await fixture.rows(
    `select count(distinct xmin::text) from a where id >= ${first}`,
  );
  expect(distinct).toEqual(['3']);
  expect(
    await fixture.rows(
      `select sum(n) from (${manyTables
        .map((name) => `select count(*) as n from ${name} where id >= ${first}`)
        .join(' union all ')}) as x`,
    ),
  ).toEqual([['15000']]);
});

test('rows of several tables, new or there, few or many, with deletes, end as if they were written one by one', async () => {
  await using scene = await openMany();
  const expected = new Map(
    manyTables.map((name) => [name, new Map<number, number>()]),
  );
  const ends = new Map(manyTables.map((name) => [name, 0]));
  let version = 0;
  const part = fc.record({
    table: fc.constantFrom(...manyTables),
    back: fc.oneof(
      { weight: 12, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 80 }) },
    ),
    count: fc.constantFrom(1, 60, 60, 60, 60),
    deleteCount: fc.constantFrom(0, 0, 0, 2),
  });
  const batch = fc.uniqueArray(part, {
    selector: ({ table }) => table,
    minLength: 3,
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 12 }), async (batches) => {
      for (const parts of batches) {
        version += 1;
        const tables: Record<string, Mutation[]> = {};
        for (const { table, back, count, deleteCount } of parts) {
          const end = ends.get(table)!;
          const first = Math.max(0, end - back);
          const gone = Math.max(0, first - deleteCount);
          tables[table] = rowsFrom(first, version, count);
          for (let id = first; id < first + count; id += 1) {
            expected.get(table)!.set(id, version);
          }
          for (let id = gone; id < first; id += 1) {
            tables[table].push(row(1, [id], null));
            expected.get(table)!.delete(id);
          }
          ends.set(table, Math.max(end, first + count));
        }
        await scene.apply(tables);
      }
      for (const table of manyTables) {
        const found = await scene.fixture.rows(`select id, v from ${table}`);
        expect(
          new Map(found.map(([id, v]) => [Number(id), Number(v)])),
        ).toEqual(expected.get(table));
      }
    }),
    { numRuns: 20 },
  );
});

test('of a statement that fails, and a look behind it, the statement tells why', async () => {
  await using fixture = await postgresFixture();
  await fixture.sql(
    `create table a (id int8 primary key, v int8 check (v < 100));
     create table b (id int8 primary key, v int8)`,
  );
  const { tables } = await shapeOf(fixture);
  await using transaction = await fixture.target.begin();
  const written = ['a', 'b'].map((name) => {
    const [rows] = groupByShape(
      tables.get(name)!,
      rowsFrom(1, 100).map(({ key, after }) => ({ key, after: after! })),
      { ignoreUnknownColumns: false, replace: false },
    );
    return failureOf(transaction.upsert(rows!));
  });
  await Promise.resolve();
  // Meanwhile the answers to both arrive, and are read together.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  const codes = (await Promise.all(written)).map(({ code }) => code);
  expect(codes).toEqual(['E4005', 'E4005']);
});

test('where an upsert is refused no insert comes instead, which a rule would lead elsewhere', async () => {
  await using scene = await openScene(
    `create table t (id int8 primary key, v int8);
     create table elsewhere (id int8);
     create rule lead as on insert to t do instead insert into elsewhere values (new.id)`,
  );
  for (let batch = 0; batch < 6; batch += 1) {
    expect(
      await failureOf(scene.apply({ t: rowsFrom(1, batch) })),
    ).toMatchObject({ code: 'E4011' });
  }
});
