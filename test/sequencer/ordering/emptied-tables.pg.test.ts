import { expect, test } from 'vitest';
import {
  type Batch,
  type JsonText,
  type Mutation,
  truncation,
} from '../../../src/mutation/mutation.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import { OrderedApply } from '../../../src/sequencer/ordering/ordered-apply.ts';
import { createApplier } from '../../../src/target/applier.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { testDatabase } from '../../support/test-database.ts';

test('a batch that empties a table shares the target with none before it and none behind it', async () => {
  await using database = await testDatabase();
  await database.query(
    'create table t (id int primary key); create table other (id int primary key)',
  );
  await using target = await openTarget({
    ...defaultTargetOptions,
    url: database.url,
    applyTimeoutMs: 60_000,
    statementCacheSize: 8,
  });
  const shape = (await target.introspect(
    schemaName([database.name, 'public']),
  ))!;
  const applier = createApplier({ collapse: true });
  const committed: number[] = [];
  const committedAtBegin = new Map<number, readonly number[]>();
  await using apply = new OrderedApply(
    {
      target,
      applier: {
        apply(tables, transaction, signal, order) {
          const [{ time }] = tables[0]!.mutations as [Mutation];
          committedAtBegin.set(Number(time.slice(0, 13)), [...committed]);
          return applier.apply(tables, transaction, signal, order);
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
    },
    new AbortController().signal,
  );
  await apply.submit(batchOf(1, 't', [row(1, 1)]));
  await apply.submit(batchOf(2, 'other', [row(2, 1)]));
  await apply.submit(
    batchOf(3, 't', [truncation(timestampFromMs(3), false), row(3, 3)]),
  );
  await apply.submit(batchOf(4, 'other', [row(4, 2)]));
  await apply.submit(
    batchOf(5, 'other', [truncation(timestampFromMs(5), false)]),
  );
  await apply.drain();
  expect(committed).toEqual([1, 2, 3, 4, 5]);
  expect(committedAtBegin.get(3)).toEqual([1, 2]);
  expect(committedAtBegin.get(4)).toEqual([1, 2, 3]);
  expect(committedAtBegin.get(5)).toEqual([1, 2, 3, 4]);
  const { rows } = await database.query(
    `select 't' as name, id from t union all select 'other', id from other`,
  );
  expect(rows).toEqual([{ name: 't', id: 3 }]);
});

function row(ms: number, id: number): Mutation {
  return {
    time: timestampFromMs(ms),
    key: `[${id}]` as JsonText,
    after: `{"id":${id}}` as JsonText,
    before: null,
  };
}

function batchOf(
  ms: number,
  table: string,
  mutations: readonly Mutation[],
): Batch {
  return {
    through: timestampFromMs(ms),
    complete: true,
    tables: [{ table, mutations }],
    rowCount: mutations.length,
    textLength: 10,
  };
}
