/**
 * A pool of connections that any engine can dial.
 *
 * Connections are lent last-in first-out, so that those that are not needed
 * grow old and are closed after `idleMs`; none lives longer than its
 * `maxLifetimeMs` plus a random part of `jitterMs`, so that a fleet does not
 * dial all at once. Waiting borrowers are served in the order they came.
 */
import type { PoolCounts } from './target.ts';

export interface PooledConnection extends AsyncDisposable {
  /** False once the connection is of no more use. */
  readonly usable: boolean;
}

export interface PoolOptions {
  readonly maxSize: number;
  readonly idleMs: number;
  readonly jitterMs: number;
  /** 0 = for ever. */
  readonly maxLifetimeMs: number;
}

interface Resident<C> {
  readonly connection: C;
  readonly retireAtMs: number;
  idleSinceMs: number;
}

interface Waiter {
  grant(): void;
}

export interface Loan<C> extends AsyncDisposable {
  readonly connection: C;
}

export class ConnectionPool<
  C extends PooledConnection,
> implements AsyncDisposable {
  readonly #dial: (signal?: AbortSignal) => Promise<C>;
  readonly #options: PoolOptions;
  readonly #idle: Resident<C>[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #sweeper: NodeJS.Timeout;
  /** Connections and dials under way; never above `maxSize`. */
  #total = 0;
  #dialCount = 0;
  #dialErrorCount = 0;
  #waitCount = 0;
  #waitMs = 0;
  #closed = false;
  #emptied: (() => void) | null = null;

  constructor(
    dial: (signal?: AbortSignal) => Promise<C>,
    options: PoolOptions,
  ) {
    this.#dial = dial;
    this.#options = options;
    const sweepMs = Math.max(
      1000,
      Math.min(options.idleMs, options.maxLifetimeMs || Infinity) / 4,
    );
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(sweepMs, 60_000));
    this.#sweeper.unref();
  }

  counts(): PoolCounts {
    return {
      total: this.#total,
      idle: this.#idle.length,
      waiting: this.#waiters.length,
      dialCount: this.#dialCount,
      dialErrorCount: this.#dialErrorCount,
      waitCount: this.#waitCount,
      waitSeconds: this.#waitMs / 1000,
    };
  }

  /**
   * Disposing the loan gives the connection back, or closes it when it is no
   * longer usable. Rejects with the signal's reason when it aborts first.
   */
  async borrow(signal?: AbortSignal): Promise<Loan<C>> {
    for (;;) {
      if (signal?.aborted) {
        // The turn this one may have been given goes to the next.
        this.#waiters.shift()?.grant();
        throw signal.reason as Error;
      }
      if (this.#closed) {
        throw new Error('the connection pool is closed');
      }
      const resident = this.#idle.pop();
      if (resident) {
        if (resident.connection.usable && resident.retireAtMs > Date.now()) {
          return this.#loan(resident);
        }
        await this.#close(resident);
      } else if (this.#total < this.#options.maxSize) {
        return this.#loan(await this.#open(signal));
      } else {
        const startedAtMs = performance.now();
        this.#waitCount += 1;
        await this.#turn(signal);
        this.#waitMs += performance.now() - startedAtMs;
      }
    }
  }

  /** Closes idle connections at once and waits for those that are lent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const waiter of this.#waiters.splice(0)) {
      waiter.grant();
    }
    await Promise.all(
      this.#idle.splice(0).map((resident) => this.#close(resident)),
    );
    if (this.#total > 0) {
      await new Promise<void>((resolve) => {
        this.#emptied = resolve;
      });
    }
  }

  async #open(signal?: AbortSignal): Promise<Resident<C>> {
    this.#total += 1;
    try {
      const connection = await this.#dial(signal);
      this.#dialCount += 1;
      const { maxLifetimeMs, jitterMs } = this.#options;
      const lifetimeMs =
        maxLifetimeMs === 0
          ? Infinity
          : maxLifetimeMs + Math.random() * jitterMs;
      return {
        connection,
        retireAtMs: Date.now() + lifetimeMs,
        idleSinceMs: 0,
      };
    } catch (error) {
      this.#dialErrorCount += 1;
      this.#left();
      throw error;
    }
  }

  #loan(resident: Resident<C>): Loan<C> {
    let lent = true;
    return {
      connection: resident.connection,
      [Symbol.asyncDispose]: async () => {
        if (!lent) {
          return;
        }
        lent = false;
        if (
          this.#closed ||
          !resident.connection.usable ||
          resident.retireAtMs <= Date.now()
        ) {
          await this.#close(resident);
          return;
        }
        resident.idleSinceMs = Date.now();
        this.#idle.push(resident);
        this.#waiters.shift()?.grant();
      },
    };
  }

  async #close(resident: Resident<C>): Promise<void> {
    try {
      await resident.connection[Symbol.asyncDispose]();
    } finally {
      this.#left();
    }
  }

  #left(): void {
    this.#total -= 1;
    this.#waiters.shift()?.grant();
    if (this.#total === 0) {
      this.#emptied?.();
    }
  }

  #turn(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal!.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  #sweep(): void {
    const nowMs = Date.now();
    for (const resident of this.#idle.slice()) {
      const isOld =
        nowMs - resident.idleSinceMs >= this.#options.idleMs ||
        resident.retireAtMs <= nowMs;
      if (isOld || !resident.connection.usable) {
        this.#idle.splice(this.#idle.indexOf(resident), 1);
        void this.#close(resident).catch(() => {});
      }
    }
  }
}
