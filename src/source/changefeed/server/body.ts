import type { Readable } from 'node:stream';

import { ReplicatorError } from '../../../failure/failure.ts';
import type { Deadline, Deadlines } from '../../../lib/deadlines.ts';
import { isPlainEncoding } from '../decode/inflate.ts';
import type { BodyBuffers } from './body-buffers.ts';
import type { Arrival, Room } from './in-flight-budget.ts';

export interface BodyLimits {
  readonly maxBodyBytes: number;
  /** From the end of the head to the end of the body. */
  readonly timeoutMs: number;
  /** Of that length. */
  readonly deadlines: Deadlines;
  /** Where a body of several pieces is; whoever reads it releases it. */
  readonly buffers: BodyBuffers;
}

/** The length in the head of a request; null for a chunked body. */
export function contentLength(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

/**
 * What a body takes as it comes, by the bytes of it: joining its pieces, and
 * later making text of it, holds it twice for a while. A compressed one is
 * small beside what it inflates to, which is counted when it does.
 */
export function memoryFactor(contentEncoding: string | undefined): number {
  return isPlainEncoding(contentEncoding) ? 2 : 1;
}

/**
 * Reads a body as it came. One that tells no length is counted piece by
 * piece. Throws E1005, E1021, E1025 and E3006; HTTP/2 knows no timeout of its own.
 */
export function readBody(
  stream: Readable,
  lengthBytes: number | null,
  limits: BodyLimits,
  room: Room,
  factor: number,
): Promise<Buffer> {
  if (lengthBytes !== null && lengthBytes > limits.maxBodyBytes) {
    return Promise.reject(tooLarge(limits.maxBodyBytes));
  }
  return new Promise((resolve, reject) => {
    const body = new ArrivingBody(lengthBytes, limits, room, factor, {
      resolve,
      reject,
    });
    // Never taken off: a body that is over hears nothing any more.
    stream.on('data', (piece: Buffer) => body.add(piece));
    stream.on('end', () => body.end());
    stream.on('error', () => body.break());
    stream.on('close', () => body.break());
  });
}

class ArrivingBody implements Arrival {
  receivedBytes = 0;
  readonly beganAtMs = Date.now();
  readonly #lengthBytes: number | null;
  readonly #maxBodyBytes: number;
  readonly #deadlines: Deadlines;
  readonly #buffers: BodyBuffers;
  readonly #deadline: Deadline;
  readonly #room: Room;
  readonly #factor: number;
  readonly #settle: Settle;
  #pieces: Buffer[] = [];
  #isOver = false;

  constructor(
    lengthBytes: number | null,
    { maxBodyBytes, timeoutMs, deadlines, buffers }: BodyLimits,
    room: Room,
    factor: number,
    settle: Settle,
  ) {
    this.#lengthBytes = lengthBytes;
    this.#maxBodyBytes = maxBodyBytes;
    this.#room = room;
    this.#factor = factor;
    this.#settle = settle;
    this.#deadlines = deadlines;
    this.#buffers = buffers;
    this.#deadline = deadlines.add(() =>
      this.refuse(
        new ReplicatorError('E1025', {
          detail: `the body did not arrive within ${timeoutMs} ms (--bodyTimeout)`,
        }),
      ),
    );
    room.arriving(this);
  }

  add(piece: Buffer): void {
    if (this.#isOver) {
      return;
    }
    this.receivedBytes += piece.length;
    if (this.receivedBytes > this.#maxBodyBytes) {
      this.refuse(tooLarge(this.#maxBodyBytes));
      return;
    }
    if (this.#lengthBytes === null) {
      try {
        this.#room.growNow(piece.length * this.#factor);
      } catch (error) {
        this.refuse(error as ReplicatorError);
        return;
      }
    }
    this.#pieces.push(piece);
  }

  end(): void {
    if (this.#isOver) {
      return;
    }
    const pieces = this.#pieces;
    this.#stop();
    if (
      this.#lengthBytes !== null &&
      this.receivedBytes !== this.#lengthBytes
    ) {
      this.#settle.reject(wrongLength());
      return;
    }
    this.#settle.resolve(
      pieces.length === 1
        ? pieces[0]!
        : this.#buffers.join(pieces, this.receivedBytes),
    );
  }

  /** Its connection or stream has ended, perhaps before its time. */
  break(): void {
    if (!this.#isOver) {
      this.refuse(wrongLength());
    }
  }

  /** Ends it; nothing once it is over. */
  refuse(failure: ReplicatorError): void {
    if (!this.#isOver) {
      this.#stop();
      this.#settle.reject(failure);
    }
  }

  #stop(): void {
    this.#isOver = true;
    this.#pieces = [];
    this.#deadlines.delete(this.#deadline);
    this.#room.arrived();
  }
}

interface Settle {
  readonly resolve: (body: Buffer) => void;
  readonly reject: (failure: ReplicatorError) => void;
}

function tooLarge(maxBodyBytes: number): ReplicatorError {
  return new ReplicatorError('E1005', {
    detail: `the request body is larger than ${maxBodyBytes} bytes`,
  });
}

function wrongLength(): ReplicatorError {
  return new ReplicatorError('E1021', {
    detail: 'the body is shorter or longer than its content-length',
  });
}
