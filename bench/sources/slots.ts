/** Slots of a bench's source: made, copied, watched and dropped. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { openPool } from '../pool.ts';

/** A reader must have come and gone by then. */
const READER_TIMEOUT_MS = 60_000;

export interface BenchSlot extends AsyncDisposable {
  readonly name: string;
  /** Resolves when someone reads it: every clock of a case starts here. */
  untilActive(signal: AbortSignal): Promise<void>;
  /** Whether its reader has confirmed everything up to the place. */
  isConfirmed(lsn: string): Promise<boolean>;
}

export async function createSlot(source: pg.Pool, name: string): Promise<void> {
  await source.query(
    `select pg_create_logical_replication_slot('${name}', 'pgoutput')`,
  );
}

let copyCount = 0;

/** Another slot at the place of the origin, which nobody ever reads. */
export async function copySlot(
  sourceUrl: string,
  origin: string,
): Promise<BenchSlot> {
  const name = `bench_reader_${(copyCount += 1)}`;
  const pool = openPool(sourceUrl, 1);
  await pool.query(
    `select pg_copy_logical_replication_slot('${origin}', '${name}')`,
  );
  return openSlot(pool, name);
}

/** Takes over the pool. */
export function openSlot(pool: pg.Pool, name: string): BenchSlot {
  const isActive = async (): Promise<boolean> => {
    const { rows } = await pool.query<{ active: boolean }>(
      'select active from pg_replication_slots where slot_name = $1',
      [name],
    );
    return rows[0]?.active === true;
  };
  return {
    name,
    async untilActive(signal) {
      const deadline = AbortSignal.timeout(READER_TIMEOUT_MS);
      const either = AbortSignal.any([signal, deadline]);
      while (!(await isActive())) {
        either.throwIfAborted();
        await sleep(2);
      }
    },
    async isConfirmed(lsn) {
      const { rows } = await pool.query<{ confirmed: boolean }>(
        'select confirmed_flush_lsn >= $2::pg_lsn as confirmed from pg_replication_slots where slot_name = $1',
        [name, lsn],
      );
      return rows[0]?.confirmed === true;
    },
    async [Symbol.asyncDispose]() {
      try {
        // Its reader may be dead already; the walsender notices late.
        const deadline = performance.now() + READER_TIMEOUT_MS;
        while (await isActive()) {
          if (performance.now() > deadline) break;
          await pool.query(
            'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1',
            [name],
          );
          await sleep(20);
        }
        await pool.query('select pg_drop_replication_slot($1)', [name]);
      } finally {
        await pool.end();
      }
    },
  };
}
