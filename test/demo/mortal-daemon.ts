/** A daemon that is killed on purpose, and comes back at its place. */
import {
  type Daemon,
  type DaemonOptions,
  startDaemon,
} from '../support/daemon.ts';

export class MortalDaemon implements AsyncDisposable {
  readonly #options: DaemonOptions;
  readonly #untimely = Promise.withResolvers<never>();
  #daemon: Daemon;
  #mayEnd = false;

  static async start(options: DaemonOptions): Promise<MortalDaemon> {
    return new MortalDaemon(options, await startDaemon(options));
  }

  private constructor(options: DaemonOptions, daemon: Daemon) {
    this.#options = { ...options, metricsPort: daemon.metricsPort };
    this.#daemon = daemon;
    this.#untimely.promise.catch(() => {});
    this.#watch();
  }

  get metricsUrl(): string {
    return this.#daemon.metricsUrl;
  }

  /** Rejects when the daemon ends though nobody told it to. */
  get untimelyEnd(): Promise<never> {
    return this.#untimely.promise;
  }

  logs(): string {
    return this.#daemon.logs();
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#mayEnd = true;
    this.#daemon.kill('SIGKILL');
    await this.#daemon.exited;
  }

  /** Resolves when it is healthy. */
  async restart(): Promise<void> {
    this.#daemon = await startDaemon(this.#options);
    this.#mayEnd = false;
    this.#watch();
  }

  /** SIGTERM: it must end what is in flight and exit 0. */
  async drain(): Promise<boolean> {
    this.#mayEnd = true;
    this.#daemon.kill('SIGTERM');
    return (await this.#daemon.exited) === 0;
  }

  #watch(): void {
    const daemon = this.#daemon;
    void daemon.exited.then((code) => {
      if (!this.#mayEnd) {
        this.#untimely.reject(
          new Error(`the daemon ended with ${code}:\n${daemon.logs()}`),
        );
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#mayEnd = true;
    await this.#daemon[Symbol.asyncDispose]();
  }
}
