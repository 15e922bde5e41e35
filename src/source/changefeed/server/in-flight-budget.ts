import { ReplicatorError } from '../../../failure/failure.ts';
import { Ring, RingItem } from '../../../lib/ring.ts';

/** What a request is counted as when it does not tell its size. */
const assumedBytes = 64 * 1024;

/** A body that comes more slowly gives way when others find no room. */
const minBytesPerSecond = 64 * 1024;
const patienceMs = 2_000;

/**
 * Bounds the memory of the requests held at one time: bodies as
 * they came, inflated, and as text. Beyond the limit a request is refused
 * before its body is read; one whose body grows on the way waits.
 *
 * So that whatever is admitted can end, one room at a time may grow beyond
 * the limit, and a request that is alone always gets in:
 *
 *     held ≤ limit + what the largest request needs
 *
 * A body has its room from the first byte on, and so a sender that dawdles
 * could keep everybody out: when someone is refused, it is refused too.
 */
export class InFlightBudget {
  readonly #held: Held;

  constructor(limitBytes: number) {
    this.#held = new Held(limitBytes);
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Throws E3006 when there is no room for that many bytes. */
  admit(bytes: number): Room {
    const counted = bytes > 0 ? bytes : assumedBytes;
    const held = this.#held;
    if (held.roomCount > 0 && !held.fits(counted)) {
      held.endSlowArrivals();
      throw new ReplicatorError('E3006');
    }
    return new HeldRoom(held, counted);
  }
}

/** What all requests hold together. */
class Held {
  bytes = 0;
  roomCount = 0;
  /** The one that may grow beyond the limit, until it ends. */
  exempt: Room | null = null;
  readonly waiting = new Map<Room, Growth>();
  readonly arriving = new Ring<HeldRoom>();
  readonly #limitBytes: number;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  fits(bytes: number): boolean {
    return this.bytes + bytes <= this.#limitBytes;
  }

  mayGrow(room: Room, bytes: number): boolean {
    if (this.exempt === room || this.fits(bytes)) {
      return true;
    }
    this.exempt ??= room;
    return this.exempt === room;
  }

  /** In the order in which they came; the first is never passed over. */
  grantWaiting(): void {
    for (const [room, { bytes, grant }] of this.waiting) {
      if (!this.mayGrow(room, bytes)) {
        return;
      }
      this.waiting.delete(room);
      grant();
    }
  }

  endSlowArrivals(): void {
    const nowMs = Date.now();
    for (const { arrival } of this.arriving) {
      if (arrival === null) {
        continue;
      }
      const takenMs = nowMs - arrival.beganAtMs;
      if (
        takenMs > patienceMs &&
        arrival.receivedBytes < (takenMs / 1_000) * minBytesPerSecond
      ) {
        arrival.refuse(
          new ReplicatorError('E3006', {
            detail: 'the body comes slowly, and others wait for its room',
          }),
        );
      }
    }
  }
}

class HeldRoom extends RingItem implements Room {
  /** While it comes. */
  arrival: Arrival | null = null;
  readonly #held: Held;
  #bytes = 0;
  #isReleased = false;
  #gaveUp = false;

  constructor(held: Held, bytes: number) {
    super();
    this.#held = held;
    held.roomCount += 1;
    this.#take(bytes);
  }

  arriving(arrival: Arrival): void {
    this.arrival = arrival;
    this.#held.arriving.add(this);
  }

  arrived(): void {
    this.arrival = null;
    this.#held.arriving.delete(this);
  }

  growNow(bytes: number): void {
    const held = this.#held;
    if (this.#isReleased || (held.roomCount > 1 && !held.fits(bytes))) {
      held.endSlowArrivals();
      throw new ReplicatorError('E3006');
    }
    this.#take(bytes);
  }

  grow(bytes: number): Promise<void> | null {
    if (!this.#isReleased && this.#held.mayGrow(this, bytes)) {
      this.#take(bytes);
      return null;
    }
    if (this.#isReleased || this.#gaveUp) {
      throw new ReplicatorError('E3006');
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#held.waiting.set(this, {
      bytes,
      grant: () => {
        this.#take(bytes);
        resolve();
      },
      refuse: () => reject(new ReplicatorError('E3006')),
    });
    return promise;
  }

  giveUp(): boolean {
    this.#gaveUp = true;
    const growth = this.#held.waiting.get(this);
    this.#held.waiting.delete(this);
    growth?.refuse();
    return growth !== undefined;
  }

  release(): void {
    if (this.#isReleased) {
      return;
    }
    this.#isReleased = true;
    const held = this.#held;
    held.roomCount -= 1;
    held.bytes -= this.#bytes;
    if (held.exempt === this) {
      held.exempt = null;
    }
    held.grantWaiting();
  }

  #take(bytes: number): void {
    this.#bytes += bytes;
    this.#held.bytes += bytes;
  }
}

/** What one request holds, from its head until its work has settled. */
export interface Room {
  /** The body begins to come, until `arrived`. */
  arriving(arrival: Arrival): void;
  arrived(): void;
  /** For a body that is still coming: throws E3006 when there is no room. */
  growNow(bytes: number): void;
  /**
   * For a body that is here: null when there is room, else a promise of it.
   * E3006 when it was given up before.
   */
  grow(bytes: number): Promise<void> | null;
  /** Nobody waits for the answer any more; tells whether `grow` was waiting. */
  giveUp(): boolean;
  /** Gives everything back, once. */
  release(): void;
}

/** A body on its way. */
export interface Arrival {
  readonly beganAtMs: number;
  readonly receivedBytes: number;
  /** Ends it, because it is slow and others find no room. */
  refuse(failure: ReplicatorError): void;
}

interface Growth {
  readonly bytes: number;
  readonly grant: () => void;
  readonly refuse: () => void;
}
