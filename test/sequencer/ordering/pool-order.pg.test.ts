import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Batch, JsonText } from '../../../src/mutation/mutation.ts';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import { OrderedApply } from '../../../src/sequencer/ordering/ordered-apply.ts';
import { createApplier } from '../../../src/target/applier.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { testDatabase } from '../../support/test-database.ts';

test('two schemas that share a small pool both go on when their connections reach the end of their lifetime', async () => {
  await using database = await testDatabase();
  await database.query(
    'create schema a; create table a.t (id int primary key); create schema b; create table b.t (id int primary key)',
  );
  await using target = await openTarget({
    ...defaultTargetOptions,
    url: database.url,
    pool: { maxSize: 2, idleMs: 60_000, jitterMs: 0, maxLifetimeMs: 500 },
    applyTimeoutMs: 1_000,
    statementCacheSize: 8,
  });
  const stop = new AbortController();
  const shapes = [];
  for (const name of ['a', 'b']) {
    shapes.push((await target.introspect(schemaName([database.name, name])))!);
  }
  const opened = await Promise.all([target.begin(), target.begin()]);
  await Promise.all(opened.map((transaction) => transaction.commit(null)));
  await sleep(700);
  const applies = shapes.map(
    (shape) =>
      new OrderedApply(
        {
          target,
          applier: createApplier({ collapse: true }),
          order: 'upserts-first',
          shape,
          parallelism: 2,
          taskGracePeriodMs: 1_000,
          commitInOrder: true,
          lockGrain: 'fine',
          budgetLength: 1 << 20,
          markFor: () => null,
          onCommitted: () => {},
          onOpenTransactions: () => {},
        },
        stop.signal,
      ),
  );
  for (const id of [1, 2]) {
    for (const apply of applies) {
      void apply.submit(batchOf(id));
    }
  }
  const ended = await Promise.race([
    Promise.allSettled(applies.map((apply) => apply.drain())).then(
      () => 'ended',
    ),
    sleep(60_000, 'waits for ever', { ref: false }),
  ]);
  stop.abort();
  expect(ended).toBe('ended');
});

function batchOf(id: number): Batch {
  const through = timestampFromMs(id);
  return {
    through,
    complete: true,
    rowCount: 1,
    textLength: 13,
    tables: [
      {
        table: 't',
        mutations: [
          {
            time: through,
            key: `[${id}]` as JsonText,
            after: `{"id":${id}}` as JsonText,
            before: null,
          },
        ],
      },
    ],
  };
}
