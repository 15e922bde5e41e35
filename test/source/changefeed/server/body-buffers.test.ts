import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BodyBuffers } from '../../../../src/source/changefeed/server/body-buffers.ts';

test('a body stays what it is until it is released, whatever others come and go', () => {
  const step = fc.oneof(
    fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
    // Beyond what a buffer holds, and a body that goes.
    fc.constant([new Uint8Array(40_000), new Uint8Array(40_000)]),
    fc.nat({ max: 100 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const buffers = new BodyBuffers();
      const open: { body: Buffer; wanted: Buffer }[] = [];
      for (const pieces of steps) {
        if (typeof pieces === 'number') {
          const [gone] = open.splice(pieces % (open.length || 1), 1);
          if (gone) {
            buffers.release(gone.body);
            buffers.release(gone.body);
          }
        } else {
          const wanted = Buffer.concat(pieces);
          const body = buffers.join(
            pieces.map((piece) => Buffer.from(piece)),
            wanted.length,
          );
          open.push({ body, wanted });
        }
        for (const { body, wanted } of open) {
          expect(body.equals(wanted)).toBe(true);
        }
      }
    }),
  );
});

test('more bodies than there are buffers are joined all the same', () => {
  const buffers = new BodyBuffers();
  const bodies = Array.from({ length: 100 }, (_, index) =>
    buffers.join([Buffer.from([index]), Buffer.from([1])], 2),
  );
  expect(bodies.map(([first]) => first)).toEqual([...bodies.keys()]);
  for (const body of bodies) {
    buffers.release(body);
  }
});
