/** How fast requests become rows of the target; every row is verified. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { startDaemon } from '../../test/support/daemon.ts';
import type { BenchCase, CaseSample, SampleOptions } from '../case.ts';
import { startFeed } from '../feed.ts';
import { postgresUpsertFloors } from '../floors/postgres-upsert.ts';
import { openPool } from '../pool.ts';
import { processGroupUsage } from '../process-usage.ts';
import {
  COUNT_RIGHT_ROWS,
  CREATE_TABLE,
  FIRST_ID,
  REQUEST_ROWS,
  TABLE,
} from '../rows.ts';
import { percentile } from '../statistics.ts';
import { startWatcher } from '../watcher.ts';

const WARM_UP_SECONDS = 1;
/** Latency is taken at a pace that leaves room; saturated it is only backlog. */
const PACED_ROWS_PER_SECOND = 5000;
const PACED_SECONDS = 3;
const APPLY_TIMEOUT_MS = 60_000;

async function measure(
  { environment, seconds }: SampleOptions,
  program: string | undefined,
  mode: 'immediate' | 'consistent',
): Promise<CaseSample> {
  const targetUrl = await environment.freshDatabase('bench_target');
  await using stack = new AsyncDisposableStack();
  const target = stack.use(openPool(targetUrl, 2));
  await target.query(CREATE_TABLE);
  const daemon = stack.use(
    await startDaemon({
      args: [
        ...environment.tlsFlags,
        `--targetConn=${targetUrl}`,
        ...(mode === 'immediate' ? ['--immediate'] : []),
      ],
      ...(program === undefined ? {} : { program }),
    }),
  );
  const feed = stack.use(
    await startFeed(daemon, environment, '/bench_target/public'),
  );
  const full = {
    resolved: mode === 'consistent',
    sample: false,
    rowsPerSecond: null,
  };
  const warm = await feed.run({ ...full, seconds: WARM_UP_SECONDS });
  await untilApplied(target, warm.nextId);

  const before = processGroupUsage(daemon.pid);
  const startedAtMs = performance.now();
  const result = await feed.run({ ...full, seconds });
  await untilApplied(target, result.nextId);
  const elapsedMs = performance.now() - startedAtMs;
  const after = processGroupUsage(daemon.pid);

  const watcher = stack.use(startWatcher(target));
  const paced = await feed.run(
    {
      ...full,
      seconds: PACED_SECONDS,
      sample: true,
      rowsPerSecond: PACED_ROWS_PER_SECOND,
    },
    watcher.expect,
  );
  await untilApplied(target, paced.nextId);
  const latenciesMs = await watcher.latencies();

  const rightCount = await count(target, COUNT_RIGHT_ROWS);
  const allCount = await count(target, `select count(*) as n from ${TABLE}`);
  const sentCount = paced.nextId - FIRST_ID;
  if (rightCount !== sentCount || allCount !== sentCount) {
    throw new Error(
      `sent ${sentCount} rows, the target holds ${allCount}, ${rightCount} of them right`,
    );
  }
  return {
    rowsPerSecond: (result.rowCount * 1000) / elapsedMs,
    cpuMicrosPerRow: (after.cpuMicros - before.cpuMicros) / result.rowCount,
    rssMiB: after.peakRssMiB,
    p50Ms: percentile(latenciesMs, 50),
    p99Ms: percentile(latenciesMs, 99),
  };
}

/** Waits for the last row of each of the last requests, whoever sent them. */
async function untilApplied(target: pg.Pool, nextId: number): Promise<void> {
  const lastIds = Array.from(
    { length: 32 },
    (_, index) => nextId - 1 - index * REQUEST_ROWS,
  ).filter((id) => id >= FIRST_ID);
  const deadline = performance.now() + APPLY_TIMEOUT_MS;
  for (;;) {
    const { rowCount } = await target.query(
      `select from ${TABLE} where id = any($1)`,
      [lastIds],
    );
    if (rowCount === lastIds.length) return;
    if (performance.now() > deadline) {
      throw new Error(`rows are still missing after ${APPLY_TIMEOUT_MS} ms`);
    }
    await sleep(20);
  }
}

async function count(target: pg.Pool, sql: string): Promise<number> {
  const { rows } = await target.query<{ n: string }>(sql);
  return Number(rows[0]?.n);
}

export const webhookPostgresImmediate: BenchCase = {
  name: 'webhook-postgres-immediate',
  measure: (options, program) => measure(options, program, 'immediate'),
  floors: postgresUpsertFloors,
};

export const webhookPostgresConsistent: BenchCase = {
  name: 'webhook-postgres-consistent',
  measure: (options, program) => measure(options, program, 'consistent'),
  floors: postgresUpsertFloors,
};
