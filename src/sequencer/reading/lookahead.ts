import type { Timestamp } from '../../mutation/timestamp.ts';

/** Beyond these the newest ones are joined: a target may be down for days. */
const maxRemembered = 10_000;

/**
 * Where a sweep ends: `--limitLookahead` resolved timestamps behind the
 * applied one, so that the target comes by at least every so manieth. They are
 * remembered from when this sequencer hears of them; what was resolved before
 * its start is one step. 0 takes all that is resolved.
 */
export class Lookahead {
  readonly #limit: number;
  #times: Timestamp[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(resolved: Timestamp): void {
    if (this.#limit === 0 || resolved <= (this.#times.at(-1) ?? '')) {
      return;
    }
    if (this.#times.length >= maxRemembered) {
      this.#times.pop();
    }
    this.#times.push(resolved);
  }

  endBehind(applied: Timestamp, resolved: Timestamp): Timestamp {
    if (this.#limit === 0) {
      return resolved;
    }
    this.add(resolved);
    this.#times = this.#times.filter((time) => time > applied);
    return this.#times[this.#limit - 1] ?? this.#times.at(-1) ?? resolved;
  }
}
