import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader } from '../../../../src/source/logical/wire/wal-frames.ts';

interface Frame {
  readonly type: number;
  readonly body: string;
}

function bytesOf({ type, body }: Frame): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  bytes[0] = type;
  bytes.writeUInt32BE(4 + body.length, 1);
  bytes.write(body, 5, 'latin1');
  return bytes;
}

/** Where the stream is cut into reads: whatever the network does. */
function chunks(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [
    0,
    ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b),
    bytes.length,
  ];
  return places
    .slice(1)
    .map((end, index) => Buffer.from(bytes.subarray(places[index], end)));
}

const frames = fc.array(
  fc.record({
    type: fc.constantFrom(0x64, 0x57, 0x45, 0x4e),
    body: fc.oneof(
      fc.string({ unit: 'binary-ascii', maxLength: 40 }),
      fc.nat(5_000).map((length) => 'x'.repeat(length)),
    ),
  }),
  { maxLength: 30 },
);

function drain(reader: FrameReader, into: Frame[], limit = Infinity): void {
  for (let count = 0; count < limit && reader.next(); count += 1) {
    into.push({
      type: reader.type,
      body: reader.buffer.toString('latin1', reader.start, reader.end),
    });
  }
}

test('however the stream is cut into reads, the same messages come out of it', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 60 }), (sent, cuts) => {
      const reader = new FrameReader();
      const read: Frame[] = [];
      for (const chunk of chunks(Buffer.concat(sent.map(bytesOf)), cuts)) {
        reader.add(chunk);
        drain(reader, read);
      }
      expect(read).toEqual(sent);
      expect(reader.next()).toBe(false);
    }),
    { numRuns: 1_000 },
  );
});

test('messages that are left for later, while more arrives, come in their order', () => {
  fc.assert(
    fc.property(
      frames,
      fc.array(fc.nat(), { maxLength: 60 }),
      fc.array(fc.nat(3), { minLength: 61, maxLength: 61 }),
      (sent, cuts, limits) => {
        const reader = new FrameReader();
        const read: Frame[] = [];
        const reads = chunks(Buffer.concat(sent.map(bytesOf)), cuts);
        for (const [index, chunk] of reads.entries()) {
          reader.add(chunk);
          drain(reader, read, limits[index]);
        }
        drain(reader, read);
        expect(read).toEqual(sent);
      },
    ),
    { numRuns: 1_000 },
  );
});
