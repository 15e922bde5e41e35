/** Writes the few DER values that a certificate is made of (X.690). */

function tagged(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content]);
}

function lengthOf(content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) {
    return Buffer.from([length]);
  }
  return length < 0x100
    ? Buffer.from([0x81, length])
    : Buffer.from([0x82, length >> 8, length & 0xff]);
}

export function sequence(...items: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(items));
}

export function setOf(item: Buffer): Buffer {
  return tagged(0x31, item);
}

/** Big-endian bytes of a number that is not negative. */
export function unsignedInteger(bytes: Buffer): Buffer {
  return tagged(
    0x02,
    bytes[0]! < 0x80 ? bytes : Buffer.concat([Buffer.from([0]), bytes]),
  );
}

export function booleanTrue(): Buffer {
  return Buffer.from([0x01, 0x01, 0xff]);
}

export function octetString(bytes: Buffer): Buffer {
  return tagged(0x04, bytes);
}

/** `unusedBitCount` is how many low bits of the last byte do not count. */
export function bitString(bytes: Buffer, unusedBitCount = 0): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([unusedBitCount]), bytes]));
}

export function utf8String(text: string): Buffer {
  return tagged(0x0c, Buffer.from(text, 'utf8'));
}

/** RFC 5280 wants UTCTime before 2050 and GeneralizedTime from then on. */
export function instant(at: Date): Buffer {
  const digits = `${at.toISOString().replaceAll(/[-:T]|\..*$/g, '')}Z`;
  return at.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(digits.slice(2), 'ascii'))
    : tagged(0x18, Buffer.from(digits, 'ascii'));
}

/** `2.5.29.17`. */
export function objectIdentifier(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  return tagged(
    0x06,
    Buffer.from([first! * 40 + second!, ...rest.flatMap(base128)]),
  );
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let high = value >>> 7; high > 0; high >>>= 7) {
    bytes.unshift((high & 0x7f) | 0x80);
  }
  return bytes;
}

/** A context tag around whole values: `[n] EXPLICIT`. */
export function explicitTag(number: number, content: Buffer): Buffer {
  return tagged(0xa0 | number, content);
}

/** A context tag in place of a primitive value's own: `[n] IMPLICIT`. */
export function implicitTag(number: number, content: Buffer): Buffer {
  return tagged(0x80 | number, content);
}
