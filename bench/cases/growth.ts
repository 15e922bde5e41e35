/** Whether rows cost the same when there are more of something. */
import {
  type BenchCase,
  type BenchGrowth,
  type CaseSample,
  type Floor,
  type SampleOptions,
  WARM_UP_SECONDS,
} from '../case.ts';
import { postgresTablesFloors } from '../floors/postgres-tables.ts';
import {
  postgresUpsertFloors,
  postgresUpsertFloorsOf,
} from '../floors/postgres-upsert.ts';
import { USUAL_SHAPE } from '../load-shape.ts';
import { FIRST_ID } from '../rows.ts';
import { postgresTarget, postgresTargetOf } from '../targets/postgres.ts';
import { openTargetRun, type TargetRunOptions } from './target-run.ts';

/** Most sessions of the daemon have met most tables then. */
const WARM_UP_PASSES = 4;
/** Nobody stages more slowly. */
const SLOWEST_STAGED_ROWS_PER_SECOND = 10_000;
/** The rows that are applied are older than those that lie in staging. */
const PAST_MS = 3_600_000;

interface GrowthPoint extends TargetRunOptions {
  /**
   * Rows that lie in staging all the while, under later times; `backlog` is
   * what `--backlog` says.
   */
  readonly lying?: number | 'backlog';
  /** At least, and for as long as every warm-up. */
  readonly warmUpRows?: number;
}

async function measure(
  { environment, seconds, backlog }: SampleOptions,
  program: string | undefined,
  { lying: asked = 0, warmUpRows = 0, ...options }: GrowthPoint,
): Promise<CaseSample> {
  const lying = asked === 'backlog' ? backlog : asked;
  await using run = await openTargetRun(environment, program, options);
  const { feed } = run;
  const { nextId: firstId } =
    lying === 0
      ? { nextId: FIRST_ID }
      : await feed.run({
          seconds: 60 + lying / SLOWEST_STAGED_ROWS_PER_SECOND,
          rows: lying,
          resolved: false,
          rowsPerSecond: null,
        });
  const load = {
    resolved: options.mode === 'consistent',
    rowsPerSecond: null,
    pastMs: lying === 0 ? 0 : PAST_MS,
  };
  let warm = await feed.run({ ...load, seconds: WARM_UP_SECONDS });
  if (warm.rowCount < warmUpRows) {
    const rows = warmUpRows - warm.rowCount;
    warm = await feed.run({ ...load, seconds: 60, rows });
  }
  await run.untilApplied(warm.nextId, { firstId });

  const before = run.usage();
  const startedAtMs = performance.now();
  const result = await feed.run({ ...load, seconds });
  await run.untilApplied(result.nextId, { firstId });
  const elapsedMs = performance.now() - startedAtMs;
  const after = run.usage();
  await run.verify(result.nextId, firstId);
  const rowsPerSecond = (result.rowCount * 1000) / elapsedMs;
  const rowBytes = options.shape?.rowBytes ?? null;
  return {
    rowsPerSecond,
    cpuMicrosPerRow: (after.cpuMicros - before.cpuMicros) / result.rowCount,
    rssMiB: after.peakRssMiB,
    p50Ms: null,
    p99Ms: null,
    ...(rowBytes !== null && {
      figures: { mibPerSecond: (rowsPerSecond * rowBytes) / 2 ** 20 },
    }),
  };
}

function point(
  name: string,
  parts: GrowthPoint & { readonly floors: readonly Floor[] },
): BenchCase {
  return {
    name,
    measure: (options, program) => measure(options, program, parts),
    floors: parts.floors,
  };
}

export const growthTables: BenchGrowth = {
  name: 'growth-tables',
  isOnlyNamed: true,
  points: [1, 10, 100, 1000].map((tables) => {
    const shape = { ...USUAL_SHAPE, tables };
    return point(`growth-tables-${tables}`, {
      kind: postgresTargetOf(shape),
      mode: 'consistent',
      shape,
      warmUpRows: tables * shape.requestRows * WARM_UP_PASSES,
      floors: postgresTablesFloors(shape),
    });
  }),
};

export const growthRowBytes: BenchGrowth = {
  name: 'growth-row-bytes',
  isOnlyNamed: true,
  figure: 'mibPerSecond',
  points: [100, 1024, 10_240].map((rowBytes) => {
    const shape = { ...USUAL_SHAPE, rowBytes };
    return point(`growth-row-bytes-${rowBytes}`, {
      kind: postgresTargetOf(shape),
      mode: 'consistent',
      shape,
      floors: postgresUpsertFloorsOf(shape),
    });
  }),
};

export const growthStaged: BenchGrowth = {
  name: 'growth-staged',
  isOnlyNamed: true,
  points: ([10_000, 100_000, 'backlog'] as const).map((lying) =>
    point(`growth-staged-${lying}`, {
      kind: postgresTarget,
      mode: 'consistent',
      lying,
      floors: postgresUpsertFloors,
    }),
  ),
};
