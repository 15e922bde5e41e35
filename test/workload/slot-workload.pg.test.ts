import pg from 'pg';
import { expect, test } from 'vitest';

import {
  runSlotWorkload,
  type SlotWorkloadOptions,
} from '../../src/workload/workload.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';
import {
  type PostgresServer,
  startPostgresServer,
} from '../support/postgres-server.ts';

/**
 * A source whose slot is read by PostgreSQL's own subscription: the checker
 * is held against a replica that is not ours.
 */
async function startReplicatedSource(): Promise<PostgresServer> {
  return startPostgresServer({
    fsync: false,
    settings: { wal_level: 'logical' },
  });
}

function optionsOf(sourceUrl: string, targetUrl: string): SlotWorkloadOptions {
  return {
    sourceUrl,
    sourceSchema: 'public',
    slotName: 'replica',
    targetUrl,
    targetSchema: 'public',
    createTables: true,
    rowsPerSecond: 500,
    seed: 11,
    tableRows: 100,
    lookIntervalMs: 50,
    catchUpTimeoutMs: 20_000,
  };
}

async function subscribe(
  source: PostgresServer,
  target: TestDatabase,
): Promise<void> {
  const client = new pg.Client({ connectionString: source.url() });
  await client.connect();
  try {
    await client.query('create publication shop for all tables');
  } finally {
    await client.end();
  }
  await target.query(
    `create subscription replica connection '${source.url()}' publication shop with (copy_data = false)`,
  );
}

test('nothing is written before the slot is read; a source that restarts under the writing is written to again, and all is equal', async () => {
  await using source = await startReplicatedSource();
  await using target = await testDatabase();
  // Its database could not be dropped with it.
  await using _subscription = {
    async [Symbol.asyncDispose]() {
      await target.query('drop subscription if exists replica');
    },
  };
  const stop = new AbortController();
  const phases = new Set<string>();
  const steps: Promise<unknown>[] = [];
  const report = await runSlotWorkload(
    optionsOf(source.url(), target.url),
    (progress) => {
      phases.add(progress.phase);
      if (progress.phase === 'waiting for the daemon') {
        expect(progress.transactions).toBe(0);
        if (steps.length === 0) {
          steps.push(subscribe(source, target));
        }
      } else if (progress.appliedTransactions > 50) {
        if (steps.length === 1) {
          steps.push(source.stop('immediate').then(() => source.start()));
        }
        if (progress.appliedTransactions > 150) {
          stop.abort();
        }
      }
    },
    stop.signal,
  );
  await Promise.all(steps);
  expect(report.violation).toBeNull();
  expect(report.verified).toBe(true);
  expect(report.comparison?.rowCount).toBeGreaterThan(100);
  expect([...phases].slice(0, 2)).toEqual([
    'waiting for the daemon',
    'writing',
  ]);
});
