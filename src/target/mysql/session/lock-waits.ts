/** Which sessions of the server wait for a row lock. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ReplicatorError } from '../../../failure/failure.ts';
import type { Answer } from './driver.ts';

/**
 * InnoDB answers from a copy that it makes anew only when nobody has read it
 * for a tenth of a second: who asks more often hears the same for ever.
 */
const freshAfterMs = 150;

const query = `select trx_mysql_thread_id as id from information_schema.innodb_trx where trx_state = 'LOCK WAIT'`;

export class LockWaits {
  readonly #ask: (text: string) => Promise<Answer>;
  /** Settles when the last question has been answered for long enough. */
  #quiet: Promise<void> = Promise.resolve();
  #next: Promise<ReadonlySet<number> | null> | null = null;

  constructor(ask: (text: string) => Promise<Answer>) {
    this.#ask = ask;
  }

  /** Null where the account lacks the privilege PROCESS. */
  read(): Promise<ReadonlySet<number> | null> {
    // Whoever comes before the question is put shares its answer.
    this.#next ??= this.#readAnew(this.#quiet);
    return this.#next;
  }

  async #readAnew(quiet: Promise<void>): Promise<ReadonlySet<number> | null> {
    await quiet;
    this.#next = null;
    const asked = Promise.withResolvers<void>();
    this.#quiet = asked.promise.then(() => sleep(freshAfterMs));
    try {
      const { rows } = await this.#ask(query);
      return new Set(rows.map(({ id }) => Number(id)));
    } catch (error) {
      if (error instanceof ReplicatorError && error.code === 'E4007') {
        return null;
      }
      throw error;
    } finally {
      asked.resolve();
    }
  }
}
