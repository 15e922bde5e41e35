/** What the source says of its slot: a query that any operator can make. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface SlotFigures {
  readonly isRead: boolean;
  /** WAL that its reader has not confirmed. */
  readonly unconfirmedBytes: number;
  /** WAL that the server keeps because of it. */
  readonly retainedBytes: number;
  /** Its place in the WAL, from the very beginning. */
  readonly confirmedBytes: number;
}

export class SlotLook implements AsyncDisposable {
  readonly #pool: pg.Pool;
  readonly #slotName: string;

  constructor(sourceUrl: string, slotName: string) {
    this.#pool = new pg.Pool({ connectionString: sourceUrl, max: 1 });
    this.#pool.on('error', () => {});
    this.#slotName = slotName;
  }

  async figures(): Promise<SlotFigures> {
    const figures = await this.#figures();
    if (figures === undefined) {
      throw new Error(`the source has no slot ${this.#slotName}`);
    }
    return figures;
  }

  async #figures(): Promise<SlotFigures | undefined> {
    const { rows } = await this.#pool.query<SlotFigures>(
      `select active as "isRead",
              (pg_current_wal_lsn() - confirmed_flush_lsn)::float8 as "unconfirmedBytes",
              (pg_current_wal_lsn() - restart_lsn)::float8 as "retainedBytes",
              (confirmed_flush_lsn - '0/0')::float8 as "confirmedBytes"
         from pg_replication_slots where slot_name = $1`,
      [this.#slotName],
    );
    return rows[0];
  }

  /** Until somebody reads it, or the signal aborts. */
  async untilRead(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !(await this.#figures())?.isRead) {
      await sleep(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.end();
  }
}
