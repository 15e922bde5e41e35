import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { ReplicatorError } from '../../../src/failure/failure.ts';
import { isolate } from '../../../src/sequencer/dead-letter/isolate.ts';

const options = { limit: 1_000_000 };
const bad = (): ReplicatorError => new ReplicatorError('E4006');
const waits = (): ReplicatorError => new ReplicatorError('E4004');
const taken = (): ReplicatorError => new ReplicatorError('E4013');

/** What a small target would say: bad rows, missing parents, taken values. */
interface World {
  readonly count: number;
  readonly bad: ReadonlySet<number>;
  readonly parentOf: ReadonlyMap<number, number>;
  readonly conflicts: readonly (readonly [number, number])[];
}

function failureOf(world: World, units: readonly number[]) {
  const there = new Set(units);
  if (units.some((unit) => world.bad.has(unit))) {
    return bad();
  }
  for (const unit of units) {
    const parent = world.parentOf.get(unit);
    if (parent !== undefined && !there.has(parent)) {
      return waits();
    }
  }
  return world.conflicts.some(([a, b]) => there.has(a) && there.has(b))
    ? taken()
    : null;
}

const worlds = fc
  .integer({ min: 0, max: 40 })
  .chain((count) => {
    const unit = fc.integer({ min: 0, max: Math.max(0, count - 1) });
    return fc.record({
      count: fc.constant(count),
      bad: fc.array(unit, { maxLength: 6 }),
      parents: fc.array(fc.tuple(unit, unit), { maxLength: 8 }),
      conflicts: fc.array(fc.tuple(unit, unit), { maxLength: 4 }),
    });
  })
  .map(({ count, bad: badUnits, parents, conflicts }): World => ({
    count,
    bad: new Set(badUnits),
    // Parents stand before their children, as rowUnits() puts them.
    parentOf: new Map(
      parents
        .filter(([a, b]) => a !== b)
        .map(([a, b]) => [Math.max(a, b), Math.min(a, b)]),
    ),
    conflicts: conflicts.filter(([a, b]) => a !== b),
  }));

const unitsOf = (count: number): number[] =>
  Array.from({ length: count }, (_, unit) => unit);

