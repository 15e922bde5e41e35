import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type JsonText,
  type Mutation,
  type TableMutations,
  rowBytes,
} from '../../../src/mutation/mutation.ts';
import {
  type Timestamp,
  timestampFromMs,
} from '../../../src/mutation/timestamp.ts';
import { StepBuffer } from '../../../src/source/logical/step-buffer.ts';
import type { ColumnShape } from '../../../src/target/target.ts';
import { tableShapeIn } from '../../target/table-shape.ts';

const tables = ['a', 'b', 'c'].map((name) => ({
  name,
  shape: tableShapeIn('s')(name, []),
}));
/** One array a plan, as the decoder has it. */
const keyColumns = ['id'];
const time = timestampFromMs(1);

function mutation(serial: number): Mutation {
  return {
    time,
    key: `[${serial}]` as JsonText,
    after: '{}' as JsonText,
    before: null,
  };
}

/** By table and key columns: the serials in their order. */
function flat(taken: readonly TableMutations[]): Map<string, number[]> {
  const serials = new Map<string, number[]>();
  for (const { table, keyColumns, mutations } of taken) {
    const name = `${table}(${keyColumns?.join() ?? 'keyless'})`;
    serials.set(name, [
      ...(serials.get(name) ?? []),
      ...mutations.map(({ key }) => JSON.parse(key)[0] as number),
    ]);
  }
  return serials;
}

type Step =
  | { readonly does: 'put'; readonly table: number; readonly isKeyed: boolean }
  | { readonly does: 'end' | 'takeClosed' | 'takeAll' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('put' as const),
      table: fc.nat(2),
      isKeyed: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ does: 'end' as const }) },
  { weight: 2, arbitrary: fc.constant({ does: 'takeClosed' as const }) },
  { weight: 1, arbitrary: fc.constant({ does: 'takeAll' as const }) },
);

test('however transactions and steps interleave, a step takes what is whole and nothing of what is open, in order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const buffer = new StepBuffer(null);
      let closed: { name: string; serial: number }[] = [];
      let open: { name: string; serial: number }[] = [];
      let isOpen = false;
      let serial = 0;
      let openCount = 0;
      const expected = (
        list: readonly { name: string; serial: number }[],
      ): Map<string, number[]> => {
        const byName = new Map<string, number[]>();
        for (const each of list) {
          byName.set(each.name, [
            ...(byName.get(each.name) ?? []),
            each.serial,
          ]);
        }
        return byName;
      };
      for (const each of steps) {
        if (each.does === 'put') {
          if (!isOpen) {
            buffer.begin();
            isOpen = true;
            openCount = 0;
          }
          serial += 1;
          openCount += 1;
          const table = tables[each.table]!;
          buffer.put(
            table,
            each.isKeyed ? keyColumns : undefined,
            mutation(serial),
            false,
          );
          const name = `${table.name}(${each.isKeyed ? 'id' : 'keyless'})`;
          open.push({ name, serial });
        } else if (each.does === 'end') {
          buffer.commit(time);
          isOpen = false;
          closed.push(...open);
          open = [];
        } else {
          expect(flat(buffer.takeClosed())).toEqual(expected(closed));
          closed = [];
          if (each.does === 'takeAll') {
            expect(flat(buffer.takeOpen())).toEqual(expected(open));
            open = [];
          }
        }
        expect(buffer.openCount).toBe(openCount);
        expect(buffer.sizeBytes).toBe(
          [...closed, ...open].reduce(
            (sum, held) => sum + rowBytes(mutation(held.serial)),
            0,
          ),
        );
      }
    }),
    { numRuns: 500 },
  );
});

test('rows of several partitions that have one key are one list', () => {
  const buffer = new StepBuffer(null);
  buffer.begin();
  for (let serial = 1; serial <= 4; serial += 1) {
    buffer.put(tables[0]!, ['id'], mutation(serial), false);
  }
  buffer.put(tables[0]!, ['id', 'n'], mutation(5), false);
  expect(buffer.takeOpen().map(({ mutations }) => mutations.length)).toEqual([
    4, 1,
  ]);
});

interface Change {
  readonly table: number;
  readonly key: number;
  /** Columns that it carries; null deletes the row. */
  readonly after: Readonly<Record<string, number>> | null;
}

const linkedTable = { name: 'linked', shape: tableShapeIn('s')('linked', []) };
const key: ColumnShape = {
  name: 'id',
  type: 'pg_catalog.text',
  codec: { kind: 'scalar' },
  keyOrdinal: 0,
  nullable: false,
  hasDefault: false,
  generated: false,
  identity: null,
};
const joinedTables = [
  ...['a', 'b'].map((name) => ({
    name,
    shape: tableShapeIn('s')(name, [key], { changesQuietly: true }),
  })),
  linkedTable,
];

const change: fc.Arbitrary<Change> = fc.record({
  table: fc.oneof(
    { weight: 8, arbitrary: fc.nat(1) },
    { weight: 1, arbitrary: fc.constant(2) },
  ),
  key: fc.nat(3),
  after: fc.option(
    fc.oneof(
      fc.record({ x: fc.nat(9), y: fc.nat(9) }),
      fc.record({ x: fc.nat(9) }),
    ),
    { freq: 3 },
  ),
});

