import { describe, expect, test } from 'vitest';
import type { JsonText } from '../../src/mutation/mutation.ts';
import { keyRows } from '../../src/target/row-shape.ts';
import { column, tableShape } from './postgres/shapes.ts';

const table = tableShape('t', [
  column('a', 'int8', { keyOrdinal: 1 }),
  column('b', 'int8', { keyOrdinal: 0 }),
]);

describe('keys', () => {
  test('are laid out by key column', () => {
    expect(keyRows(table, ['[1,"x"]', '[2,null]'] as JsonText[]).keys).toEqual([
      ['1', '2'],
      ['"x"', 'null'],
    ]);
  });

  test('of another width than the primary key ask for another look at the schema', () => {
    expect(() => keyRows(table, ['[1]' as JsonText])).toThrow(
      expect.objectContaining({ code: 'E4011', disposition: 'retry' }),
    );
  });
});
