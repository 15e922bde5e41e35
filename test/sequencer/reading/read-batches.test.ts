import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Batch,
  type JsonText,
  type Mutation,
  truncation,
} from '../../../src/mutation/mutation.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import {
  timestampFromMs,
  zeroTimestamp,
} from '../../../src/mutation/timestamp.ts';
import { readBatches } from '../../../src/sequencer/reading/read-batches.ts';
import type { BatchLimits } from '../../../src/sequencer/reading/staged-rows.ts';
import { encodeEntries } from '../../../src/staging/batch-codec.ts';
import { openSqliteStore } from '../../../src/staging/sqlite/sqlite-store.ts';
import type { StagingStore } from '../../../src/staging/staging.ts';
import type { SchemaShape } from '../../../src/target/target.ts';
import { column, tableShape } from '../../target/postgres/shapes.ts';

const schema = schemaName(['db', 'public']);
/** None of its tables is known: keys are left as they are. */
const anyShape: SchemaShape = { name: schema, tables: new Map() };
const wide: BatchLimits = {
  flushSize: 1_000,
  timestampLimit: 1_000,
  collapseMutations: true,
  scanSize: 10_000,
  isStatementOrder: false,
  readBudgetBytes: 1 << 20,
};

interface Row {
  readonly table: string;
  readonly timeMs: number;
  readonly id: number;
  readonly text?: string;
}

async function withStore<T>(
  work: (store: StagingStore) => Promise<T>,
): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), 'read-batches-'));
  try {
    await using store = openSqliteStore({ dataDir, exclusive: true });
    return await work(store);
  } finally {
    await rm(dataDir, { recursive: true });
  }
}

function mutationOf({ timeMs, id, text }: Row): Mutation {
  return {
    key: `[${id}]` as JsonText,
    time: timestampFromMs(timeMs),
    after: (text ?? `{"id":${id}}`) as JsonText,
    before: null,
  };
}

async function stage(
  store: StagingStore,
  request: readonly Row[],
): Promise<void> {
  const tables = Map.groupBy(request, ({ table }) => table);
  await store.append(
    encodeEntries(
      schema,
      [...tables].map(([table, rows]) => ({
        table,
        mutations: rows.map(mutationOf),
      })),
    ),
  );
}

async function readAll(
  store: StagingStore,
  afterMs: number,
  throughMs: number,
  limits: BatchLimits,
  shape = anyShape,
): Promise<Batch[]> {
  const batches: Batch[] = [];
  const source = readBatches(
    store,
    schema,
    afterMs === 0 ? zeroTimestamp : timestampFromMs(afterMs),
    timestampFromMs(throughMs),
    limits,
    shape,
    new AbortController().signal,
  );
  for await (const batch of source) {
    batches.push(batch);
  }
  return batches;
}

const rows = fc.array(
  fc.record({
    table: fc.constantFrom('a', 'b'),
    // Few instants in few seconds: many rows share a transaction.
    timeMs: fc.integer({ min: 1, max: 40 }).map((step) => step * 130),
    id: fc.integer({ min: 0, max: 9 }),
  }),
  { maxLength: 80 },
);

test('every staged row of the window comes once, in whole transactions and in time order', async () => {
  await fc.assert(
    fc.asyncProperty(
      rows,
      fc.integer({ min: 1, max: 12 }),
      fc.record({
        flushSize: fc.integer({ min: 1, max: 12 }),
        timestampLimit: fc.integer({ min: 1, max: 5 }),
        scanSize: fc.integer({ min: 1, max: 12 }),
        isStatementOrder: fc.boolean(),
        collapseMutations: fc.boolean(),
        readBudgetBytes: fc.constantFrom(1, 200, 1 << 20),
      }),
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 0, max: 40 }),
      async (all, requestSize, limits, fromStep, toStep) => {
        const [afterMs, throughMs] = [fromStep * 130, toStep * 130].toSorted(
          (a, b) => a - b,
        ) as [number, number];
        await withStore(async (store) => {
          for (let at = 0; at < all.length; at += requestSize) {
            await stage(store, all.slice(at, at + requestSize));
          }
          const batches = await readAll(store, afterMs, throughMs, limits);

          const got = batches.flatMap((batch) =>
            batch.tables.flatMap(({ table, mutations }) =>
              mutations.map(({ time, key }) => `${time} ${table} ${key}`),
            ),
          );
          const wanted = all
            .filter(({ timeMs }) => timeMs > afterMs && timeMs <= throughMs)
            .map(
              (row) =>
                `${timestampFromMs(row.timeMs)} ${row.table} [${row.id}]`,
            );
          expect(got.toSorted()).toEqual(wanted.toSorted());

          let previous = timestampFromMs(afterMs);
          let open: string | null = null;
          for (const batch of batches) {
            const times = batch.tables.flatMap(({ mutations }) =>
              mutations.map(({ time }) => time),
            );
            if (open === null) {
              expect(times.every((time) => time > previous)).toBe(true);
            } else {
              // Fragments and their completion share one timestamp.
              expect(batch.through).toBe(open);
              expect(times.every((time) => time === open)).toBe(true);
            }
            expect(times.every((time) => time <= batch.through)).toBe(true);
            expect(batch.textLength).toBe(
              batch.tables
                .flatMap(({ mutations }) => mutations)
                .reduce(
                  (sum, { key, after, before }) =>
                    sum + `${key}${after ?? ''}${before ?? ''}`.length,
                  0,
                ),
            );
            open = batch.complete ? null : batch.through;
            previous = batch.through;
          }
          expect(open).toBeNull();
        });
      },
    ),
    { numRuns: 60 },
  );
});

