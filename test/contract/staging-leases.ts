/** What leases promise (src/staging/leases.ts), as tests. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Holding, Lease, Leases } from '../../src/staging/leases.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import {
  at,
  otherSchema,
  schema,
  type StagingPlace,
  withStore,
} from './staging-place.ts';

const nobody = '';

function holdingOf({ holder, epoch }: Lease): Holding {
  return { schema, holder, epoch };
}

export function registerLeaseContract(
  name: string,
  place: () => Promise<StagingPlace>,
): void {
  const withLeases = (
    run: (leases: Leases, store: StagingStore) => Promise<void>,
  ): Promise<void> => withStore(place, (store) => run(store.leases!, store));

  describe(`${name}: leases`, () => {
    test('a lease that nobody ever had is taken by one of all that come at once', () =>
      withLeases(async (leases) => {
        expect(await leases.read(schema)).toBeNull();
        const taken = await Promise.all(
          Array.from({ length: 8 }, (_, i) =>
            leases.take(schema, `d${i}`, null),
          ),
        );
        const won = taken.filter((lease) => lease !== null);
        expect(won).toHaveLength(1);
        expect(await leases.read(schema)).toEqual(won[0]);
        expect(won[0]).toMatchObject({ epoch: 1, offered: false });
        expect(await leases.read(otherSchema)).toBeNull();
      }));

    test('a lease that was seen is taken by one of all that saw it', () =>
      withLeases(async (leases) => {
        const seen = (await leases.take(schema, 'old', null))!;
        const taken = await Promise.all(
          Array.from({ length: 8 }, (_, i) =>
            leases.take(schema, `d${i}`, seen),
          ),
        );
        const won = taken.filter((lease) => lease !== null);
        expect(won.map(({ epoch }) => epoch)).toEqual([2]);
        expect(await leases.read(schema)).toEqual(won[0]);
      }));

    test('a lease whose beat has gone on is not taken', () =>
      withLeases(async (leases) => {
        const seen = (await leases.take(schema, 'old', null))!;
        expect(await leases.renew(holdingOf(seen), false)).toBe(true);
        expect(await leases.take(schema, 'young', seen)).toBeNull();
        const now = (await leases.read(schema))!;
        expect(now).toMatchObject({ holder: 'old', epoch: 1 });
        expect(now.beat).toBeGreaterThan(seen.beat);
      }));

    test('who has lost the lease changes nothing any more', () =>
      withLeases(async (leases, store) => {
        const seen = (await leases.take(schema, 'old', null))!;
        const old = holdingOf(seen);
        expect(await leases.commitApplied(old, at(1), true)).toBe(true);
        const young = (await leases.take(schema, 'young', seen))!;
        expect(await leases.renew(old, false)).toBe(false);
        expect(await leases.raiseEpoch(old, 99)).toBeNull();
        expect(await leases.commitApplied(old, at(9), true)).toBe(false);
        await leases.release(old);
        expect(await leases.read(schema)).toEqual(young);
        const { applied, appliedInTarget } = await store.checkpoint(schema);
        expect([applied, appliedInTarget]).toEqual([at(1), at(1)]);
      }));

    test('the same holder under an earlier epoch has lost it too', () =>
      withLeases(async (leases) => {
        const first = (await leases.take(schema, 'me', null))!;
        const again = (await leases.take(schema, 'me', first))!;
        expect(again.epoch).toBe(2);
        expect(await leases.renew(holdingOf(first), false)).toBe(false);
        expect(await leases.renew(holdingOf(again), false)).toBe(true);
      }));

    test('the epoch is raised above what is named, and stays when the lease changes hands', () =>
      withLeases(async (leases) => {
        const taken = (await leases.take(schema, 'a', null))!;
        const first = await leases.raiseEpoch(holdingOf(taken), 0);
        expect(first).toBe(2);
        const holding = { schema, holder: 'a', epoch: first! };
        const raised = await leases.raiseEpoch(holding, 40);
        expect(raised).toBe(41);
        await leases.release({ ...holding, epoch: 41 });
        const free = (await leases.read(schema))!;
        expect(free).toMatchObject({ holder: nobody, epoch: 41 });
        expect((await leases.take(schema, 'b', free))!.epoch).toBe(42);
      }));

    test('an offer is seen until it is taken back, or another has taken the lease', () =>
      withLeases(async (leases) => {
        const taken = (await leases.take(schema, 'a', null))!;
        const offered = async (): Promise<boolean> =>
          (await leases.read(schema))!.offered;
        await leases.renew(holdingOf(taken), true);
        expect(await offered()).toBe(true);
        await leases.renew(holdingOf(taken), false);
        expect(await offered()).toBe(false);
        await leases.renew(holdingOf(taken), true);
        await leases.take(schema, 'b', await leases.read(schema));
        expect(await offered()).toBe(false);
      }));

    test('purging the schema forgets its checkpoint and not its epoch', () =>
      withLeases(async (leases, store) => {
        const taken = (await leases.take(schema, 'a', null))!;
        await leases.commitApplied(holdingOf(taken), at(3), false);
        await store.purge({ schema }, false);
        expect(await leases.read(schema)).toEqual(taken);
      }));

    test('whatever daemons do side by side, an epoch is had once and time never goes back', () =>
      withLeases(async (leases) => {
        const step = fc.record({
          daemon: fc.integer({ min: 0, max: 3 }),
          act: fc.constantFrom(
            'look',
            'take',
            'renew',
            'offer',
            'raise',
            'release',
          ),
          isAlone: fc.boolean(),
        });
        const had = new Map<number, string>();
        let highest = 0;
        let run = 0;
        await fc.assert(
          fc.asyncProperty(
            fc.array(step, { minLength: 1, maxLength: 30 }),
            async (steps) => {
              run += 1;
              const seen: (Lease | null)[] = [null, null, null, null];
              const held: (Holding | null)[] = [null, null, null, null];
              const note = (daemon: number, epoch: number): void => {
                expect(had.get(epoch)).toBeUndefined();
                had.set(epoch, `${run}/${daemon}`);
                highest = Math.max(highest, epoch);
                const holder = `d${daemon}`;
                held[daemon] = { schema, holder, epoch };
              };
              const acts = {
                look: async (daemon: number) => {
                  seen[daemon] = await leases.read(schema);
                  expect(seen[daemon]?.epoch ?? 0).toBeGreaterThanOrEqual(0);
                },
                take: async (daemon: number) => {
                  const taken = await leases.take(
                    schema,
                    `d${daemon}`,
                    seen[daemon]!,
                  );
                  if (taken) {
                    note(daemon, taken.epoch);
                  }
                },
                renew: async (daemon: number) => {
                  const holding = held[daemon];
                  if (holding && !(await leases.renew(holding, false))) {
                    held[daemon] = null;
                  }
                },
                offer: async (daemon: number) => {
                  const holding = held[daemon];
                  if (holding) {
                    await leases.renew(holding, true);
                  }
                },
                raise: async (daemon: number) => {
                  const holding = held[daemon];
                  const epoch =
                    holding && (await leases.raiseEpoch(holding, highest));
                  if (epoch) {
                    note(daemon, epoch);
                  }
                },
                release: async (daemon: number) => {
                  const holding = held[daemon];
                  if (holding) {
                    await leases.release(holding);
                  }
                },
              };
              let together: Promise<void>[] = [];
              const busy = new Set<number>();
              for (const { daemon, act, isAlone } of steps) {
                if (isAlone || busy.has(daemon)) {
                  await Promise.all(together);
                  together = [];
                  busy.clear();
                }
                busy.add(daemon);
                together.push(acts[act](daemon));
              }
              await Promise.all(together);
              const epoch = (await leases.read(schema))?.epoch ?? 0;
              expect(epoch).toBe(highest);
            },
          ),
          { numRuns: 30 },
        );
      }));
  });
}
