/**
 * A condition that one loop waits for and anyone may signal. A signal given
 * while nobody waits is kept, so a wake-up between two waits is never lost;
 * several signals before a wait count as one.
 */
export class Wakeup {
  #pending = false;
  #wake: (() => void) | null = null;

  notify(): void {
    this.#pending = true;
    this.#wake?.();
  }

  /** Resolves at the next (or kept) signal, after timeoutMs, or on abort. */
  async wait(signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (!this.#pending && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
      const timer =
        timeoutMs === undefined ? undefined : setTimeout(wake, timeoutMs);
      try {
        await promise;
      } finally {
        this.#wake = null;
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
      }
    }
    this.#pending = false;
    signal.throwIfAborted();
  }
}
