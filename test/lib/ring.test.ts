import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ring, RingItem } from '../../src/lib/ring.ts';

test('a ring holds what a Set would, in the same order', () => {
  const steps = fc.array(
    fc.record({ isAdded: fc.boolean(), at: fc.nat({ max: 5 }) }),
  );
  fc.assert(
    fc.property(steps, (all) => {
      const items = Array.from({ length: 6 }, () => new RingItem());
      const ring = new Ring();
      const set = new Set<RingItem>();
      for (const { isAdded, at } of all) {
        const item = items[at]!;
        if (!isAdded) {
          ring.delete(item);
          set.delete(item);
        } else if (!set.has(item)) {
          ring.add(item);
          set.add(item);
        }
        const places = (links: Iterable<RingItem>): number[] =>
          Array.from(links, (link) => items.indexOf(link));
        expect(places(ring)).toEqual(places(set));
        expect(ring.first).toBe([...set][0] ?? null);
      }
      for (const item of ring) {
        ring.delete(item);
      }
      expect(ring.first).toBe(null);
    }),
  );
});
