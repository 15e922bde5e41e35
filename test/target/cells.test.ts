import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonText } from '../../src/mutation/mutation.ts';
import { encodedCells } from '../../src/target/cells.ts';
import { cellValues, textValues } from '../../src/target/row-values.ts';

const token = fc.oneof(
  fc.constantFrom('null', '17', '"a"', '"é"', '"😀"', '""', '[1]'),
  fc.string().map((each) => JSON.stringify(each)),
) as fc.Arbitrary<JsonText>;
const texts = fc.tuple(fc.nat(4), fc.nat(20)).chain(([columnCount, rowCount]) =>
  fc.array(fc.array(token, { minLength: rowCount, maxLength: rowCount }), {
    minLength: columnCount,
    maxLength: columnCount,
  }),
);

test('values are the same as texts and as bytes, and so are slices of them', () => {
  fc.assert(
    fc.property(texts, fc.nat(), fc.nat(), (columns, one, other) => {
      const rowCount = columns[0]?.length ?? 3;
      const start = one % (rowCount + 1);
      const end = start + (other % (rowCount - start + 1));
      const values = textValues(columns, rowCount);
      const { cells } = values;
      expect(cells.rowCount).toBe(rowCount);
      expect(cells.byteCount).toBe(
        columns.flat().reduce((sum, each) => sum + Buffer.byteLength(each), 0),
      );
      expect(cellValues(cells).texts).toEqual(columns);
      expect(columns.map((_, column) => cells.hasNull(column))).toEqual(
        columns.map((column) => column.includes('null' as JsonText)),
      );
      const sliced = columns.map((column) => column.slice(start, end));
      for (const slice of [
        values.slice(start, end),
        cellValues(cells).slice(start, end),
      ]) {
        expect(slice.texts).toEqual(sliced);
        expect(slice.cells.rowCount).toBe(end - start);
        expect(
          sliced.map((column, index) =>
            column.map((_, row) => slice.cells.token(index, row)),
          ),
        ).toEqual(sliced);
      }
    }),
  );
});

test('values that were released are made anew, and others are kept', () => {
  const columns = [['1', '2'] as JsonText[]];
  let madeCount = 0;
  const values = cellValues(encodedCells(columns, 2), () => {
    madeCount += 1;
    return textValues(columns, 2);
  });
  values.release();
  expect(values.texts).toEqual(columns);
  expect(values.cells.token(0, 1)).toBe('2');
  expect(madeCount).toBe(1);
  const kept = cellValues(encodedCells(columns, 2));
  kept.release();
  expect(kept.texts).toEqual(columns);
});

test('texts of all columns take the room of one', () => {
  const columns = Array.from({ length: 50 }, (_, column) =>
    Array.from(
      { length: 1_000 },
      (_, row) => `"${'x'.repeat(60)}${column * row}"` as JsonText,
    ),
  );
  const cells = encodedCells(columns, 1_000);
  const before = process.memoryUsage().external;
  const { texts } = cellValues(cells);
  const grownBytes = process.memoryUsage().external - before;
  expect(texts).toEqual(columns);
  expect(grownBytes).toBeLessThan(2 * cells.byteCount);
});
