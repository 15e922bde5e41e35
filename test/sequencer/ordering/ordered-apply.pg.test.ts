/** Batches side by side in real transactions; what they wait for is held here. */
import { expect, test } from 'vitest';
import type {
  Batch,
  JsonText,
  Mutation,
} from '../../../src/mutation/mutation.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import {
  OrderedApply,
  type OrderedApplyOptions,
} from '../../../src/sequencer/ordering/ordered-apply.ts';
import { createApplier } from '../../../src/target/applier.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { testDatabase } from '../../support/test-database.ts';

interface Scene extends AsyncDisposable {
  readonly apply: OrderedApply;
  readonly committed: readonly number[];
  /** Codes of batches that ran again behind their elders. */
  readonly gaveWay: readonly string[];
  rows(text: string): Promise<unknown[]>;
}

/** `before` is asked before the statements of each batch, by its number. */
async function scene(
  ddl: string,
  before: (
    number: number,
    attempt: number,
    scene: Pick<Scene, 'committed' | 'gaveWay'>,
  ) => Promise<void>,
  options: Partial<OrderedApplyOptions> = {},
): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await testDatabase());
  await database.query(ddl);
  const target = stack.use(
    await openTarget({
      ...defaultTargetOptions,
      url: database.url,
      applyTimeoutMs: 60_000,
      statementCacheSize: 8,
    }),
  );
  const shape = (await target.introspect(
    schemaName([database.name, 'public']),
  ))!;
  const applier = createApplier({ collapse: true });
  const committed: number[] = [];
  const gaveWay: string[] = [];
  const attempts = new Map<number, number>();
  const apply = stack.use(
    new OrderedApply(
      {
        target,
        applier: {
          async apply(tables, transaction, signal, order) {
            const [{ time }] = tables[0]!.mutations as [Mutation];
            const number = Number(time.slice(0, 13));
            const attempt = (attempts.get(number) ?? 0) + 1;
            attempts.set(number, attempt);
            await before(number, attempt, { committed, gaveWay });
            return await applier.apply(tables, transaction, signal, order);
          },
        },
        order: 'upserts-first',
        shape,
        parallelism: 8,
        taskGracePeriodMs: 10_000,
        commitInOrder: true,
        lockGrain: 'fine',
        budgetLength: 1 << 20,
        markFor: () => null,
        onCommitted: ({ through }) =>
          committed.push(Number(through.slice(0, 13))),
        onOpenTransactions: () => {},
        onGaveWay: ({ code }) => gaveWay.push(code),
        ...options,
      },
      new AbortController().signal,
    ),
  );
  return {
    apply,
    committed,
    gaveWay,
    rows: async (text) => (await database.query(text)).rows,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function batchOf(
  number: number,
  tables: Readonly<
    Record<string, readonly [id: number, after: object | null][]>
  >,
): Batch {
  const time = timestampFromMs(number);
  return {
    through: time,
    complete: true,
    rowCount: 1,
    textLength: 10,
    tables: Object.entries(tables).map(([table, rows]) => ({
      table,
      mutations: rows.map(([id, after]) => ({
        time,
        key: `[${id}]` as JsonText,
        after: after && (JSON.stringify({ id, ...after }) as JsonText),
        before: null,
      })),
    })),
  };
}

/** Resolves when somebody has called `open`. */
function gate(): { open(): void; readonly opened: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, opened: promise };
}

test('a batch that has to wait for an elder does not keep those behind it from beginning', async () => {
  const third = gate();
  await using stage = await scene(
    'create table t (id int primary key, v int)',
    async (number) => {
      if (number === 1) {
        await third.opened;
      }
      if (number === 3) {
        third.open();
      }
    },
  );
  await stage.apply.submit(batchOf(1, { t: [[1, { v: 1 }]] }));
  await stage.apply.submit(batchOf(2, { t: [[1, { v: 2 }]] }));
  await stage.apply.submit(batchOf(3, { t: [[2, { v: 3 }]] }));
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2, 3]);
  expect(stage.gaveWay).toEqual([]);
  expect(await stage.rows('select * from t order by id')).toEqual([
    { id: 1, v: 2 },
    { id: 2, v: 3 },
  ]);
});

