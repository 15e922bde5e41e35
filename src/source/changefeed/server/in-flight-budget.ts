import { ReplicatorError } from '../../../failure/failure.ts';

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
  readonly #limitBytes: number;
  #heldBytes = 0;
  #roomCount = 0;
  /** The one that may grow beyond the limit, until it ends. */
  #exempt: Room | null = null;
  readonly #waiting = new Map<Room, Growth>();
  readonly #arriving = new Map<Room, Arrival & { beganAtMs: number }>();

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Throws E3006 when there is no room for that many bytes. */
  admit(bytes: number): Room {
    const counted = bytes > 0 ? bytes : assumedBytes;
    if (this.#roomCount > 0 && !this.#fits(counted)) {
      this.#endSlowArrivals();
      throw new ReplicatorError('E3006');
    }
    this.#roomCount += 1;
    this.#heldBytes += counted;
    let heldBytes = counted;
    let isReleased = false;
    let gaveUp = false;
    const take = (more: number): void => {
      heldBytes += more;
      this.#heldBytes += more;
    };
    const room: Room = {
      growNow: (more) => {
        if (isReleased || (this.#roomCount > 1 && !this.#fits(more))) {
          this.#endSlowArrivals();
          throw new ReplicatorError('E3006');
        }
        take(more);
      },
      arriving: (arrival) => {
        this.#arriving.set(room, { ...arrival, beganAtMs: Date.now() });
      },
      arrived: () => {
        this.#arriving.delete(room);
      },
      grow: (more) => {
        if (!isReleased && this.#mayGrow(room, more)) {
          take(more);
          return null;
        }
        if (isReleased || gaveUp) {
          throw new ReplicatorError('E3006');
        }
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        this.#waiting.set(room, {
          bytes: more,
          grant: () => {
            take(more);
            resolve();
          },
          refuse: () => reject(new ReplicatorError('E3006')),
        });
        return promise;
      },
      giveUp: () => {
        gaveUp = true;
        const growth = this.#waiting.get(room);
        this.#waiting.delete(room);
        growth?.refuse();
        return growth !== undefined;
      },
      release: () => {
        if (isReleased) {
          return;
        }
        isReleased = true;
        this.#roomCount -= 1;
        this.#heldBytes -= heldBytes;
        if (this.#exempt === room) {
          this.#exempt = null;
        }
        this.#grantWaiting();
      },
    };
    return room;
  }

  #endSlowArrivals(): void {
    const nowMs = Date.now();
    for (const {
      beganAtMs,
      receivedBytes,
      refuse,
    } of this.#arriving.values()) {
      const takenMs = nowMs - beganAtMs;
      if (
        takenMs > patienceMs &&
        receivedBytes() < (takenMs / 1_000) * minBytesPerSecond
      ) {
        refuse(
          new ReplicatorError('E3006', {
            detail: 'the body comes slowly, and others wait for its room',
          }),
        );
      }
    }
  }

  #fits(bytes: number): boolean {
    return this.#heldBytes + bytes <= this.#limitBytes;
  }

  #mayGrow(room: Room, bytes: number): boolean {
    if (this.#exempt === room || this.#fits(bytes)) {
      return true;
    }
    this.#exempt ??= room;
    return this.#exempt === room;
  }

  /** In the order in which they came; the first is never passed over. */
  #grantWaiting(): void {
    for (const [room, { bytes, grant }] of this.#waiting) {
      if (!this.#mayGrow(room, bytes)) {
        return;
      }
      this.#waiting.delete(room);
      grant();
    }
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
  readonly receivedBytes: () => number;
  /** Ends it, because it is slow and others find no room. */
  readonly refuse: (failure: ReplicatorError) => void;
}

interface Growth {
  readonly bytes: number;
  readonly grant: () => void;
  readonly refuse: () => void;
}
