/** What an abort does to a connection, and to the failure that follows. */
import type { OracleSession } from './driver.ts';
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
 * While it lasts, an abort cancels what runs on the connection. The connection
 * is given up then: a late cancel request must not hit whoever comes next.
 */
export function cancelOnAbort(
  connection: OracleSession,
  signal: AbortSignal | undefined,
): Disposable {
  let cancellation: Disposable | null = null;
  const onAbort = (): void => {
    cancellation = connection.cancel();
  };
  if (signal?.aborted) {
    onAbort();
  } else {
    signal?.addEventListener('abort', onAbort, { once: true });
  }
  return {
    [Symbol.dispose]() {
      signal?.removeEventListener('abort', onAbort);
      if (cancellation) {
        cancellation[Symbol.dispose]();
        connection.destroy();
      }
    },
  };
}
