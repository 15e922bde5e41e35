/** What an abort does to a connection, and to the failure that follows. */
import type { SqlServerConnection } from './driver.ts';
import { type Phase, targetFailure } from './errors.ts';

/** An abort explains whatever failed after it. */
export function failureOf(
  error: unknown,
  phase: Phase,
  signal: AbortSignal | undefined,
): Error {
  return signal?.aborted
    ? (signal.reason as Error)
    : targetFailure(error, phase);
}

/**
 * While it lasts, an abort cancels what runs on the connection: an attention
 * on the connection itself, which its answer acknowledges, so that it can hit
 * nothing that comes later.
 */
export function cancelOnAbort(
  connection: SqlServerConnection,
  signal: AbortSignal | undefined,
): Disposable {
  const onAbort = (): void => connection.cancel();
  if (signal?.aborted) {
    onAbort();
  } else {
    signal?.addEventListener('abort', onAbort, { once: true });
  }
  return {
    [Symbol.dispose]() {
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
