/** What an abort does to a connection, and to the failure that follows. */

export interface Cancellable {
  /**
   * Asks the server to stop what runs here. Answers with something to dispose
   * where the request travels beside the connection, and may come late.
   */
  cancel(): Disposable | void;
  destroy(): void;
}

/** An abort explains whatever failed after it. */
export function orAbort(
  failure: Error,
  signal: AbortSignal | undefined,
): Error {
  return signal?.aborted ? (signal.reason as Error) : failure;
}

/**
 * While it lasts, an abort cancels what runs on the connection. One whose
 * cancel request may come late is given up then: it must not hit whoever
 * comes next.
 */
export function cancelOnAbort(
  connection: Cancellable,
  signal: AbortSignal | undefined,
): Disposable {
  let cancellation: Disposable | void;
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
