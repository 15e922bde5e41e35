/** How fast requests become durable in staging; nothing is applied. */
import { startDaemon } from '../../test/support/daemon.ts';
import {
  type BenchCase,
  type CaseSample,
  type SampleOptions,
  WARM_UP_SECONDS,
} from '../case.ts';
import { startFeed } from '../feed.ts';
import { postgresBlobFloors } from '../floors/postgres-blobs.ts';
import { sqliteFloors } from '../floors/sqlite-blobs.ts';
import { openPool } from '../pool.ts';
import { processGroupUsage } from '../process-usage.ts';
import { CREATE_TABLE } from '../rows.ts';
import { percentile } from '../statistics.ts';

async function measure(
  { environment, seconds }: SampleOptions,
  program: string | undefined,
  extraFlags: readonly string[],
): Promise<CaseSample> {
  const targetUrl = await environment.freshDatabase('bench_target');
  {
    await using target = openPool(targetUrl, 1);
    await target.query(CREATE_TABLE);
  }
  await using daemon = await startDaemon({
    args: [...environment.tlsFlags, `--targetConn=${targetUrl}`, ...extraFlags],
    ...(program === undefined ? {} : { program }),
  });
  await using feed = await startFeed(
    daemon,
    environment,
    '/bench_target/public',
  );
  const plain = { resolved: false, rowsPerSecond: null };
  await feed.run({ ...plain, seconds: WARM_UP_SECONDS });
  const before = processGroupUsage(daemon.pid);
  const result = await feed.run({ ...plain, seconds });
  const after = processGroupUsage(daemon.pid);
  return {
    rowsPerSecond: (result.rowCount * 1000) / result.elapsedMs,
    cpuMicrosPerRow: (after.cpuMicros - before.cpuMicros) / result.rowCount,
    rssMiB: after.peakRssMiB,
    p50Ms: percentile(result.latenciesMs, 50),
    p99Ms: percentile(result.latenciesMs, 99),
  };
}

export const webhookStageSqlite: BenchCase = {
  name: 'webhook-stage-sqlite',
  measure: (options, program) => measure(options, program, []),
  floors: sqliteFloors,
};

export const webhookStagePostgres: BenchCase = {
  name: 'webhook-stage-postgres',
  async measure(options, program) {
    const url = await options.environment.freshDatabase('bench_staging');
    return await measure(options, program, [
      `--stagingConn=${url}`,
      '--stagingSchema=bench_staging.replicator',
      '--stagingCreateSchema',
    ]);
  },
  floors: postgresBlobFloors,
};
