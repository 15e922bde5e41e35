/**
 * Rows that came while nothing could be applied, because no resolved timestamp
 * did; then one covers them all. Every row is verified.
 */
import type { BenchCase, CaseSample, SampleOptions } from '../case.ts';
import { postgresUpsertFloors } from '../floors/postgres-upsert.ts';
import { forgetPeak } from '../process-usage.ts';
import { postgresTarget } from '../targets/postgres.ts';
import { openTargetRun, type TargetRunOptions } from './target-run.ts';

/** No load stages more slowly, and none is applied more slowly. */
const SLOWEST_ROWS_PER_SECOND = 5000;
const TIMEOUT_MS = 60_000;

async function measure(
  { environment, backlog }: SampleOptions,
  program: string | undefined,
  staging: TargetRunOptions['staging'] & {},
): Promise<CaseSample> {
  await using run = await openTargetRun(environment, program, {
    kind: postgresTarget,
    mode: 'consistent',
    staging,
  });
  const longestMs = TIMEOUT_MS + (backlog * 1000) / SLOWEST_ROWS_PER_SECOND;
  const staged = await run.feed.run({
    seconds: longestMs / 1000,
    rows: backlog,
    resolved: false,
    rowsPerSecond: null,
  });
  const before = run.usage();
  forgetPeak(run.daemons[0].pid);

  const startedAtMs = performance.now();
  await run.feed.run({ seconds: 0, resolved: true, rowsPerSecond: null });
  await run.untilApplied(staged.nextId, { timeoutMs: longestMs });
  const elapsedMs = performance.now() - startedAtMs;
  const after = run.usage();
  await run.verify(staged.nextId);
  return {
    rowsPerSecond: (staged.rowCount * 1000) / elapsedMs,
    cpuMicrosPerRow: (after.cpuMicros - before.cpuMicros) / staged.rowCount,
    rssMiB: after.peakRssMiB,
    p50Ms: null,
    p99Ms: null,
    figures: {
      backlogRows: staged.rowCount,
      stagedRowsPerSecond: (staged.rowCount * 1000) / staged.elapsedMs,
      stagingRssMiB: before.peakRssMiB,
    },
  };
}

export function backlogCase(
  name: string,
  staging: 'sqlite' | 'postgres',
): BenchCase {
  return {
    name,
    measure: (options, program) => measure(options, program, staging),
    floors: postgresUpsertFloors,
    isOnlyNamed: true,
  };
}
