import type { Timestamp } from '../../mutation/timestamp.ts';

/** Resolved messages that are looked back at. */
const windowMessages = 48;
/** Steps back among them from which on it is two changefeeds. */
const stepsOfTwo = 12;

/**
 * Tells two changefeeds from one that is restarted, by their resolved
 * timestamps:
 *
 *     one, restarted    10 20 30 | 15 20 30 40 50 …      back once, then on
 *     two               100 50 110 60 120 70 130 80 …    back again and again
 *
 * Two of them go back with (about) every message, each time to a later place
 * than before, and reach a new height in between. A changefeed that is started
 * again with every fourth message, a dozen times in a row, looks the same.
 */
export class ResolvedTrack {
  /** By message: where a step back led to; null for a new height. */
  #messages: (Timestamp | null)[] = [];
  /** The last message was a new height. */
  #isAtHeight = false;

  /** Notes a message; `isNew` when it is not before the highest one so far. */
  seesTwoFeeds(time: Timestamp, isNew: boolean): boolean {
    const isStepBack = !isNew && this.#isAtHeight;
    this.#isAtHeight = isNew;
    this.#messages.push(isStepBack ? time : null);
    if (this.#messages.length > windowMessages) {
      this.#messages.shift();
    }
    if (!isStepBack) {
      return false;
    }
    const steps = this.#messages.filter((place) => place !== null);
    if (
      steps.length < stepsOfTwo ||
      steps.some((place, at) => at > 0 && place <= steps[at - 1]!)
    ) {
      return false;
    }
    // Another alarm needs as much again.
    this.#messages = [];
    return true;
  }
}
