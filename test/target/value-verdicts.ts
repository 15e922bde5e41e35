import { expect } from 'vitest';
import type { ValueCheck } from '../../src/target/values/value-limits.ts';

/** `fits`, or what it would be clamped to. */
export function verdict(check: ValueCheck, text: string): string | null {
  const refusal = check(text);
  return refusal === null ? 'fits' : refusal.clamped;
}

export function verdicts(
  check: ValueCheck,
  texts: readonly string[],
): Record<string, string | null> {
  return Object.fromEntries(texts.map((text) => [text, verdict(check, text)]));
}

/** What is clamped fits, and stays as it is. */
export function expectClampToFit(check: ValueCheck, text: string): void {
  const clamped = check(text)?.clamped;
  if (clamped !== null && clamped !== undefined) {
    expect([text, clamped, verdict(check, clamped)]).toEqual([
      text,
      clamped,
      'fits',
    ]);
  }
}
