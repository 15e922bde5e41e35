/**
 * Cuts what arrives on the socket into the messages of the protocol: a type
 * byte, a length of four bytes that counts itself, and the body.
 *
 * A body lies between `start` and `end` of `buffer`: most are never made a
 * Buffer of their own. A message larger than one read is joined once.
 */
const headBytes = 5;

export class FrameReader {
  /** What is not cut yet, from `#at` on. */
  buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Reads behind it, while a message is not complete. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  type = 0;
  start = 0;
  end = 0;

  add(chunk: Buffer): void {
    if (this.#parts.length === 0 && this.#at === this.buffer.length) {
      this.buffer = chunk;
      this.#at = 0;
      return;
    }
    this.#parts.push(chunk);
    this.#partBytes += chunk.length;
  }

  /** Moves to the next message; false where it has not arrived in full. */
  next(): boolean {
    if (this.buffer.length - this.#at < headBytes && !this.#join(headBytes)) {
      return false;
    }
    const byteCount = this.buffer.readUInt32BE(this.#at + 1) + 1;
    if (this.buffer.length - this.#at < byteCount && !this.#join(byteCount)) {
      return false;
    }
    this.type = this.buffer[this.#at]!;
    this.start = this.#at + headBytes;
    this.end = this.#at + byteCount;
    this.#at = this.end;
    return true;
  }

  /** Joins the reads once there are as many bytes as are needed. */
  #join(neededBytes: number): boolean {
    const restBytes = this.buffer.length - this.#at;
    if (this.#parts.length === 0 || restBytes + this.#partBytes < neededBytes) {
      return false;
    }
    this.buffer = Buffer.concat([
      this.buffer.subarray(this.#at),
      ...this.#parts,
    ]);
    this.#at = 0;
    this.#parts = [];
    this.#partBytes = 0;
    return true;
  }
}
