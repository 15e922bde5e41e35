import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type JsonText,
  type Mutation,
  type TableMutations,
  rowBytes,
} from '../../../src/mutation/mutation.ts';
import { timestampFromMs } from '../../../src/mutation/timestamp.ts';
import { StepBuffer } from '../../../src/source/logical/step-buffer.ts';
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
      const buffer = new StepBuffer();
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
          );
          const name = `${table.name}(${each.isKeyed ? 'id' : 'keyless'})`;
          open.push({ name, serial });
        } else if (each.does === 'end') {
          buffer.commit();
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
  const buffer = new StepBuffer();
  buffer.begin();
  for (let serial = 1; serial <= 4; serial += 1) {
    buffer.put(tables[0]!, ['id'], mutation(serial));
  }
  buffer.put(tables[0]!, ['id', 'n'], mutation(5));
  expect(buffer.takeOpen().map(({ mutations }) => mutations.length)).toEqual([
    4, 1,
  ]);
});
