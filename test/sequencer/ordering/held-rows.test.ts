import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textHash } from '../../../src/lib/text-hash.ts';
import { HeldRows } from '../../../src/sequencer/ordering/held-rows.ts';

/** The same by maps of keys. */
class MappedRows {
  readonly #owners = new Map<string, Map<string, string>>();
  readonly #ended = new Set<string>();

  take(
    rows: ReadonlyMap<string, readonly string[]>,
    holder: string,
  ): { blockers: Set<string>; shared: string[] } {
    const blockers = new Set<string>();
    const shared: string[] = [];
    for (const [table, keys] of rows) {
      const owners = this.#owners.get(table) ?? new Map<string, string>();
      this.#owners.set(table, owners);
      for (const key of keys) {
        const owner = owners.get(key);
        if (owner && owner !== holder && !this.#ended.has(owner)) {
          blockers.add(owner);
          shared.push(`${table} ${textHash(key)}`);
        }
        owners.set(key, holder);
      }
    }
    return { blockers, shared };
  }

  release(holder: string): void {
    this.#ended.add(holder);
  }
}

test('the last of those who took a row and have not ended is found, and which rows those are, however many rows came and went', () => {
  const rows = fc
    .tuple(
      fc.constantFrom('a', 'b'),
      fc.nat(5_000),
      fc.oneof(fc.nat(5), fc.nat(2_000)),
    )
    .map(([table, first, count]) => ({
      table,
      keys: Array.from({ length: count }, (_, at) => `["k",${first + at}]`),
    }));
  const step = fc.record({
    rows: fc.array(rows, { maxLength: 3 }),
    /** Of those under way, which end then. */
    ends: fc.array(fc.nat(20), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const held = new HeldRows<string>();
      const model = new MappedRows();
      /** Of those under way, for whom each waits, by himself or by others. */
      const waits = new Map<string, ReadonlySet<string>>();
      let vainCount = 0;
      for (const [at, { rows: parts, ends }] of steps.entries()) {
        const holder = `holder ${at}`;
        const taken = new Map<string, string[]>();
        for (const { table, keys } of parts) {
          taken.set(table, (taken.get(table) ?? []).concat(keys));
        }
        const blockers = new Set<string>();
        const sharedRows = held.take(
          new Map(
            [...taken].map(([table, keys]) => [
              table,
              Int32Array.from(keys, (key) => textHash(key)),
            ]),
          ),
          holder,
          blockers,
        );
        const { blockers: expected, shared } = model.take(taken, holder);
        const found = [...sharedRows].flatMap(([table, hashes]) =>
          [...hashes].map((hash) => `${table} ${hash}`),
        );
        expect(shared.filter((row) => !found.includes(row))).toEqual([]);
        vainCount += found.filter((row) => !shared.includes(row)).length;
        const elders = new Set(blockers);
        for (const blocker of blockers) {
          for (const elder of waits.get(blocker) ?? []) {
            elders.add(elder);
          }
        }
        expect([...expected].filter((each) => !elders.has(each))).toEqual([]);
        vainCount += blockers.difference(expected).size;
        waits.set(holder, elders);
        for (const end of ends) {
          const ready = [...waits]
            .filter(([, before]) =>
              before.isDisjointFrom(new Set(waits.keys())),
            )
            .map(([each]) => each);
          const ended = ready[end % ready.length];
          if (ended === undefined) {
            break;
          }
          waits.delete(ended);
          held.release(ended);
          model.release(ended);
        }
      }
      // Two rows may share their 32 bits: whoever waits in vain is no fault.
      expect(vainCount).toBeLessThan(10);
    }),
    { numRuns: 60 },
  );
});

test('a row that an elder has is shared too where another table of the same batch has fallen on its place before', () => {
  const [inFirst, inSecond] = ['a', 'b'].map((table) =>
    Int32Array.of(textHash(table)),
  ) as [Int32Array, Int32Array];
  const held = new HeldRows<string>();
  held.take(new Map([['b', inSecond]]), 'elder', new Set());
  const blockers = new Set<string>();
  const shared = held.take(
    new Map([
      ['a', inFirst],
      ['b', inSecond],
    ]),
    'younger',
    blockers,
  );
  expect([...blockers]).toEqual(['elder']);
  expect(shared.get('b')).toEqual(new Set(inSecond));
});
