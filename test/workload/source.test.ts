import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createClock } from '../../src/workload/clock.ts';
import { createRandom } from '../../src/workload/random.ts';
import { Source } from '../../src/workload/source.ts';
import type { TableHistory } from '../../src/workload/table-history.ts';

function rowsOf(source: Source, table: string): Map<string, (string | null)[]> {
  const history = source.histories.get(table) as TableHistory;
  return new Map(
    [...history.stateAt(source.sequence)].map(([key, row]) => [
      key,
      row.cells.map((cell) => cell.text),
    ]),
  );
}

test('after every transaction each foreign key and each unique address holds', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.array(fc.integer({ min: 1, max: 40 }), {
        minLength: 30,
        maxLength: 60,
      }),
      (seed, sizes) => {
        const source = new Source(createClock(), createRandom(seed), {
          tableRows: 20,
        });
        for (const size of sizes) {
          source.commit(size);
          const customers = rowsOf(source, 'workload_customer');
          const orders = rowsOf(source, 'workload_order');
          for (const [customerId] of orders.values()) {
            expect(customers.has(`[${customerId}]`)).toBe(true);
          }
          for (const [, customerId, number] of rowsOf(
            source,
            'workload_line',
          ).values()) {
            expect(orders.has(`[${customerId}, ${number}]`)).toBe(true);
          }
          const addresses = [...customers.values()].map(([, , email]) => email);
          expect(new Set(addresses).size).toBe(addresses.length);
        }
      },
    ),
    { numRuns: 20 },
  );
});

test('any state since the last pruning can be rebuilt, and equals the events sent up to it', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), (seed, prunedAt) => {
      const source = new Source(createClock(), createRandom(seed), {
        tableRows: 20,
      });
      const sent = new Map<string, string>();
      const states: Map<string, string>[] = [new Map()];
      for (let number = 1; number <= 40; number += 1) {
        const { sequence, events } = source.commit(1 + (number % 9));
        expect(sequence).toBe(number);
        for (const event of events) {
          const id = `${event.topic} ${event.key}`;
          expect(event.before).toBe(sent.get(id) ?? null);
          if (event.after === null) {
            sent.delete(id);
          } else {
            sent.set(id, event.after);
          }
        }
        states.push(new Map(sent));
      }
      source.prune(prunedAt);
      for (let sequence = prunedAt; sequence <= 40; sequence += 1) {
        const rebuilt = new Map(
          [...source.histories].flatMap(([table, history]) =>
            [...history.stateAt(sequence)].map(
              ([key, row]) => [`${table} ${key}`, row.json] as const,
            ),
          ),
        );
        expect(rebuilt).toEqual(states[sequence]);
      }
    }),
    { numRuns: 20 },
  );
});

test('the same seed writes the same rows; the ledger numbers the transactions', () => {
  const write = (): string[] => {
    const source = new Source(
      createClock(() => 1_700_000_000_000),
      createRandom(42),
      { tableRows: 50 },
    );
    return Array.from({ length: 30 }, () => JSON.stringify(source.commit(5)));
  };
  const first = write();
  expect(write()).toEqual(first);
  const ledger = first.map((text) => {
    const { events } = JSON.parse(text) as {
      events: { topic: string; key: string }[];
    };
    return events
      .filter((event) => event.topic === 'workload_ledger')
      .map((event) => event.key);
  });
  expect(ledger).toEqual(
    Array.from({ length: 30 }, (_, index) => [`[${index + 1}]`]),
  );
});

test('the clock never repeats itself, though the wall clock stands still or goes back', () => {
  const wall = [5, 5, 5, 9, 3, 9, 10];
  const clock = createClock(() => wall.shift() ?? 10);
  const times = Array.from({ length: 10 }, () => clock.tick());
  expect(times).toEqual([...new Set(times)].toSorted());
});