test('children of one parent are written side by side, and behind the parent', async () => {
  const last = gate();
  await using stage = await scene(
    `create table parent (id int primary key);
     create table child (id int primary key, p int not null references parent)`,
    async (number, _attempt, { committed }) => {
      if (number > 1) {
        expect(committed).toContain(1);
      }
      if (number === 2) {
        await last.opened;
      }
      if (number === 3) {
        last.open();
      }
    },
  );
  await stage.apply.submit(batchOf(1, { parent: [[7, {}]] }));
  await stage.apply.submit(batchOf(2, { child: [[1, { p: 7 }]] }));
  await stage.apply.submit(batchOf(3, { child: [[2, { p: 7 }]] }));
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2, 3]);
  expect(stage.gaveWay).toEqual([]);
});

test('a unique value that an elder batch gives up is taken by a younger one that came too early', async () => {
  const refused = gate();
  await using stage = await scene(
    `create table u (id int primary key, email text unique);
     insert into u values (1, 'a')`,
    async (number) => {
      if (number === 1) {
        await refused.opened;
      }
    },
    { onGaveWay: () => refused.open() },
  );
  await stage.apply.submit(batchOf(1, { u: [[1, { email: 'b' }]] }));
  await stage.apply.submit(batchOf(2, { u: [[2, { email: 'a' }]] }));
  await stage.apply.submit(batchOf(3, { u: [[3, { email: 'c' }]] }));
  await stage.apply.drain();
  expect(stage.committed).toEqual([1, 2, 3]);
  expect(await stage.rows('select * from u order by id')).toEqual([
    { id: 1, email: 'b' },
    { id: 2, email: 'a' },
    { id: 3, email: 'c' },
  ]);
});

test('batches that have met take coarse locks from then on', async () => {
  const refused = gate();
  const held = gate();
  let beganBeside = false;
  await using stage = await scene(
    `create table u (id int primary key, email text unique);
     insert into u values (1, 'a')`,
    async (number, _attempt, { committed }) => {
      if (number === 1) {
        await refused.opened;
      }
      if (number === 4) {
        beganBeside = !committed.includes(3);
        held.open();
      }
    },
    { onGaveWay: () => refused.open() },
  );
  await stage.apply.submit(batchOf(1, { u: [[1, { email: 'b' }]] }));
  await stage.apply.submit(batchOf(2, { u: [[2, { email: 'a' }]] }));
  await refused.opened;
  await stage.apply.submit(batchOf(3, { u: [[3, { email: 'c' }]] }));
  await stage.apply.submit(batchOf(4, { u: [[4, { email: 'd' }]] }));
  await held.opened;
  await stage.apply.drain();
  expect(beganBeside).toBe(false);
  expect(stage.committed).toEqual([1, 2, 3, 4]);
});

test('a batch that fails behind its elders too ends the run, with all of them committed and none of those behind it', async () => {
  const attempts: number[] = [];
  await using stage = await scene(
    'create table t (id int primary key, v int check (v < 10))',
    async (number, attempt) => {
      if (number === 2) {
        attempts.push(attempt);
      }
    },
  );
  await stage.apply.submit(batchOf(1, { t: [[1, { v: 1 }]] }));
  await stage.apply.submit(batchOf(2, { t: [[2, { v: 20 }]] }));
  await stage.apply.submit(batchOf(3, { t: [[3, { v: 3 }]] }));
  await expect(stage.apply.drain()).rejects.toMatchObject({ code: 'E4005' });
  expect(stage.apply.failedThrough).toBe(timestampFromMs(2));
  expect(stage.committed).toEqual([1]);
  expect(attempts.length).toBeLessThanOrEqual(2);
  await expect(
    stage.apply.submit(batchOf(4, { t: [[4, { v: 4 }]] })),
  ).rejects.toMatchObject({ code: 'E4005' });
  expect(await stage.rows('select id from t')).toEqual([{ id: 1 }]);
});
