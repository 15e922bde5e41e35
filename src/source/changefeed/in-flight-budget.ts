import { ReplicatorError } from '../../failure/failure.ts';

/** What a request is counted as when it does not tell its size. */
const assumedBytes = 64 * 1024;

/**
 * Bounds the bytes of request bodies held at one time (design D7): beyond
 * the limit a request is answered 503 before its body is read.
 */
export class InFlightBudget {
  readonly #limitBytes: number;
  #heldBytes = 0;
  #requestCount = 0;
  #onDrained: (() => void) | null = null;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get requestCount(): number {
    return this.#requestCount;
  }

  /** Returns how to give the room back, once; throws E3006 when full. */
  reserve(contentLengthBytes: number): () => void {
    const bytes = contentLengthBytes > 0 ? contentLengthBytes : assumedBytes;
    // One request is always let in, however large: else it could never pass.
    if (this.#requestCount > 0 && this.#heldBytes + bytes > this.#limitBytes) {
      throw new ReplicatorError('E3006');
    }
    this.#heldBytes += bytes;
    this.#requestCount += 1;
    return () => {
      this.#heldBytes -= bytes;
      this.#requestCount -= 1;
      if (this.#requestCount === 0) {
        this.#onDrained?.();
      }
    };
  }

  /** Resolves when no request is in flight. */
  async drained(): Promise<void> {
    if (this.#requestCount > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onDrained = resolve;
      await promise;
    }
  }
}
