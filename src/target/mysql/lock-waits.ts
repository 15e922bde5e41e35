/** Which sessions of the server wait for a row lock. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ReplicatorError } from '../../failure/failure.ts';
import type { Answer } from './driver.ts';

/**
 * InnoDB answers from a copy that it makes anew only when nobody has read it
 * for a tenth of a second: who asks more often hears the same for ever.
 */
const freshAfterMs = 150;

const query = `select trx_mysql_thread_id as id from information_schema.innodb_trx where trx_state = 'LOCK WAIT'`;

export class LockWaits {
  readonly #ask: (text: string) => Promise<Answer>;
  #lastReadAtMs = -Infinity;
  #next: Promise<ReadonlySet<number> | null> | null = null;

  constructor(ask: (text: string) => Promise<Answer>) {
    this.#ask = ask;
  }

  /** Null where the account lacks the privilege PROCESS. */
  read(): Promise<ReadonlySet<number> | null> {
    // Whoever comes before the question is put shares its answer.
    this.#next ??= this.#readAnew();
    return this.#next;
  }

  async #readAnew(): Promise<ReadonlySet<number> | null> {
    const waitMs = this.#lastReadAtMs + freshAfterMs - performance.now();
    if (waitMs > 0) {
      await sleep(waitMs);
    }
    this.#next = null;
    try {
      const { rows } = await this.#ask(query);
      return new Set(rows.map(({ id }) => Number(id)));
    } catch (error) {
      if (error instanceof ReplicatorError && error.code === 'E4007') {
        return null;
      }
      throw error;
    } finally {
      this.#lastReadAtMs = performance.now();
    }
  }
}
