/**
 * A pool of connections that any engine can dial.
 *
 * Connections are lent last-in first-out, so that those that are not needed
 * grow old and are closed after `idleMs`; none lives longer than its
 * `maxLifetimeMs` plus a random part of `jitterMs`, so that a fleet does not
 * dial all at once.
 *
 * A place is the right to have one connection; there are `maxSize`. It is
 * held by a connection until that is closed, and by a dial. Whoever finds no
 * place waits, and newcomers wait behind him: what comes free, a connection
 * or a place alone, is handed to the one who waits longest. Callers rely on
 * that: a younger transaction that got ahead of an older one, and then waited
 * for its commit, would wait for ever.
 */
import type { PoolCounts } from '../target.ts';

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

interface Waiter<C> {
  /** With a connection, or with a place for one. */
  grant(resident: Resident<C> | null): void;
  refuse(error: Error): void;
}

export interface Loan<C> extends AsyncDisposable {
  readonly connection: C;
  /** Somebody waits for it, or it is too old: it should come back soon. */
  isDue(): boolean;
}

export class ConnectionPool<
  C extends PooledConnection,
> implements AsyncDisposable {
  readonly #dial: (signal?: AbortSignal) => Promise<C>;
  readonly #options: PoolOptions;
  readonly #idle: Resident<C>[] = [];
  readonly #waiters: Waiter<C>[] = [];
  readonly #sweeper: NodeJS.Timeout;
  /** Places held; never above `maxSize`. */
  #total = 0;
  #dialCount = 0;
  #dialErrorCount = 0;
  #waitCount = 0;
  #waitMs = 0;
  #closed = false;
  readonly #emptied = Promise.withResolvers<void>();

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
      spare: this.#idle.length + this.#options.maxSize - this.#total,
      waiting: this.#waiters.length,
      dialCount: this.#dialCount,
      dialErrorCount: this.#dialErrorCount,
      waitCount: this.#waitCount,
      waitSeconds: this.#waitMs / 1000,
    };
  }

  /**
   * Disposing the loan gives the connection back, or closes it in the
   * background when it is no longer usable. Rejects with the signal's reason
   * when it aborts first.
   */
  async borrow(signal?: AbortSignal): Promise<Loan<C>> {
    signal?.throwIfAborted();
    if (this.#closed) {
      throw poolClosed();
    }
    let resident = this.#freshIdle();
    if (!resident && this.#total < this.#options.maxSize) {
      this.#total += 1;
    } else if (!resident) {
      const startedAtMs = performance.now();
      this.#waitCount += 1;
      try {
        resident = await this.#turn(signal);
      } finally {
        this.#waitMs += performance.now() - startedAtMs;
      }
    }
    try {
      signal?.throwIfAborted();
      if (this.#closed) {
        throw poolClosed();
      }
      return this.#loan(resident ?? (await this.#open(signal)));
    } catch (error) {
      if (resident) {
        this.#giveBack(resident);
      } else {
        this.#giveUpPlace();
      }
      throw error;
    }
  }

  /** Closes idle connections at once and waits for those that are lent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const waiter of this.#waiters.splice(0)) {
      waiter.refuse(poolClosed());
    }
    for (const resident of this.#idle.splice(0)) {
      void this.#close(resident);
    }
    if (this.#total > 0) {
      await this.#emptied.promise;
    }
  }

  /** Nobody waits while there is one: it would have been handed to him. */
  #freshIdle(): Resident<C> | null {
    for (;;) {
      const resident = this.#idle.pop();
      if (!resident || this.#isFresh(resident)) {
        return resident ?? null;
      }
      void this.#close(resident);
    }
  }

  #isFresh({ connection, retireAtMs }: Resident<C>): boolean {
    return connection.usable && retireAtMs > Date.now();
  }

  async #open(signal?: AbortSignal): Promise<Resident<C>> {
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
      throw error;
    }
  }

  #loan(resident: Resident<C>): Loan<C> {
    let lent = true;
    return {
      connection: resident.connection,
      isDue: () =>
        this.#closed || this.#waiters.length > 0 || !this.#isFresh(resident),
      [Symbol.asyncDispose]: async () => {
        if (lent) {
          lent = false;
          this.#giveBack(resident);
        }
      },
    };
  }

  #giveBack(resident: Resident<C>): void {
    if (this.#closed || !this.#isFresh(resident)) {
      void this.#close(resident);
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter) {
      waiter.grant(resident);
      return;
    }
    resident.idleSinceMs = Date.now();
    this.#idle.push(resident);
  }

  async #close(resident: Resident<C>): Promise<void> {
    try {
      await resident.connection[Symbol.asyncDispose]();
    } catch {
      // It is of no more use either way.
    }
    this.#giveUpPlace();
  }

  #giveUpPlace(): void {
    const waiter = this.#waiters.shift();
    if (waiter) {
      waiter.grant(null);
      return;
    }
    this.#total -= 1;
    if (this.#closed && this.#total === 0) {
      this.#emptied.resolve();
    }
  }

  #turn(signal?: AbortSignal): Promise<Resident<C> | null> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter<C> = {
        grant: (resident) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(resident);
        },
        refuse: (error) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
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
      const isIdle = nowMs - resident.idleSinceMs >= this.#options.idleMs;
      if (isIdle || !this.#isFresh(resident)) {
        this.#idle.splice(this.#idle.indexOf(resident), 1);
        void this.#close(resident);
      }
    }
  }
}

function poolClosed(): Error {
  return new Error('the connection pool is closed');
}
