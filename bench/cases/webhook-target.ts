/** How fast requests become rows of the target; every row is verified. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, startDaemon } from '../../test/support/daemon.ts';
import type { BenchCase, CaseSample, Floor, SampleOptions } from '../case.ts';
import type { BenchEnvironment } from '../environment.ts';
import { startFeed } from '../feed.ts';
import { processGroupUsage, type ProcessUsage } from '../process-usage.ts';
import { FIRST_ID, REQUEST_ROWS } from '../rows.ts';
import { percentile } from '../statistics.ts';
import type { BenchTarget, OpenBenchTarget } from '../targets/target.ts';
import { startWatcher } from '../watcher.ts';

const WARM_UP_SECONDS = 1;
/** Latency is taken at a pace that leaves room; saturated it is only backlog. */
const PACED_ROWS_PER_SECOND = 5000;
const PACED_SECONDS = 3;
const APPLY_TIMEOUT_MS = 60_000;

interface TargetCase {
  readonly kind: BenchTarget;
  readonly mode: 'immediate' | 'consistent';
  /**
   * `shared`: two daemons on one PostgreSQL; the one that stands by takes the
   * requests, the other one applies.
   */
  readonly staging?: 'sqlite' | 'postgres' | 'shared';
}

async function measure(
  { environment, seconds }: SampleOptions,
  program: string | undefined,
  { kind, mode, staging = 'sqlite' }: TargetCase,
): Promise<CaseSample> {
  await using stack = new AsyncDisposableStack();
  const target = stack.use(await kind.fresh(environment));
  const args = [
    ...environment.tlsFlags,
    `--targetConn=${target.url}`,
    ...(mode === 'immediate' ? ['--immediate'] : []),
    ...(staging === 'sqlite' ? [] : await stagingFlags(environment)),
  ];
  const start = async (): Promise<Daemon> =>
    stack.use(
      await startDaemon({
        args,
        ...(program === undefined ? {} : { program }),
      }),
    );
  let daemon = await start();
  const daemons = [daemon];
  if (staging === 'shared') {
    await resolve(daemon, environment, target.path);
    daemon = await start();
    daemons.push(daemon);
  }
  const usage = (): ProcessUsage => sumUsage(daemons);
  const feed = stack.use(await startFeed(daemon, environment, target.path));
  const full = {
    resolved: mode === 'consistent',
    sample: false,
    rowsPerSecond: null,
  };
  const warm = await feed.run({ ...full, seconds: WARM_UP_SECONDS });
  await untilApplied(target, warm.nextId);

  const before = usage();
  const startedAtMs = performance.now();
  const result = await feed.run({ ...full, seconds });
  await untilApplied(target, result.nextId);
  const elapsedMs = performance.now() - startedAtMs;
  const after = usage();

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

  const { all, right } = await target.countRows();
  const sentCount = paced.nextId - FIRST_ID;
  if (right !== sentCount || all !== sentCount) {
    throw new Error(
      `sent ${sentCount} rows, the target holds ${all}, ${right} of them right`,
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

async function stagingFlags(environment: BenchEnvironment): Promise<string[]> {
  return [
    `--stagingConn=${await environment.freshDatabase('bench_staging')}`,
    '--stagingSchema=bench_staging.replicator',
    '--stagingCreateSchema',
  ];
}

/** The schema is open, and this daemon leads it, when the answer is there. */
async function resolve(
  daemon: Daemon,
  { certificates }: BenchEnvironment,
  path: string,
): Promise<void> {
  const { ca, client } = certificates;
  const sending = request(`${daemon.url}${path}`, {
    method: 'POST',
    ca: ca.cert,
    cert: client.cert,
    key: client.key,
  }).end('{"resolved":"1000000000000000000.0000000000"}');
  const [answer] = (await once(sending, 'response')) as [IncomingMessage];
  answer.resume();
  if (answer.statusCode !== 200) {
    throw new Error(`the first request was answered ${answer.statusCode}`);
  }
}

function sumUsage(daemons: readonly Daemon[]): ProcessUsage {
  const all = daemons.map(({ pid }) => processGroupUsage(pid));
  return {
    cpuMicros: all.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0),
    peakRssMiB: Math.max(...all.map(({ peakRssMiB }) => peakRssMiB)),
  };
}

/** Waits for the last row of each of the last requests, whoever sent them. */
async function untilApplied(
  target: OpenBenchTarget,
  nextId: number,
): Promise<void> {
  const lastIds = Array.from(
    { length: 32 },
    (_, index) => nextId - 1 - index * REQUEST_ROWS,
  ).filter((id) => id >= FIRST_ID);
  const deadline = performance.now() + APPLY_TIMEOUT_MS;
  while ((await target.visibleIds(lastIds)).length < lastIds.length) {
    if (performance.now() > deadline) {
      throw new Error(`rows are still missing after ${APPLY_TIMEOUT_MS} ms`);
    }
    await sleep(20);
  }
}

export function webhookCase(
  name: string,
  parts: TargetCase & { readonly floors: readonly Floor[] },
): BenchCase {
  return {
    name,
    measure: (options, program) => measure(options, program, parts),
    floors: parts.floors,
  };
}
