/**
 * Rows that know when they were committed. The source server makes them
 * itself, a row a transaction at a steady pace, and reads its clock in the
 * statement before each commit: the flush of its WAL is part of the latency.
 * The target is asked every millisecond; each look takes the clock of the
 * target's server, which is that of the machine. So a latency is at most one
 * look, some two milliseconds, too long, and never too short.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchEnvironment } from '../environment.ts';
import { type OwnedPool, openPool } from '../pool.ts';
import { percentile } from '../statistics.ts';
import { PUBLICATION } from './backlogs.ts';
import { slotSource } from './slot-source.ts';
import { type BenchSlot, createSlot, openSlot } from './slots.ts';

const PINGS_PER_SECOND = 1000;
/** Sessions that share the pace: one could not flush a thousand times. */
const LANES = 4;
/** Their rows are not counted. */
const WARM_UP_SECONDS = 1;
const LOOK_PAUSE_MS = 1;
const STALL_TIMEOUT_MS = 60_000;
const DATABASE = 'bench_latency';
const SLOT = 'bench_latency';

const CREATE_TABLE =
  'create table bench_ping (id int8 primary key, committed_at timestamptz not null)';

const CREATE_PROCEDURE = `
  create procedure bench_lane(lane int, transactions int)
  language plpgsql as $$
  declare
    begun timestamptz := clock_timestamp();
    n int;
    ahead float8;
  begin
    for i in 0..transactions - 1 loop
      n := i * ${LANES} + lane;
      ahead := n / ${PINGS_PER_SECOND}.0
        - extract(epoch from clock_timestamp() - begun);
      if ahead > 0 then
        perform pg_sleep(ahead);
      end if;
      insert into bench_ping values (n, clock_timestamp());
      commit;
    end loop;
  end $$`;

export interface PingPlaces {
  readonly sourceUrl: string;
  readonly targetUrl: string;
  readonly database: string;
  readonly slotName: string;
}

export interface PingSample {
  /** That came through, from the first transaction to the last one's sight. */
  readonly rowsPerSecond: number;
  readonly rowCount: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface OpenPings extends AsyncDisposable {
  readonly places: PingPlaces;
  readonly slot: BenchSlot;
  run(seconds: number, signal: AbortSignal): Promise<PingSample>;
}

/** Both databases afresh, with a slot that nobody reads yet. */
export async function openPings(
  environment: BenchEnvironment,
): Promise<OpenPings> {
  await using stack = new AsyncDisposableStack();
  const { server } = await slotSource(environment);
  {
    await using admin = openPool(server.url(), 1);
    await admin.query(`drop database if exists ${DATABASE} with (force)`);
    await admin.query(`create database ${DATABASE} template template0`);
  }
  const sourceUrl = server.url(DATABASE);
  const source = stack.use(openPool(sourceUrl, LANES));
  await source.query(CREATE_TABLE);
  await source.query(CREATE_PROCEDURE);
  await source.query(`create publication ${PUBLICATION} for table bench_ping`);
  const targetUrl = await environment.freshDatabase(DATABASE);
  const target = stack.use(openPool(targetUrl, 1));
  await target.query(CREATE_TABLE);
  await createSlot(source, SLOT);
  const slot = stack.use(openSlot(openPool(sourceUrl, 1), SLOT));
  const owned = stack.move();
  return {
    places: { sourceUrl, targetUrl, database: DATABASE, slotName: SLOT },
    slot,
    async run(seconds, signal) {
      const perLane = Math.ceil(
        ((seconds + WARM_UP_SECONDS) * PINGS_PER_SECOND) / LANES,
      );
      const startedAtMs = performance.now();
      const loading = Promise.all(
        Array.from({ length: LANES }, (_, lane) =>
          source.query(`call bench_lane(${lane}, ${perLane})`),
        ),
      );
      // Whatever ends the watching first; the load's own failure is told below.
      loading.catch(() => {});
      const rowCount = perLane * LANES;
      const latenciesMs = await watch(target, rowCount, signal);
      const elapsedMs = performance.now() - startedAtMs;
      await loading;
      const counted = latenciesMs.slice(WARM_UP_SECONDS * PINGS_PER_SECOND);
      return {
        rowsPerSecond: (rowCount * 1000) / elapsedMs,
        rowCount,
        p50Ms: percentile(counted, 50),
        p99Ms: percentile(counted, 99),
      };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The latency of each row, by its id, once all have been seen. */
async function watch(
  target: OwnedPool,
  rowCount: number,
  signal: AbortSignal,
): Promise<number[]> {
  const latenciesMs: number[] = [];
  /** All rows before it have been seen. */
  let low = 0;
  let seenAtMs = performance.now();
  while (low < rowCount) {
    signal.throwIfAborted();
    const { rows } = await target.query<{ id: string; ms: number }>({
      name: 'look',
      text: `select id, (extract(epoch from statement_timestamp() - committed_at)
        * 1000)::float8 as ms from bench_ping where id >= $1`,
      values: [low],
    });
    for (const { id, ms } of rows) {
      latenciesMs[Number(id)] ??= ms;
    }
    while (latenciesMs[low] !== undefined) low += 1;
    if (rows.length > 0) seenAtMs = performance.now();
    if (performance.now() - seenAtMs > STALL_TIMEOUT_MS) {
      throw new Error(`${rowCount - low} rows do not come`);
    }
    await sleep(LOOK_PAUSE_MS);
  }
  return latenciesMs;
}
