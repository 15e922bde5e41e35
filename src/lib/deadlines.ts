import { Ring, RingItem } from './ring.ts';

/**
 * Timeouts that nearly all are taken back in time, all of one length: they end
 * in the order in which they begin, so that one timer is enough.
 */
export class Deadlines {
  readonly #timeoutMs: number;
  readonly #waiting = new Ring<Deadline>();
  #isArmed = false;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Calls `expire` when the time is over, unless it is deleted before. */
  add(expire: () => void): Deadline {
    const deadline = new Deadline(performance.now() + this.#timeoutMs, expire);
    this.#waiting.add(deadline);
    if (!this.#isArmed) {
      this.#arm(this.#timeoutMs);
    }
    return deadline;
  }

  /** Once or more often. */
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
    for (
      let oldest = this.#waiting.first;
      oldest !== null;
      oldest = this.#waiting.first
    ) {
      if (oldest.dueAtMs > nowMs) {
        this.#arm(oldest.dueAtMs - nowMs);
        return;
      }
      this.#waiting.delete(oldest);
      oldest.expire();
    }
    this.#isArmed = false;
  }
}

export class Deadline extends RingItem {
  readonly dueAtMs: number;
  readonly expire: () => void;

  constructor(dueAtMs: number, expire: () => void) {
    super();
    this.dueAtMs = dueAtMs;
    this.expire = expire;
  }
}
