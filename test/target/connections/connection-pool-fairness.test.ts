import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  ConnectionPool,
  type Loan,
  type PooledConnection,
} from '../../../src/target/connections/connection-pool.ts';

interface Line extends PooledConnection {
  usable: boolean;
}

interface Borrower {
  state: 'asked' | 'lent' | 'gave up' | 'returned';
  loan: Loan<Line> | null;
  readonly abort: AbortController;
}

type Step =
  | { readonly kind: 'borrow' }
  | { readonly kind: 'return' | 'abort'; readonly which: number }
  | { readonly kind: 'break'; readonly which: number }
  | { readonly kind: 'expire' | 'pause' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<Step>({ kind: 'borrow' }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom('return', 'abort', 'break'),
        which: fc.nat(20),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.constantFrom<Step>({ kind: 'pause' }, { kind: 'expire' }),
    },
  ),
  { maxLength: 60, size: 'max' },
);

/** How many turns of the event loop each dial and each close takes. */
const delays = fc.infiniteStream(fc.nat(2));
const dialFailures = fc.infiniteStream(
  fc.constantFrom(false, false, false, true),
);

/** A pool whose lines, asked for and open, are counted. */
function countedPool(
  maxSize: number,
  delay: () => number,
  dialFails: () => boolean,
) {
  const counts = { open: 0, most: 0 };
  /** Those for whom a line was dialled, by the signal they gave. */
  const dialled = new Set<AbortSignal>();
  const rest = async (): Promise<void> => {
    for (let turn = delay(); turn > 0; turn -= 1) {
      await nextTurn();
    }
  };
  const pool = new ConnectionPool<Line>(
    async (signal) => {
      dialled.add(signal!);
      counts.open += 1;
      counts.most = Math.max(counts.most, counts.open);
      await rest();
      if (dialFails()) {
        counts.open -= 1;
        throw new Error('no');
      }
      return {
        usable: true,
        async [Symbol.asyncDispose]() {
          await rest();
          counts.open -= 1;
        },
      };
    },
    { maxSize, idleMs: 60_000, jitterMs: 0, maxLifetimeMs: 1_000 },
  );
  return { pool, counts, dialled };
}

beforeEach(() => vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => vi.useRealTimers());

test('whoever waits longest is served first, no place is exceeded, and all are served', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      steps,
      delays,
      dialFailures,
      async (maxSize, run, delayStream, failureStream) => {
        const { pool, counts, dialled } = countedPool(
          maxSize,
          () => delayStream.next().value as number,
          () => failureStream.next().value as boolean,
        );
        const borrowers: Borrower[] = [];
        const passedOver: Borrower[] = [];
        const stillWaits = ({ state, abort: { signal } }: Borrower): boolean =>
          state === 'asked' && !signal.aborted && !dialled.has(signal);
        const borrow = (): void => {
          const borrower: Borrower = {
            state: 'asked',
            loan: null,
            abort: new AbortController(),
          };
          borrowers.push(borrower);
          pool.borrow(borrower.abort.signal).then(
            (loan) => {
              borrower.loan = loan;
              borrower.state = 'lent';
              const waiting = borrowers
                .slice(0, borrowers.indexOf(borrower))
                .filter(stillWaits);
              // Who was handed a line at the same moment may hear of it a
              // little later; who waits after this turn was passed over.
              void nextTurn().then(() =>
                passedOver.push(...waiting.filter(stillWaits)),
              );
            },
            () => {
              borrower.state = 'gave up';
            },
          );
        };
        const inState = (state: Borrower['state']): Borrower[] =>
          borrowers.filter((borrower) => borrower.state === state);
        const giveBack = async (borrower: Borrower): Promise<void> => {
          borrower.state = 'returned';
          await borrower.loan![Symbol.asyncDispose]();
        };
        for (const step of run) {
          const lent = inState('lent');
          const asked = inState('asked');
          switch (step.kind) {
            case 'borrow':
              borrow();
              break;
            case 'return':
              if (lent.length > 0) {
                void giveBack(lent[step.which % lent.length]!);
              }
              break;
            case 'break':
              if (lent.length > 0) {
                lent[step.which % lent.length]!.loan!.connection.usable = false;
              }
              break;
            case 'abort':
              if (asked.length > 0) {
                asked[step.which % asked.length]!.abort.abort();
              }
              break;
            case 'expire':
              vi.setSystemTime(Date.now() + 1_001);
              break;
            case 'pause':
              await nextTurn();
              break;
          }
          expect(pool.counts().total).toBeLessThanOrEqual(maxSize);
        }
        // From here on everybody returns what he has: all must come to an end.
        for (let turn = 0; turn < borrowers.length * 8 + 8; turn += 1) {
          await Promise.all(inState('lent').map(giveBack));
          await nextTurn();
        }
        expect(inState('asked')).toEqual([]);
        expect(passedOver).toEqual([]);
        expect(counts.most).toBeLessThanOrEqual(maxSize);
        expect(pool.counts().waiting).toBe(0);
        await pool[Symbol.asyncDispose]();
        expect(counts.open).toBe(0);
        expect(pool.counts().total).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
