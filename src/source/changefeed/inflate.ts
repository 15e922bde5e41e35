/**
 * From the bytes of a request to its text. Memory is bounded by the limit,
 * whatever the compressed body claims to be.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';

import { ReplicatorError } from '../../failure/failure.ts';

export interface InflateLimits {
  readonly maxInflatedBytes: number;
}

interface Inflated {
  readonly buffer: Buffer;
  /** `bytesWritten`: how much of the compressed body was used. */
  readonly engine: { readonly bytesWritten: number };
}
type Inflate = (
  raw: Buffer,
  options: { maxOutputLength: number; info: true },
) => Promise<Inflated>;

const inflaters: Readonly<Record<string, Inflate>> = {
  gzip: promisify(gunzip) as unknown as Inflate,
  'x-gzip': promisify(gunzip) as unknown as Inflate,
  zstd: promisify(zstdDecompress) as unknown as Inflate,
};

/**
 * The body behind its `Content-Encoding`; an empty body has none. Throws
 * E1007 for encodings unknown or stacked, E1021 for damage, E1006 for size.
 */
export async function inflateBody(
  raw: Buffer,
  contentEncoding: string | undefined,
  limits: InflateLimits,
): Promise<Buffer> {
  const encoding = contentEncoding?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') {
    return raw;
  }
  const inflate = Object.hasOwn(inflaters, encoding) && inflaters[encoding];
  if (!inflate) {
    throw new ReplicatorError('E1007', {
      detail: `the content encoding ${JSON.stringify(encoding.slice(0, 60))} is not supported`,
    });
  }
  if (raw.length === 0) {
    return raw;
  }
  const { buffer, engine } = await inflate(raw, {
    maxOutputLength: limits.maxInflatedBytes,
    info: true,
  }).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ERR_BUFFER_TOO_LARGE'
      ? new ReplicatorError('E1006', {
          detail: `the request body is larger than ${limits.maxInflatedBytes} bytes once decompressed`,
          cause,
        })
      : new ReplicatorError('E1021', { cause });
  });
  // Node's zstd stops behind the first frame and is silent about the rest.
  if (engine.bytesWritten !== raw.length) {
    throw new ReplicatorError('E1021', {
      detail: 'the compressed body goes on behind its end',
    });
  }
  return buffer;
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
