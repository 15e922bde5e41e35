import { expect, test } from 'vitest';
import type { JsonText } from '../../../src/mutation/mutation.ts';
import type { KeyMove } from '../../../src/target/row-shape.ts';
import { circleChunks } from '../../../src/target/apply/statement-chunks.ts';
import { column, tableShape } from '../postgres/shapes.ts';

const item = tableShape('item', [
  column('id', 'pg_catalog.int8', { keyOrdinal: 0, nullable: false }),
]);

function circle(first: number, length: number): KeyMove[] {
  const keyAt = (place: number): JsonText =>
    `[${first + (place % length)}]` as JsonText;
  return Array.from({ length }, (_, place) => ({
    from: keyAt(place),
    to: keyAt(place + 1),
  }));
}

const countsOf = (circles: readonly (readonly KeyMove[])[]): number[] =>
  [...circleChunks(item, circles)].map(({ rowCount }) => rowCount);

test('a circle of moves is never cut, and small ones share a statement', () => {
  expect(countsOf([])).toEqual([]);
  expect(
    countsOf([
      circle(0, 2),
      circle(10, 3),
      circle(10_000, 4_996),
      circle(20_000, 9_000),
      circle(30_000, 2),
    ]),
  ).toEqual([5, 4_996, 9_000, 2]);
});

test('every move of the circles crosses once', () => {
  const [chunk] = circleChunks(item, [circle(1, 2), circle(5, 3)]);
  expect(chunk).toEqual({
    table: item,
    from: [['1', '2', '5', '6', '7']],
    to: [['2', '1', '6', '7', '5']],
    rowCount: 5,
  });
});
