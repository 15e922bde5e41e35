import type { Readable } from 'node:stream';

import { ReplicatorError } from '../../../failure/failure.ts';
import type { Room } from './in-flight-budget.ts';
import { isPlainEncoding } from '../decode/inflate.ts';

export interface BodyLimits {
  readonly maxBodyBytes: number;
  /** From the end of the head to the end of the body. */
  readonly timeoutMs: number;
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
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const { maxBodyBytes, timeoutMs } = limits;
  if (lengthBytes !== null && lengthBytes > maxBodyBytes) {
    return Promise.reject(tooLarge(maxBodyBytes));
  }
  const pieces: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(
    () =>
      fail(
        new ReplicatorError('E1025', {
          detail: `the body did not arrive within ${timeoutMs} ms (--bodyTimeout)`,
        }),
      ),
    timeoutMs,
  );
  const onData = (piece: Buffer): void => {
    bytes += piece.length;
    if (bytes > maxBodyBytes) {
      fail(tooLarge(maxBodyBytes));
      return;
    }
    if (lengthBytes === null) {
      try {
        room.growNow(piece.length * factor);
      } catch (error) {
        fail(error);
        return;
      }
    }
    pieces.push(piece);
  };
  const onEnd = (): void => {
    stop();
    if (lengthBytes !== null && bytes !== lengthBytes) {
      reject(wrongLength());
      return;
    }
    resolve(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes));
  };
  const onBroken = (): void => fail(wrongLength());
  const stop = (): void => {
    clearTimeout(timer);
    room.arrived();
    stream.off('data', onData).off('end', onEnd);
    stream.off('error', onBroken).off('close', onBroken);
  };
  const fail = (error: unknown): void => {
    stop();
    pieces.length = 0;
    reject(error as Error);
  };
  room.arriving({ receivedBytes: () => bytes, refuse: fail });
  stream.on('data', onData).on('end', onEnd);
  stream.on('error', onBroken).on('close', onBroken);
  return promise;
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
