/**
 * 100 000 updates a second of one row: whether the daemon keeps up, and how
 * often it writes the row. The last update must be what the target ends with.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchCase, CaseSample, SampleOptions } from '../case.ts';
import { USUAL_SHAPE } from '../load-shape.ts';
import { type OwnedPool, openPool } from '../pool.ts';
import { FIRST_ID, TABLE } from '../rows.ts';
import { postgresTarget } from '../targets/postgres.ts';
import { openTargetRun } from './target-run.ts';

const UPDATES_PER_SECOND = 100_000;
const WARM_UP_SECONDS = 1;
const APPLY_TIMEOUT_MS = 60_000;

async function measure(
  { environment, seconds }: SampleOptions,
  program: string | undefined,
): Promise<CaseSample> {
  await using run = await openTargetRun(environment, program, {
    kind: postgresTarget,
    mode: 'consistent',
    shape: { ...USUAL_SHAPE, isHot: true },
  });
  await using pool = openPool(run.target.url, 1);
  const pace = { resolved: true, rowsPerSecond: UPDATES_PER_SECOND };
  const warm = await run.feed.run({ ...pace, seconds: WARM_UP_SECONDS });
  await untilLast(pool, warm.nextId - 1);

  const before = run.usage();
  const startedAtMs = performance.now();
  const result = await run.feed.run({ ...pace, seconds });
  const sentAtMs = performance.now();
  await untilLast(pool, result.nextId - 1);
  const appliedAtMs = performance.now();
  const after = run.usage();
  const elapsedMs = appliedAtMs - startedAtMs;
  for (const daemon of run.daemons) daemon.kill();
  const writeCount = await countWrites(pool);
  return {
    rowsPerSecond: (result.rowCount * 1000) / elapsedMs,
    cpuMicrosPerRow: (after.cpuMicros - before.cpuMicros) / result.rowCount,
    rssMiB: after.peakRssMiB,
    p50Ms: null,
    p99Ms: null,
    figures: {
      sentRowsPerSecond: (result.rowCount * 1000) / result.elapsedMs,
      // From the answer to the last resolved timestamp.
      lagMs: appliedAtMs - sentAtMs,
      // The warm-up is in both numbers.
      targetWritesPerSecond: (writeCount * 1000) / (elapsedMs + warm.elapsedMs),
    },
  };
}

/** A session reports what it wrote when it ends, if not sooner. */
async function countWrites(pool: OwnedPool): Promise<number> {
  const deadline = performance.now() + APPLY_TIMEOUT_MS;
  for (;;) {
    const { rows } = await pool.query<{ open: string; writes: string }>(
      `select (select count(*) from pg_stat_activity
          where datname = current_database()
            and application_name like 'replicator%') as open,
        n_tup_ins + n_tup_upd as writes
      from pg_stat_user_tables where relname = '${TABLE}'`,
    );
    const [row] = rows;
    if (row?.open === '0') return Number(row.writes);
    if (performance.now() > deadline) throw new Error('sessions stay open');
    await sleep(100);
  }
}

async function untilLast(pool: OwnedPool, lastVersion: number): Promise<void> {
  const deadline = performance.now() + APPLY_TIMEOUT_MS;
  for (;;) {
    const { rows } = await pool.query<{
      id: string;
      account: string;
      state: string;
    }>(`select id, account, state from ${TABLE}`);
    const [row] = rows;
    if (rows.length === 1 && row?.account === String(lastVersion * 7)) {
      if (
        row.id === String(FIRST_ID) &&
        row.state === `open-${lastVersion % 10}`
      )
        return;
      throw new Error(`the row is wrong: ${JSON.stringify(row)}`);
    }
    if (performance.now() > deadline) {
      throw new Error(`after ${APPLY_TIMEOUT_MS} ms: ${JSON.stringify(rows)}`);
    }
    await sleep(5);
  }
}

export const hotKey: BenchCase = { name: 'hot-key', measure, floors: [] };
