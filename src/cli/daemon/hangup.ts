/**
 * What a daemon does on SIGHUP, by which Node would end it. Listens from the
 * first moment on: whoever writes new certificates, or turns the logs over,
 * does not know whether it is ready.
 */
export class Hangup implements Disposable {
  readonly #reloads = new Set<() => void>();
  #hasCome = false;
  readonly #onSignal = (): void => {
    this.#hasCome = true;
    for (const reload of this.#reloads) {
      reload();
    }
  };

  constructor() {
    process.on('SIGHUP', this.#onSignal);
  }

  /**
   * Calls `reload` on each signal until it is disposed, and at once where one
   * has come before: what was read meanwhile may be older than that.
   */
  calls(reload: () => void): Disposable {
    this.#reloads.add(reload);
    if (this.#hasCome) {
      reload();
    }
    return { [Symbol.dispose]: () => this.#reloads.delete(reload) };
  }

  [Symbol.dispose](): void {
    process.off('SIGHUP', this.#onSignal);
  }
}

/** What a daemon gets from the command that starts it. */
export interface DaemonStart {
  /** Of the command line; see exposure-warnings.ts. */
  readonly warnings: readonly string[];
  readonly hangup: Hangup;
}
