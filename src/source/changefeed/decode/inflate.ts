/**
 * From the bytes of a request to its text. Memory is bounded by the limit,
 * whatever the compressed body claims to be.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import type { Transform } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';

import { ReplicatorError } from '../../../failure/failure.ts';
import type { Room } from '../server/in-flight-budget.ts';

export interface InflateLimits {
  readonly maxInflatedBytes: number;
}

/** Measured: half the time of the default of 16 KiB, for large bodies. */
const pieceBytes = 64 * 1024;

/**
 * A zstd frame says how far back its matches reach, and that much memory is
 * set aside for it, however short it is. 32 MiB are the most that any level
 * of CockroachDB's encoder uses; RFC 9659 allows 8 MiB.
 */
const maxWindowLog = 25;

type Inflater = Transform & {
  /** How much of the compressed body was used. */
  readonly bytesWritten: number;
};

const inflaters: Readonly<Record<string, () => Inflater>> = {
  gzip: () => createGunzip({ chunkSize: pieceBytes }),
  'x-gzip': () => createGunzip({ chunkSize: pieceBytes }),
  zstd: () =>
    createZstdDecompress({
      chunkSize: pieceBytes,
      params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog },
    }),
};

/** The body is as it came: there is nothing to inflate. */
export function isPlainEncoding(contentEncoding: string | undefined): boolean {
  return (
    contentEncoding === undefined ||
    ['', 'identity'].includes(contentEncoding.trim().toLowerCase())
  );
}

/**
 * The body behind its `Content-Encoding`; an empty body has none. Throws
 * E1007 for encodings unknown or stacked, E1021 for damage, E1006 for size,
 * E3006 when the wait for room was given up.
 */
export async function inflateBody(
  raw: Buffer,
  contentEncoding: string | undefined,
  limits: InflateLimits,
  room: Room,
): Promise<Buffer> {
  if (isPlainEncoding(contentEncoding)) {
    return raw;
  }
  const encoding = contentEncoding!.trim().toLowerCase();
  const open = Object.hasOwn(inflaters, encoding) && inflaters[encoding];
  if (!open) {
    throw new ReplicatorError('E1007', {
      detail: `the content encoding ${/^[a-z\d-]{1,30}$/.test(encoding) ? encoding : 'of the request'} is not supported`,
    });
  }
  if (raw.length === 0) {
    return raw;
  }
  const inflater = open();
  inflater.end(raw);
  const { maxInflatedBytes } = limits;
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of inflater as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > maxInflatedBytes) {
        throw new ReplicatorError('E1006', {
          detail: `the request body is larger than ${maxInflatedBytes} bytes once decompressed`,
        });
      }
      // Twice: beside the pieces stands the whole, beside that its text.
      const wait = room.grow(2 * piece.length);
      if (wait !== null) {
        await wait;
      }
      pieces.push(piece);
    }
  } catch (cause) {
    throw cause instanceof ReplicatorError
      ? cause
      : new ReplicatorError('E1021', { cause });
  }
  // Node's zstd stops behind the first frame and is silent about the rest.
  if (inflater.bytesWritten !== raw.length) {
    throw new ReplicatorError('E1021', {
      detail: 'the compressed body goes on behind its end',
    });
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes);
}

/** The text of a body; throws E1002 where it is not UTF-8. */
export function decodeUtf8(body: Buffer): string {
  // One byte a character: half the memory, and the scanner's fast path.
  if (isAscii(body)) {
    return body.toString('latin1');
  }
  if (!isUtf8(body)) {
    throw new ReplicatorError('E1002');
  }
  return body.toString('utf8');
}
