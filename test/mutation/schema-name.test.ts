import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { schemaName, schemaNameParts } from '../../src/mutation/schema-name.ts';

const part = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.constantFrom('shop', 'Shop', 'a.b', '"', 'a"b', '.', ' ', '"a"."b"', '1'),
);

describe('schemaName', () => {
  test('a printed name falls into the parts it was made of', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
        expect(schemaNameParts(schemaName(parts))).toEqual(parts);
      }),
      { numRuns: 1000 },
    );
  });

  test('a plain word stands as it is, anything else in quotes', () => {
    expect(schemaName(['shop', 'public'])).toBe('shop.public');
    expect(schemaName(['Shop', 'a.b"c'])).toBe('"Shop"."a.b""c"');
  });
});
