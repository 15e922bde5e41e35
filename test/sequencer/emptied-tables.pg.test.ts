import { expect, test } from 'vitest';
import {
  type Batch,
  type JsonText,
  type Mutation,
  truncation,
} from '../../src/mutation/mutation.ts';
import { schemaName } from '../../src/mutation/schema-name.ts';
import { timestampFromMs } from '../../src/mutation/timestamp.ts';
import { OrderedApply } from '../../src/sequencer/ordered-apply.ts';
import { createApplier } from '../../src/target/applier.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../src/target/open-target.ts';
import { testDatabase } from '../support/test-database.ts';

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
  const committed: number[] = [];
  let mostAtOnce = 0;
  await using apply = new OrderedApply(
    {
      target,
      applier: createApplier({ collapse: true }),
      order: 'upserts-first',
      shape,
      parallelism: 8,
      taskGracePeriodMs: 10_000,
      commitInOrder: true,
      budgetLength: 1 << 20,
      markFor: () => null,
      onCommitted: ({ through }) =>
        committed.push(Number(through.slice(0, 13))),
      onOpenTransactions: (count) => {
        mostAtOnce = Math.max(mostAtOnce, count);
      },
    },
    new AbortController().signal,
  );
  await apply.submit(batchOf(1, 't', [row(1, 1)]));
  await apply.submit(batchOf(2, 'other', [row(2, 1)]));
  await apply.submit(
    batchOf(3, 't', [truncation(timestampFromMs(3), false), row(3, 3)]),
  );
  expect(committed).toEqual([1, 2]);
  await apply.submit(batchOf(4, 'other', [row(4, 2)]));
  expect(committed.slice(0, 3)).toEqual([1, 2, 3]);
  await apply.submit(
    batchOf(5, 'other', [truncation(timestampFromMs(5), false)]),
  );
  expect(committed).toEqual([1, 2, 3, 4]);
  await apply.drain();
  expect(committed).toEqual([1, 2, 3, 4, 5]);
  // What shares nothing was side by side as ever.
  expect(mostAtOnce).toBe(2);
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
