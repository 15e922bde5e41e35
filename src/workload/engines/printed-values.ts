/** Texts that several engines print alike. */
import type { ValueCell } from './engine.ts';

/** Digits behind the point of every `decimal` column but PostgreSQL's. */
export const decimalScale = 8;
/** 26 digits before the point, {@link decimalScale} behind it, and room. */
export const decimalPrecision = 38;

export function sameText(cell: ValueCell): string {
  return cell.text;
}

/** `12.34` is `12.34000000` in a column that has a scale. */
export function scaledDecimal({ text }: ValueCell): string {
  const [whole = '', fraction = ''] = text.split('.');
  return `${whole}.${fraction.padEnd(decimalScale, '0')}`;
}

/** `2026-01-02 03:04:05.678900`: six digits, in UTC. */
export function utcMicroseconds({ text }: ValueCell): string {
  const [seconds = '', fraction = ''] = text.replace('+00', '').split('.');
  return `${seconds}.${fraction.padEnd(6, '0')}`;
}

export function zeroOrOne({ text }: ValueCell): string {
  return text === 'true' ? '1' : '0';
}

/** `\x00ff` is `00FF`. */
export function upperHex({ text }: ValueCell): string {
  return text.slice(2).toUpperCase();
}

/** Minus zero is zero where the engine prints it so. */
export function withoutMinusZero({ text }: ValueCell): string {
  return text === '-0' ? '0' : text;
}

export function canonicalJsonOf({ json }: ValueCell): string {
  return canonicalJson(json);
}

/**
 * The same value always as the same text: keys in order, no blanks, numbers
 * digit by digit as they were written. Text that is no JSON stays.
 */
export function canonicalJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text, keepDigits), inKeyOrder);
  } catch {
    return text;
  }
}

interface RawJson {
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): boolean;
}
const rawJson = JSON as unknown as RawJson;

function keepDigits(
  this: unknown,
  _key: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  return typeof value === 'number' ? rawJson.rawJSON(context!.source!) : value;
}

function inKeyOrder(this: unknown, _key: string, value: unknown): unknown {
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    rawJson.isRawJSON(value)
  ) {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value).toSorted(([left], [right]) =>
      left < right ? -1 : 1,
    ),
  );
}
