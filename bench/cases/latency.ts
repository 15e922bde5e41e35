/**
 * From sending a row to seeing it in the target, at a pace that leaves all
 * rest. In consistent mode the clock starts when the resolved timestamp is
 * sent that first covers the row: before it nobody may apply the row.
 */
import type { BenchCase, CaseSample, SampleOptions } from '../case.ts';
import { USUAL_SHAPE } from '../load-shape.ts';
import { percentile } from '../statistics.ts';
import { postgresTarget } from '../targets/postgres.ts';
import { startWatcher } from '../watcher.ts';
import { openTargetRun } from './target-run.ts';

const ROWS_PER_SECOND = 1000;
const WARM_UP_SECONDS = 2;
/** In consistent mode four resolved timestamps a second. */
const MIN_SECONDS = 6;
const LOOK_PAUSE_MS = 1;

interface LatencyCase {
  readonly mode: 'immediate' | 'consistent';
  readonly requestRows: number;
  readonly isOnlyNamed?: boolean;
}

async function measure(
  { environment, seconds }: SampleOptions,
  program: string | undefined,
  { mode, requestRows }: LatencyCase,
): Promise<CaseSample> {
  await using run = await openTargetRun(environment, program, {
    kind: postgresTarget,
    mode,
    shape: { ...USUAL_SHAPE, requestRows },
  });
  const { feed } = run;
  const pace = {
    resolved: mode === 'consistent',
    rowsPerSecond: ROWS_PER_SECOND,
  };
  const warm = await feed.run({ ...pace, seconds: WARM_UP_SECONDS });
  await run.untilApplied(warm.nextId);

  const before = run.usage();
  await using watcher = startWatcher(run.target, LOOK_PAUSE_MS);
  const startedAtMs = performance.now();
  const result = await feed.run(
    {
      ...pace,
      seconds: Math.max(MIN_SECONDS, seconds),
      sample: {
        every: 1,
        at: mode === 'immediate' ? 'sending' : 'resolving',
      },
    },
    watcher.expect,
  );
  await run.untilApplied(result.nextId);
  const elapsedMs = performance.now() - startedAtMs;
  const latenciesMs = await watcher.latencies();
  const after = run.usage();
  await run.verify(result.nextId);
  return {
    rowsPerSecond: (result.rowCount * 1000) / elapsedMs,
    cpuMicrosPerRow: (after.cpuMicros - before.cpuMicros) / result.rowCount,
    rssMiB: after.peakRssMiB,
    p50Ms: percentile(latenciesMs, 50),
    p99Ms: percentile(latenciesMs, 99),
  };
}

export function latencyCase(name: string, parts: LatencyCase): BenchCase {
  return {
    name,
    measure: (options, program) => measure(options, program, parts),
    floors: [],
    ...(parts.isOnlyNamed === true && { isOnlyNamed: true }),
  };
}