type RunStep =
  | { readonly does: 'transaction'; readonly changes: readonly Change[] }
  | { readonly does: 'separate' | 'takeClosed' | 'openThenTake' | 'part' };

const runStep: fc.Arbitrary<RunStep> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      does: fc.constant('transaction' as const),
      changes: fc.array(change, { maxLength: 4 }),
    }),
  },
  ...(['separate', 'takeClosed', 'openThenTake', 'part'] as const).map(
    (does) => ({ weight: 1, arbitrary: fc.constant({ does }) }),
  ),
);

/** Rows by table and key, as a target has them that keeps absent columns. */
type State = Map<string, Record<string, number>>;

function applyTo(
  state: State,
  name: string,
  after: Readonly<Record<string, number>> | null,
): void {
  if (after === null) {
    state.delete(name);
  } else {
    state.set(name, { ...state.get(name), ...after });
  }
}

test('however transactions are joined, at each time that is staged the rows are those of the source', () => {
  let joinedCount = 0;
  let foldedCount = 0;
  fc.assert(
    fc.property(
      fc.array(runStep, { maxLength: 60 }),
      fc.record({
        rows: fc.integer({ min: 1, max: 20 }),
        transactions: fc.integer({ min: 1, max: 8 }),
      }),
      (steps, limits) => {
        const buffer = new StepBuffer(limits);
        const source: State = new Map();
        const sourceAt = new Map<Timestamp, string>();
        const taken: { name: string; mutation: Mutation }[] = [];
        let clockMs = 0;
        let putCount = 0;
        let now = timestampFromMs(clockMs);
        const show = (state: State): string =>
          JSON.stringify([...state].toSorted(([a], [b]) => (a < b ? -1 : 1)));
        const take = (tables: readonly TableMutations[]): void => {
          for (const { table, mutations } of tables) {
            for (const each of mutations) {
              taken.push({ name: `${table} ${each.key}`, mutation: each });
            }
          }
        };
        const put = (changes: readonly Change[]): void => {
          for (const { table, key, after } of changes) {
            const target = joinedTables[table]!;
            putCount += 1;
            buffer.put(
              target,
              ['id'],
              {
                time: now,
                key: `[${key}]` as JsonText,
                after: after && (JSON.stringify(after) as JsonText),
                before: null,
              },
              after !== null && !('y' in after),
              after !== null && !source.has(`${target.name} [${key}]`),
            );
            applyTo(source, `${target.name} [${key}]`, after);
          }
        };
        const begin = (): void => {
          clockMs += 1;
          now = timestampFromMs(clockMs);
          buffer.begin();
        };
        const commit = (): void => {
          buffer.commit(now);
          sourceAt.set(now, show(source));
        };
        const some: Change[] = [
          { table: 0, key: 1, after: { x: clockMs, y: 1 } },
        ];
        for (const each of steps) {
          if (each.does === 'transaction') {
            begin();
            put(each.changes);
            commit();
          } else if (each.does === 'separate') {
            buffer.separate();
          } else if (each.does === 'takeClosed') {
            take(buffer.takeClosed());
          } else {
            begin();
            put(some);
            take(buffer.takeClosed());
            if (each.does === 'part') {
              take(buffer.takeOpen());
              put([{ ...some[0]!, key: 2 }]);
            }
            commit();
          }
        }
        take(buffer.takeClosed());
        expect(buffer.sizeBytes).toBe(0);

        const times = [
          ...new Set(taken.map(({ mutation: { time: each } }) => each)),
        ].toSorted();
        joinedCount += sourceAt.size - times.length;
        foldedCount += putCount - taken.length;
        const target: State = new Map();
        for (const at of times) {
          for (const { name, mutation: row } of taken) {
            if (row.time === at) {
              applyTo(
                target,
                name,
                row.after && (JSON.parse(row.after) as Record<string, number>),
              );
            }
          }
          expect(show(target)).toBe(sourceAt.get(at));
        }
        expect(show(target)).toBe(show(source));
      },
    ),
    { numRuns: 500 },
  );
  expect(joinedCount).toBeGreaterThan(100);
  expect(foldedCount).toBeGreaterThan(100);
});

test('a table that has got a unique key joins nothing from then on', () => {
  const buffer = new StepBuffer({ rows: 100, transactions: 100 });
  const shapeWith = (uniqueKeys: readonly (readonly string[])[]) => ({
    name: 'a',
    shape: tableShapeIn('s')('a', [key], { changesQuietly: true, uniqueKeys }),
  });
  const transaction = (table: ReturnType<typeof shapeWith>, serial: number) => {
    const at = timestampFromMs(serial);
    buffer.begin();
    buffer.put(table, keyColumns, { ...mutation(serial), time: at }, false);
    buffer.commit(at);
  };
  transaction(shapeWith([]), 1);
  transaction(shapeWith([]), 2);
  buffer.separate();
  const unique = shapeWith([['n']]);
  transaction(unique, 3);
  transaction(unique, 4);
  expect(
    buffer
      .takeClosed()
      .flatMap(({ mutations }) => mutations.map(({ time: each }) => each)),
  ).toEqual([2, 2, 3, 4].map(timestampFromMs));
});
