/** Open transactions that wait for us: no server may take them for forgotten. */
import type { TargetTransaction } from '../../target/target.ts';

/** One transaction of fragments, until the last of them. */
export interface Giant extends AsyncDisposable {
  readonly transaction: TargetTransaction;
  readonly startedAtMs: number;
  rowCount: number;
}

/** Far below any timeout that a server may have for idle transactions. */
const keepAliveMs = 2_000;

/** Speaks for a transaction that waits for us, until it is disposed. */
export function keptAlive(
  transaction: TargetTransaction,
): Disposable & { throwIfLost(): void } {
  let lost: { error: unknown } | null = null;
  const timer = setInterval(() => {
    transaction.keepAlive().catch((error: unknown) => {
      lost ??= { error };
    });
  }, keepAliveMs);
  return {
    throwIfLost() {
      if (lost) {
        throw lost.error;
      }
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/**
 * Waits beside the transaction, and speaks for it. Rejects with the signal's
 * reason, or with what has ended the transaction meanwhile.
 */
export async function keptAliveUntil(
  work: Promise<unknown>,
  transaction: TargetTransaction,
  signal: AbortSignal,
): Promise<void> {
  work.catch(() => {});
  signal.throwIfAborted();
  using alive = keptAlive(transaction);
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  alive.throwIfLost();
}

/**
 * Its rows may lie far apart in the log, so that longer than --applyTimeout
 * may pass between two of its fragments. Who writes next hears of a failure.
 */
export function giantOf(transaction: TargetTransaction): Giant {
  const alive = keptAlive(transaction);
  return {
    transaction,
    startedAtMs: performance.now(),
    rowCount: 0,
    async [Symbol.asyncDispose]() {
      alive[Symbol.dispose]();
      await transaction[Symbol.asyncDispose]();
    },
  };
}