describe('isolate', () => {
  test('what goes has been tried as it stands, and no culprit could go with it', async () => {
    await fc.assert(
      fc.asyncProperty(worlds, async (world) => {
        const units = unitsOf(world.count);
        const { goes, aside } = await isolate(
          units,
          (tried) => Promise.resolve(failureOf(world, tried)),
          options,
        );
        expect(failureOf(world, goes)).toBeNull();
        expect(
          [...goes, ...aside.map(({ unit }) => unit)].toSorted((a, b) => a - b),
        ).toEqual(units);
        expect(goes).toEqual(goes.toSorted((a, b) => a - b));
        for (const { unit } of aside) {
          expect(failureOf(world, [...goes, unit])).not.toBeNull();
        }
      }),
    );
  });

  test('a row is not set aside for what stood in the way of another one, where an operator mends the target meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(worlds, fc.nat(60), async (world, mendedAfter) => {
        const mended = { ...world, bad: new Set<number>() };
        let trialCount = 0;
        const { aside } = await isolate(
          unitsOf(world.count),
          (tried) => {
            trialCount += 1;
            const now = trialCount > mendedAfter ? mended : world;
            return Promise.resolve(failureOf(now, tried));
          },
          options,
        );
        const blamed = aside.filter(({ error }) => error.code === 'E4006');
        expect(blamed.every(({ unit }) => world.bad.has(unit))).toBe(true);
      }),
    );
  });

  test('rows that are bad by themselves cost a number of trials in the logarithm of all', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 0, max: 999 }), { maxLength: 8 }),
        async (badUnits) => {
          const world = {
            count: 1_000,
            bad: new Set(badUnits),
            parentOf: new Map<number, number>(),
            conflicts: [],
          };
          let trialCount = 0;
          const { aside } = await isolate(
            unitsOf(world.count),
            (tried) => {
              trialCount += 1;
              return Promise.resolve(failureOf(world, tried));
            },
            options,
          );
          expect(aside.map(({ unit }) => unit)).toEqual(
            badUnits.toSorted((a, b) => a - b),
          );
          expect(trialCount).toBeLessThanOrEqual(1 + 20 * badUnits.length);
        },
      ),
    );
  });

  test('what goes is the same whether or not it is known what units need, in whatever order they come', async () => {
    const tangled = fc
      .integer({ min: 1, max: 30 })
      .chain((count) => {
        const unit = fc.integer({ min: 0, max: count - 1 });
        return fc.record({
          count: fc.constant(count),
          bad: fc.array(unit, { maxLength: 4 }),
          parents: fc.array(fc.tuple(unit, unit), { maxLength: 20 }),
          known: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
          there: fc.array(unit, { maxLength: 4 }),
        });
      })
      .map(({ count, bad: badUnits, parents, known, there }) => ({
        world: {
          count,
          bad: new Set(badUnits),
          parentOf: new Map(parents.filter(([, to]) => !there.includes(to))),
          conflicts: [],
        } satisfies World,
        // Of some nothing is known, and of others that are there already.
        needsOf: (unit: number): number[] =>
          known[unit]
            ? parents.filter(([from]) => from === unit).map(([, to]) => to)
            : [],
      }));
    await fc.assert(
      fc.asyncProperty(tangled, async ({ world, needsOf }) => {
        const trial = (tried: readonly number[]) =>
          Promise.resolve(failureOf(world, tried));
        const { goes, aside } = await isolate(unitsOf(world.count), trial, {
          ...options,
          needsOf,
        });
        expect(failureOf(world, goes)).toBeNull();
        expect(
          [...goes, ...aside.map(({ unit }) => unit)].toSorted((a, b) => a - b),
        ).toEqual(unitsOf(world.count));
        for (const { unit } of aside) {
          expect(failureOf(world, [...goes, unit])).not.toBeNull();
        }
      }),
      { numRuns: 500 },
    );
  });

  describe('ten thousand rows of a table that refers to itself, in the order of arrival', () => {
    const count = 10_000;
    /** As feeds deliver them: in an order that has nothing to do with keys. */
    const arrivals = unitsOf(count)
      .map((unit) => [(unit * 7_919) % count, unit] as const)
      .toSorted(([a], [b]) => a - b)
      .map(([, unit]) => unit);
    const tree = new Map(
      unitsOf(count)
        .slice(1)
        .map((unit) => [unit, (unit * 31) % unit]),
    );
    const lists = new Map(
      unitsOf(count)
        .filter((unit) => unit % 51 !== 0)
        .map((unit) => [unit, unit - 1]),
    );
    const scattered = unitsOf(20).map((each) => 200 + each * 487);

    test.each([
      { name: 'a tree, nobody bad', parentOf: tree, badUnits: [] },
      { name: 'a tree, one bad', parentOf: tree, badUnits: [7_777] },
      {
        name: 'lists, one bad with 50 behind it',
        parentOf: lists,
        badUnits: [5_100],
      },
      { name: 'a tree, 20 bad', parentOf: tree, badUnits: scattered },
      { name: 'lists, 20 bad', parentOf: lists, badUnits: scattered },
    ])(
      'cost a number of trials in the logarithm of all: $name',
      async ({ parentOf, badUnits }) => {
        const isBad = new Uint8Array(count);
        for (const unit of badUnits) {
          isBad[unit] = 1;
        }
        let trialCount = 0;
        const { aside } = await isolate(
          arrivals,
          (tried) => {
            trialCount += 1;
            const there = new Uint8Array(count);
            for (const unit of tried) {
              there[unit] = 1;
            }
            if (tried.some((unit) => isBad[unit])) {
              return Promise.resolve(bad());
            }
            const lacksParent = (unit: number): boolean =>
              parentOf.has(unit) && there[parentOf.get(unit)!] === 0;
            return Promise.resolve(tried.some(lacksParent) ? waits() : null);
          },
          {
            ...options,
            needsOf: (unit) =>
              parentOf.has(unit) ? [parentOf.get(unit)!] : [],
          },
        );
        const gone = new Set(badUnits);
        for (const unit of unitsOf(count)) {
          if (gone.has(parentOf.get(unit) ?? -1)) {
            gone.add(unit);
          }
        }
        expect(new Set(aside.map(({ unit }) => unit))).toEqual(gone);
        const waiting = gone.size - badUnits.length;
        expect(trialCount).toBeLessThanOrEqual(
          1 + 2 * Math.ceil(Math.log2(count)) * badUnits.length + 3 * waiting,
        );
      },
    );

    test('and a bad version of a row that is there, with thousands behind it, costs no more', async () => {
      let trialCount = 0;
      const { aside } = await isolate(
        arrivals,
        (tried) => {
          trialCount += 1;
          return Promise.resolve(tried.includes(0) ? bad() : null);
        },
        {
          ...options,
          needsOf: (unit) => (unit === 0 ? [] : [tree.get(unit)!]),
        },
      );
      expect(aside.map(({ unit }) => unit)).toEqual([0]);
      expect(trialCount).toBeLessThanOrEqual(30);
    });
  });

  test('units that all need one another are found in the logarithm too, where all but the bad one are there', async () => {
    let trialCount = 0;
    const { aside } = await isolate(
      unitsOf(1_000),
      (tried) => {
        trialCount += 1;
        return Promise.resolve(tried.includes(617) ? bad() : null);
      },
      { ...options, needsOf: (unit) => [(unit + 1) % 1_000] },
    );
    expect(aside.map(({ unit }) => unit)).toEqual([617]);
    expect(trialCount).toBeLessThanOrEqual(25);
  });

  test('two rows that swap a value go together, though neither goes alone', async () => {
    for (const isBad of [4, 5, 6]) {
      const { goes, aside } = await isolate(
        unitsOf(8),
        (tried) =>
          Promise.resolve(
            tried.includes(isBad)
              ? bad()
              : tried.includes(1) !== tried.includes(7)
                ? taken()
                : null,
          ),
        options,
      );
      expect(aside.map(({ unit }) => unit)).toEqual([isBad]);
      expect(goes).toHaveLength(7);
    }
  });

  test('a row that comes before the one it waits for goes when that one goes', async () => {
    const { goes } = await isolate(
      unitsOf(8),
      (tried) =>
        Promise.resolve(
          tried.includes(3)
            ? bad()
            : tried.includes(0) && !tried.includes(7)
              ? waits()
              : null,
        ),
      options,
    );
    expect(goes).toEqual([0, 1, 2, 4, 5, 6, 7]);
  });

  test('it ends, with an answer that was tried, whatever the trials say', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 30 }),
        fc.infiniteStream(fc.constantFrom(null, bad, waits, taken)),
        async (count, answers) => {
          let lastThatWent: readonly number[] = [];
          const { goes, aside } = await isolate(
            unitsOf(count),
            (tried) => {
              const answer = answers.next().value ?? null;
              if (answer === null) {
                lastThatWent = tried;
              }
              return Promise.resolve(answer && answer());
            },
            options,
          );
          expect(goes).toEqual(lastThatWent);
          expect(goes.length + aside.length).toBe(count);
        },
      ),
    );
  });

  test.each(['E4002', 'E4007', 'E4008'] as const)(
    'a failure that is no verdict on a row (%s) ends the search and blames none',
    async (code) => {
      let trialCount = 0;
      await expect(
        isolate(
          unitsOf(20),
          () => {
            trialCount += 1;
            return Promise.resolve(
              trialCount === 4 ? new ReplicatorError(code) : bad(),
            );
          },
          options,
        ),
      ).rejects.toMatchObject({ code });
      expect(trialCount).toBe(4);
    },
  );

  test('more culprits than the limit are no bad rows but a fault of the whole', async () => {
    let trialCount = 0;
    await expect(
      isolate(
        unitsOf(10_000),
        () => {
          trialCount += 1;
          return Promise.resolve(bad());
        },
        { limit: 10 },
      ),
    ).rejects.toMatchObject({ code: 'E3013', disposition: 'halt' });
    expect(trialCount).toBeLessThan(100);
  });
});
