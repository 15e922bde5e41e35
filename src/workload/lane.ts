import { maxTimestamp, type Timestamp } from '../mutation/timestamp.ts';
import type { Random } from './random.ts';
import type { RowEvent } from './source.ts';

/**
 * A share of the keys with at most one request in flight: so no key is ever
 * in two requests at once, and each key's versions arrive in order.
 */
export class Lane {
  #queue: RowEvent[] = [];
  /** Events at the front of the queue that are in the request under way. */
  #inFlightCount = 0;

  get busy(): boolean {
    return this.#inFlightCount > 0;
  }

  get queuedCount(): number {
    return this.#queue.length;
  }

  /** No event of this lane before this time waits for an acknowledgement. */
  get lowWater(): Timestamp {
    return this.#queue[0]?.time ?? maxTimestamp;
  }

  push(event: RowEvent): void {
    this.#queue.push(event);
  }

  /** The next request's events; they stay queued until acknowledged. */
  take(limit: number): RowEvent[] {
    const events = this.#queue.slice(0, limit);
    this.#inFlightCount = events.length;
    return events;
  }

  acknowledge(): void {
    this.#queue.splice(0, this.#inFlightCount);
    this.#inFlightCount = 0;
  }
}

/**
 * The same events in another order that a changefeed could send: each key's
 * versions stay in order, keys overtake one another, and now and then a
 * version stands there twice.
 */
export function shuffleAcrossKeys(
  events: readonly RowEvent[],
  random: Random,
): RowEvent[] {
  const eventsByKey = Map.groupBy(events, (e) => `${e.topic} ${e.key}`);
  const order = [...eventsByKey.keys()].flatMap((key) =>
    eventsByKey.get(key)!.map(() => ({ key, rank: random.next() })),
  );
  order.sort((left, right) => left.rank - right.rank);
  const cursorByKey = new Map<string, number>();
  return order.flatMap(({ key }) => {
    const cursor = cursorByKey.get(key) ?? 0;
    cursorByKey.set(key, cursor + 1);
    const event = eventsByKey.get(key)![cursor]!;
    return random.chance(0.02) ? [event, event] : [event];
  });
}
