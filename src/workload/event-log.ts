import { type Timestamp, zeroTimestamp } from '../mutation/timestamp.ts';
import type { RowEvent } from './source.ts';

/** Resolved timestamps that are remembered, as far back as a replay may go. */
const rememberedResolvedCount = 12;

/**
 * What a changefeed could be asked to send again: every event since the
 * oldest resolved timestamp that it remembers.
 */
export class EventLog {
  #events: RowEvent[] = [];
  /** Ascending; every event at or before the last of them was acknowledged. */
  readonly #resolvedTimes: Timestamp[] = [zeroTimestamp];

  append(events: readonly RowEvent[]): void {
    this.#events.push(...events);
  }

  get eventCount(): number {
    return this.#events.length;
  }

  get lastResolved(): Timestamp {
    return this.#resolvedTimes.at(-1)!;
  }

  get resolvedTimes(): readonly Timestamp[] {
    return this.#resolvedTimes;
  }

  /** Notes an acknowledged resolved timestamp; one that went back is nothing new. */
  resolved(time: Timestamp): void {
    if (time <= this.lastResolved) {
      return;
    }
    this.#resolvedTimes.push(time);
    if (this.#resolvedTimes.length > rememberedResolvedCount) {
      this.#resolvedTimes.shift();
      this.#events = this.since(this.#resolvedTimes[0]!);
    }
  }

  /** Every event after `time`, in commit order. */
  since(time: Timestamp): RowEvent[] {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#events[middle]!.time <= time) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return this.#events.slice(low);
  }
}
