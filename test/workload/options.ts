import { parseSinkUrl } from '../../src/workload/sender.ts';
import type { WorkloadOptions } from '../../src/workload/workload.ts';

/** A small, busy workload: everything a changefeed may do, within seconds. */
export function smallWorkload(
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
    catchUpTimeoutMs: 20_000,
    progressIntervalMs: 100,
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
