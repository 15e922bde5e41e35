import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tableOrder } from '../../src/target/table-order.ts';
import { linkedTable } from './postgres/shapes.ts';

const namesOf = (
  edges: Readonly<Record<string, readonly string[]>>,
): string[][] =>
  tableOrder(
    Object.entries(edges).map(([name, parents]) => linkedTable(name, parents)),
  ).map((group) => group.map(({ name }) => name));

describe('the order of tables', () => {
  test('puts a diamond behind its one top and before its bottom', () => {
    expect(
      namesOf({
        bottom: ['left', 'right'],
        left: ['top'],
        right: ['top'],
        top: [],
      }),
    ).toEqual([['top'], ['left'], ['right'], ['bottom']]);
  });

  test('keeps the given order where nothing refers to anything', () => {
    expect(namesOf({ c: [], a: [], b: [] })).toEqual([['c'], ['a'], ['b']]);
  });

  test('takes a self reference and a parent outside for no reference', () => {
    expect(namesOf({ a: ['a', 'elsewhere'], b: ['b', 'a'] })).toEqual([
      ['a'],
      ['b'],
    ]);
  });

  test('keeps the tables of a cycle together, behind what they refer to', () => {
    expect(namesOf({ d: ['b'], b: ['c', 'root'], c: ['b'], root: [] })).toEqual(
      [['root'], ['b', 'c'], ['d']],
    );
  });

  test('walks a chain of ten thousand tables', () => {
    const chain = Array.from({ length: 10_000 }, (_, index) =>
      linkedTable(`t${index}`, index === 9999 ? [] : [`t${index + 1}`]),
    );
    const order = tableOrder(chain);
    expect([order[0]![0]!.name, order.at(-1)![0]!.name]).toEqual([
      't9999',
      't0',
    ]);
  });

  test('in any graph no table stands before one that it refers to, save in a cycle', () => {
    const graph = fc.integer({ min: 1, max: 9 }).chain((size) =>
      fc.array(fc.uniqueArray(fc.nat(size - 1), { maxLength: 4 }), {
        minLength: size,
        maxLength: size,
      }),
    );
    fc.assert(
      fc.property(graph, (parents) => {
        const groups = tableOrder(
          parents.map((list, index) =>
            linkedTable(
              `t${index}`,
              list.map((parent) => `t${parent}`),
            ),
          ),
        );
        const groupOf = new Map(
          groups.flatMap((group, place) =>
            group.map(({ name }) => [name, place] as const),
          ),
        );
        expect(groupOf.size).toBe(parents.length);
        const reach = closure(parents);
        for (const [child, list] of parents.entries()) {
          for (const parent of list) {
            const together =
              reach[child]!.has(parent) && reach[parent]!.has(child);
            const difference =
              groupOf.get(`t${child}`)! - groupOf.get(`t${parent}`)!;
            expect(together ? difference === 0 : difference > 0).toBe(true);
          }
        }
      }),
    );
  });
});

function closure(parents: readonly (readonly number[])[]): Set<number>[] {
  return parents.map((_, start) => {
    const seen = new Set([start]);
    for (const at of seen) {
      for (const next of parents[at]!) {
        seen.add(next);
      }
    }
    return seen;
  });
}
