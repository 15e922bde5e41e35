/**
 * Timeouts that nearly all are taken back in time, all of one length: they end
 * in the order in which they begin, so that one timer is enough.
 */
export class Deadlines {
  readonly #timeoutMs: number;
  readonly #waiting = new Set<Deadline>();
  #isArmed = false;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Calls `expire` when the time is over, unless it is deleted before. */
  add(expire: () => void): Deadline {
    const deadline = { dueAtMs: performance.now() + this.#timeoutMs, expire };
    this.#waiting.add(deadline);
    if (!this.#isArmed) {
      this.#arm(this.#timeoutMs);
    }
    return deadline;
  }

  delete(deadline: Deadline): void {
    this.#waiting.delete(deadline);
  }

  #arm(waitMs: number): void {
    this.#isArmed = true;
    // Whoever waits holds something else that keeps the process.
    setTimeout(() => this.#expireDue(), waitMs).unref();
  }

  #expireDue(): void {
    const nowMs = performance.now();
    for (const deadline of this.#waiting) {
      if (deadline.dueAtMs > nowMs) {
        this.#arm(deadline.dueAtMs - nowMs);
        return;
      }
      this.#waiting.delete(deadline);
      deadline.expire();
    }
    this.#isArmed = false;
  }
}

export interface Deadline {
  readonly dueAtMs: number;
  readonly expire: () => void;
}
