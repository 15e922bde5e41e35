import { describe, expect, test } from 'vitest';
import {
  decimalSpares,
  integerSpares,
  SpareValues,
  textSpares,
} from '../../../src/target/apply/spare-values.ts';
import type { SpareKind } from '../../../src/target/target.ts';

const draw = (kind: SpareKind | null, count = 500): string[] => {
  const spares = new SpareValues();
  return Array.from({ length: count }, () => spares.next('t.a', kind!));
};

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

  test('none comes twice, and nobody knows which are next', () => {
    for (const kind of [
      integerSpares(-(2n ** 15n), 2n ** 15n - 1n),
      integerSpares(-(2n ** 31n), 2n ** 31n - 1n),
      textSpares(5),
      textSpares(24),
      { kind: 'date' } as const,
      { kind: 'uuid' } as const,
      { kind: 'timestamp', hasZone: false } as const,
    ]) {
      const drawn = draw(kind, 16_000);
      expect(new Set(drawn).size).toBe(16_000);
      const starts = Array.from({ length: 5 }, () => draw(kind, 1)[0]);
      expect(new Set(starts).size).toBeGreaterThan(1);
    }
  });

  test('each place has its own, as many as there are of the kind', () => {
    const spares = new SpareValues();
    const kind = integerSpares(0n, 4_000n)!;
    const take = (place: string): Set<string> =>
      new Set(Array.from({ length: 1_001 }, () => spares.next(place, kind)));
    expect(take('t.a').size).toBe(1_001);
    expect(take('t.b').size).toBe(1_001);
    expect(take('t.a').size).toBe(1_001);
  });
});