test('a transaction larger than the limits comes in fragments, and only the last one completes it', async () => {
  await withStore(async (store) => {
    const giant = Array.from({ length: 100 }, (_, id) => ({
      table: 'a',
      timeMs: 5_000,
      id,
    }));
    await stage(store, [{ table: 'a', timeMs: 4_000, id: 1 }]);
    for (let at = 0; at < giant.length; at += 10) {
      await stage(store, giant.slice(at, at + 10));
    }
    await stage(store, [{ table: 'a', timeMs: 6_000, id: 1 }]);
    const batches = await readAll(store, 0, 7_000, {
      ...wide,
      flushSize: 10,
      scanSize: 25,
    });
    const parts = batches.filter(
      ({ through }) => through === timestampFromMs(5_000),
    );
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.map(({ complete }) => complete)).toEqual(
      parts.map((_, index) => index === parts.length - 1),
    );
    expect(
      Math.max(...batches.map(({ rowCount }) => rowCount)),
    ).toBeLessThanOrEqual(50);
    expect(batches.reduce((sum, { rowCount }) => sum + rowCount, 0)).toBe(102);
  });
});

test('batches come close to flushSize and never split a transaction to meet it', async () => {
  await withStore(async (store) => {
    for (let transaction = 1; transaction <= 20; transaction += 1) {
      await stage(
        store,
        [0, 1, 2].map((id) => ({ table: 'a', timeMs: transaction * 10, id })),
      );
    }
    const batches = await readAll(store, 0, 1_000, {
      ...wide,
      flushSize: 7,
      collapseMutations: false,
    });
    expect(batches.map(({ rowCount }) => rowCount)).toEqual([
      9, 9, 9, 9, 9, 9, 6,
    ]);
  });
});

test('where many rows wait more of them go together, but no long ones, and where small batches were asked for they stay so', async () => {
  const rowCounts = (rowCount: number, text: string, limits: object) =>
    withStore(async (store) => {
      await stage(
        store,
        Array.from({ length: rowCount }, (_, at) => ({
          table: 'a',
          timeMs: at + 1,
          id: at,
          text,
        })),
      );
      const read = { ...wide, scanSize: 100_000, readBudgetBytes: 1 << 30 };
      const batches = await readAll(store, 0, 10_000, { ...read, ...limits });
      return batches.map((batch) => batch.rowCount);
    });
  const usual = { flushSize: 1_000, timestampLimit: 1_000 };
  expect(await rowCounts(6_000, '{}', usual)).toEqual([4_000, 1_000, 1_000]);
  expect(await rowCounts(3_500, '{}', usual)).toEqual([
    1_000, 1_000, 1_000, 500,
  ]);
  const long = `"${'x'.repeat(700)}"`;
  expect((await rowCounts(6_000, long, usual)).slice(0, 3)).toEqual([
    1_483, 1_482, 1_482,
  ]);
  expect(await rowCounts(100, '{}', { ...usual, flushSize: 20 })).toEqual([
    20, 20, 20, 20, 20,
  ]);
});

test('a row that changes a thousand times counts once, and so do the timestamps that only change it', async () => {
  await withStore(async (store) => {
    await stage(
      store,
      Array.from({ length: 1_000 }, (_, at) => ({
        table: 'a',
        timeMs: at + 1,
        id: at % 3,
      })),
    );
    await stage(store, [{ table: 'b', timeMs: 1_001, id: 0 }]);
    const rowCounts = async (limits: object): Promise<number[]> =>
      (await readAll(store, 0, 2_000, { ...wide, ...limits })).map(
        ({ rowCount }) => rowCount,
      );
    expect(await rowCounts({ flushSize: 7, timestampLimit: 5 })).toEqual([
      1_001,
    ]);
    expect(await rowCounts({ flushSize: 3 })).toEqual(
      // Three rows fill each batch, and the last has what is left.
      [...Array.from({ length: 333 }, () => 3), 2],
    );
    // What is held for one batch is bounded all the same.
    expect(await rowCounts({ flushSize: 7, scanSize: 100 })).toEqual([
      400, 400, 201,
    ]);
  });
});

