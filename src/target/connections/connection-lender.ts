/** How a target takes connections out of its pool, the same for every engine. */
import { cancelOnAbort, type Cancellable, orAbort } from './cancel.ts';
import {
  ConnectionPool,
  type Loan,
  type PooledConnection,
  type PoolOptions,
} from './connection-pool.ts';
import type { PoolCounts } from '../target.ts';

export interface LenderOptions<Connection> {
  readonly pool: PoolOptions;
  readonly dial: (signal?: AbortSignal) => Promise<Connection>;
  /** The engine's errors.ts: a driver's failure in our words. */
  readonly failureOf: (error: unknown, phase: 'connect' | 'statement') => Error;
}

export class ConnectionLender<
  Connection extends PooledConnection & Cancellable,
> implements AsyncDisposable {
  readonly #pool: ConnectionPool<Connection>;
  readonly #failureOf: LenderOptions<Connection>['failureOf'];

  constructor({ pool, dial, failureOf }: LenderOptions<Connection>) {
    this.#pool = new ConnectionPool(dial, pool);
    this.#failureOf = failureOf;
  }

  /** For a transaction; rejects with a 4xxx error, or the signal's reason. */
  async borrow(signal?: AbortSignal): Promise<Loan<Connection>> {
    try {
      return await this.#pool.borrow(signal);
    } catch (error) {
      throw orAbort(this.#failureOf(error, 'connect'), signal);
    }
  }

  /** One piece of work outside a transaction of ours. */
  async use<T>(
    signal: AbortSignal | undefined,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    await using loan = await this.borrow(signal);
    const { connection } = loan;
    using _ = cancelOnAbort(connection, signal);
    try {
      return await work(connection);
    } catch (error) {
      throw orAbort(this.#failureOf(error, 'statement'), signal);
    }
  }

  counts(): PoolCounts {
    return this.#pool.counts();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}
