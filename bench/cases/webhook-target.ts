/** How fast requests become rows of the target; every row is verified. */
import {
  type BenchCase,
  type CaseSample,
  type Floor,
  type SampleOptions,
  WARM_UP_SECONDS,
} from '../case.ts';
import { percentile } from '../statistics.ts';
import { startWatcher } from '../watcher.ts';
import { openTargetRun, type TargetRunOptions } from './target-run.ts';

/** Latency is taken at a pace that leaves room; saturated it is only backlog. */
const PACED_ROWS_PER_SECOND = 5000;
const PACED_SECONDS = 3;
const PACED_SAMPLE_EVERY = 10;
const LOOK_PAUSE_MS = 5;

async function measure(
  { environment, seconds }: SampleOptions,
  program: string | undefined,
  options: TargetRunOptions,
): Promise<CaseSample> {
  await using run = await openTargetRun(environment, program, options);
  const { feed } = run;
  const full = {
    resolved: true,
    rowsPerSecond: null,
  };
  const warm = await feed.run({ ...full, seconds: WARM_UP_SECONDS });
  await run.untilApplied(warm.nextId);

  const collectionsBefore = await run.fullCollections();
  const before = run.usage();
  const startedAtMs = performance.now();
  const result = await feed.run({ ...full, seconds });
  await run.untilApplied(result.nextId);
  const elapsedMs = performance.now() - startedAtMs;
  const after = run.usage();
  const collections = (await run.fullCollections()) - collectionsBefore;

  await using watcher = startWatcher(run.target, LOOK_PAUSE_MS);
  const paced = await feed.run(
    {
      ...full,
      seconds: PACED_SECONDS,
      sample: { every: PACED_SAMPLE_EVERY, at: 'sending' },
      rowsPerSecond: PACED_ROWS_PER_SECOND,
    },
    watcher.expect,
  );
  await run.untilApplied(paced.nextId);
  const latenciesMs = await watcher.latencies();
  await run.verify(paced.nextId);
  return {
    rowsPerSecond: (result.rowCount * 1000) / elapsedMs,
    cpuMicrosPerRow: (after.cpuMicros - before.cpuMicros) / result.rowCount,
    rssMiB: after.peakRssMiB,
    p50Ms: percentile(latenciesMs, 50),
    p99Ms: percentile(latenciesMs, 99),
    figures: {
      fullCollectionsPerMillionRows: (collections * 1e6) / result.rowCount,
    },
  };
}

export function webhookCase(
  name: string,
  parts: TargetRunOptions & { readonly floors: readonly Floor[] },
): BenchCase {
  return {
    name,
    measure: (options, program) => measure(options, program, parts),
    floors: parts.floors,
  };
}
