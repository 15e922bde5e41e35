/**
 * Timeouts that nearly all are taken back in time, all of one length: they end
 * in the order in which they begin, so that one timer is enough.
 */
export class Deadlines {
  readonly #timeoutMs: number;
  /** The ring's own link: the oldest comes behind it, the newest before it. */
  readonly #ends = new Deadline(0, () => {});
  #isArmed = false;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Calls `expire` when the time is over, unless it is deleted before. */
  add(expire: () => void): Deadline {
    const deadline = new Deadline(performance.now() + this.#timeoutMs, expire);
    deadline.link(this.#ends);
    if (!this.#isArmed) {
      this.#arm(this.#timeoutMs);
    }
    return deadline;
  }

  /** Once or more often. */
  delete(deadline: Deadline): void {
    deadline.unlink();
  }

  #arm(waitMs: number): void {
    this.#isArmed = true;
    // Whoever waits holds something else that keeps the process.
    setTimeout(() => this.#expireDue(), waitMs).unref();
  }

  #expireDue(): void {
    const nowMs = performance.now();
    while (this.#ends.next !== this.#ends) {
      const oldest = this.#ends.next;
      if (oldest.dueAtMs > nowMs) {
        this.#arm(oldest.dueAtMs - nowMs);
        return;
      }
      oldest.unlink();
      oldest.expire();
    }
    this.#isArmed = false;
  }
}

/** A link of a ring; alone it is linked with itself. */
export class Deadline {
  readonly dueAtMs: number;
  readonly expire: () => void;
  next: Deadline = this;
  previous: Deadline = this;

  constructor(dueAtMs: number, expire: () => void) {
    this.dueAtMs = dueAtMs;
    this.expire = expire;
  }

  /** Puts it before another one. */
  link(next: Deadline): void {
    this.next = next;
    this.previous = next.previous;
    next.previous.next = this;
    next.previous = this;
  }

  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.next = this;
    this.previous = this;
  }
}
