import { describe, expect, test } from 'vitest';
import {
  decimalSpares,
  integerSpares,
  spareValue,
  textSpares,
} from '../../src/target/spare-values.ts';
import type { SpareKind } from '../../src/target/target.ts';

const draw = (kind: SpareKind | null): string[] =>
  Array.from({ length: 500 }, () => spareValue(kind!));

describe('values that stand in for others', () => {
  test('numbers lie within their type, where it is least in use', () => {
    for (const text of draw(integerSpares(-(2n ** 63n), 2n ** 63n - 1n))) {
      expect(BigInt(text)).toBeGreaterThanOrEqual(-(2n ** 63n));
      expect(BigInt(text)).toBeLessThan(-(2n ** 61n));
    }
    for (const text of draw(integerSpares(0n, 2n ** 32n - 1n))) {
      expect(BigInt(text)).toBeLessThan(2n ** 32n);
      expect(BigInt(text)).toBeGreaterThan(2n ** 31n);
    }
    for (const text of draw(decimalSpares({ precision: 8, scale: 2 }))) {
      expect(text).toMatch(/^-\d{6}$/);
    }
  });

  test('types with few values have none to spare', () => {
    expect(integerSpares(-128n, 127n)).toBeNull();
    expect(decimalSpares({ precision: 3, scale: 1 })).toBeNull();
    expect(decimalSpares({ precision: 5, scale: 7 })).toBeNull();
    expect(textSpares(4)).toBeNull();
  });

  test('texts are as long as their column allows, and no longer than they need to be', () => {
    expect(draw(textSpares(7))[0]).toMatch(/^"[a-z2-7]{7}"$/);
    expect(draw(textSpares(Infinity))[0]).toMatch(/^"[a-z2-7]{24}"$/);
  });

  test('dates and times are of years of which few have rows', () => {
    for (const text of draw({ kind: 'date' })) {
      expect(text).toMatch(/^"1[67]\d\d-\d\d-\d\d"$/);
    }
    for (const text of draw({ kind: 'timestamp', hasZone: true })) {
      expect(text).toMatch(/^"1[67]\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"$/);
    }
  });

  test('hardly one comes twice', () => {
    for (const kind of [
      integerSpares(-(2n ** 31n), 2n ** 31n - 1n),
      textSpares(8),
      { kind: 'uuid' } as const,
      { kind: 'timestamp', hasZone: false } as const,
    ]) {
      expect(new Set(draw(kind)).size).toBeGreaterThan(495);
    }
  });
});
