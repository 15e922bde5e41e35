import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { parseSinkUrl } from '../../src/workload/sender.ts';
import {
  runWorkload,
  type WorkloadOptions,
} from '../../src/workload/workload.ts';
import { testDatabase } from '../support/test-database.ts';
import { directSink } from './direct-sink.ts';

export function workloadOptions(
  url: string,
  targetUrl: string,
  changes: Partial<WorkloadOptions> = {},
): WorkloadOptions {
  return {
    sink: parseSinkUrl(url),
    targetUrl,
    targetSchema: 'public',
    mode: 'consistent',
    createTables: true,
    rowsPerSecond: 800,
    seed: 7,
    tableRows: 200,
    requestTimeoutMs: 3000,
    gzip: false,
    lookIntervalMs: 50,
    replayIntervalMs: 400,
    catchUpTimeoutMs: 10_000,
    concurrentRequests: 8,
    batchSize: 20,
    resolvedIntervalMs: 50,
    tries: 3,
    retryMinMs: 10,
    retryMaxMs: 100,
    failFast: false,
    diff: false,
    ...changes,
  };
}

test('a sink that applies whole transactions is verified while running and at the end', async () => {
  await using db = await testDatabase();
  await using sink = await directSink(db.url);
  const report = await runWorkload(
    workloadOptions(sink.url, db.url),
    () => {},
    AbortSignal.timeout(2000),
  );
  console.log(report.progress, sink.rowCount, report.comparison);
  expect(report.violation).toBeNull();
  expect(report.verified).toBe(true);
});