test('in the order of statements rows stay as they came also when their key has lost a column', async () => {
  await withStore(async (store) => {
    const time = timestampFromMs(1_000);
    const pair = (key: string, after: string | null): Mutation => ({
      time,
      key: key as JsonText,
      after: after as JsonText | null,
      before: null,
    });
    await store.append(
      encodeEntries(schema, [
        {
          table: 'a',
          keyColumns: ['id', 'n'],
          mutations: [
            pair('[1,1]', '{"id":1,"n":1}'),
            truncation(time, false),
            pair('[2,1]', '{"id":2,"n":1}'),
            pair('[2,1]', null),
          ],
        },
      ]),
    );
    const [batch] = await readAll(
      store,
      0,
      2_000,
      { ...wide, isStatementOrder: true },
      {
        name: schema,
        tables: new Map([
          [
            'a',
            tableShape('a', [
              column('id', 'pg_catalog.int8', { keyOrdinal: 0 }),
              column('n', 'pg_catalog.int8'),
            ]),
          ],
        ]),
      },
    );
    expect(
      batch?.tables[0]?.mutations.map(({ key, after }) => [
        key,
        after !== null,
      ]),
    ).toEqual([
      ['[1]', true],
      ['[]', false],
      ['[2]', true],
      ['[2]', false],
    ]);
  });
});

const id = column('id', 'pg_catalog.int8', { keyOrdinal: 0, nullable: false });
const untied: SchemaShape = {
  name: schema,
  tables: new Map([['c', tableShape('c', [id])]]),
};
const tied: SchemaShape = {
  name: schema,
  tables: new Map([
    ['p', tableShape('p', [id])],
    [
      'c',
      tableShape('c', [id, column('p', 'pg_catalog.int8')], {
        foreignKeys: [
          {
            name: 'c_p',
            columns: ['p'],
            parentSchema: tableShape('p', [id]).schema,
            parentTable: 'p',
            parentColumns: ['id'],
            deferrable: false,
          },
        ],
      }),
    ],
  ]),
};

test.each([
  ['foreign keys', tied],
  ['no foreign key', untied],
])(
  'rows of a giant transaction that move within a key of which the target has a part are there at its end, with %s',
  async (_, shape) => {
    await withStore(async (store) => {
      const time = timestampFromMs(5_000);
      const ids = Array.from({ length: 60 }, (_each, index) => index);
      const change = (key: string, after: object | null): Mutation => ({
        time,
        key: key as JsonText,
        after: after && (JSON.stringify(after) as JsonText),
        before: null,
      });
      const mutations = [
        ...ids.map((each) => change(`["us",${each}]`, { id: each, p: null })),
        ...ids.map((each) => change(`["eu",${each}]`, null)),
        change('["eu",1000]', null),
      ];
      const keyColumns = ['region', 'id'];
      for (let at = 0; at < mutations.length; at += 10) {
        await store.append(
          encodeEntries(schema, [
            {
              table: 'c',
              keyColumns,
              mutations: mutations.slice(at, at + 10),
            },
          ]),
        );
      }
      const batches = await readAll(
        store,
        0,
        7_000,
        { ...wide, flushSize: 10, scanSize: 25 },
        shape,
      );
      expect(batches.some(({ complete }) => !complete)).toBe(true);
      const left = new Set<string>();
      for (const { tables } of batches) {
        const rowsOfBatch = tables.flatMap((each) => each.mutations);
        for (const { key, after } of rowsOfBatch) {
          if (after === null) {
            left.delete(key);
          } else {
            left.add(key);
          }
        }
      }
      expect([...left]).toEqual(ids.map((each) => `[${each}]`));
      expect(
        batches.flatMap(({ tables }) =>
          tables.flatMap((each) =>
            each.mutations.flatMap(({ key, after }) =>
              after === null ? key : [],
            ),
          ),
        ),
      ).toContain('[1000]');
    });
  },
);

test('rows of a giant transaction whose table is gone from the target are not left out', async () => {
  await withStore(async (store) => {
    for (let at = 0; at < 100; at += 10) {
      await stage(
        store,
        ['p', 'gone'].flatMap((table) =>
          Array.from({ length: 5 }, (_, index) => ({
            table,
            timeMs: 5_000,
            id: at + index,
          })),
        ),
      );
    }
    const batches = await readAll(
      store,
      0,
      7_000,
      { ...wide, flushSize: 10, scanSize: 25 },
      tied,
    );
    const counts = new Map<string, number>();
    for (const { table, mutations } of batches.flatMap(
      ({ tables }) => tables,
    )) {
      counts.set(table, (counts.get(table) ?? 0) + mutations.length);
    }
    expect(Object.fromEntries(counts)).toEqual({ gone: 50, p: 50 });
  });
});
