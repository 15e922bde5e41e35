/**
 * Values that stand in for others for a moment: drawn from so many that
 * nobody will have them. Should somebody, his unique key says so.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { JsonText } from '../mutation/mutation.ts';
import type { SpareKind } from './target.ts';

/** Fewer are not enough to draw from. */
const leastCount = 1_000n;

/** In one case, for collations that know no other; no blanks, no marks. */
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
const mostCharacters = 24;
const leastCharacters = 5;

/**
 * Of the range the quarter that is least in use: the lowest numbers, or where
 * none is negative the highest ones.
 */
export function integerSpares(min: bigint, max: bigint): SpareKind | null {
  const quarter = (max - min) / 4n;
  if (quarter < leastCount) {
    return null;
  }
  return min < 0n
    ? { kind: 'integer', min, max: min + quarter }
    : { kind: 'integer', min: max - quarter, max };
}

export function decimalSpares({
  precision,
  scale,
}: {
  readonly precision: number;
  readonly scale: number;
}): SpareKind | null {
  const digitCount = BigInt(Math.min(18, precision - Math.max(0, scale)));
  if (digitCount < 1n || scale < 0) {
    return null;
  }
  const max = 10n ** digitCount - 1n;
  return integerSpares(-max, max);
}

function drawnBetween(min: bigint, max: bigint): bigint {
  const drawn = randomBytes(9).reduce(
    (sum, byte) => (sum << 8n) | BigInt(byte),
    0n,
  );
  return min + (drawn % (max - min + 1n));
}

export function textSpares(maxLength: number): SpareKind | null {
  const length = Math.min(maxLength, mostCharacters);
  return length < leastCharacters ? null : { kind: 'text', length };
}

/** Behind the calendar's reform, and before what people keep. */
const spareDays = {
  firstMs: Date.UTC(1600, 0, 1),
  lastMs: Date.UTC(1749, 11, 31, 23, 59, 59),
};

export function spareValue(kind: SpareKind): JsonText {
  switch (kind.kind) {
    case 'integer':
      return String(drawnBetween(kind.min, kind.max)) as JsonText;
    case 'date':
    case 'timestamp': {
      const { firstMs, lastMs } = spareDays;
      const hasZone = kind.kind === 'timestamp' && kind.hasZone;
      const timeMs = Number(drawnBetween(BigInt(firstMs), BigInt(lastMs)));
      // Whole seconds, which every type holds.
      const [seconds] = new Date(timeMs).toISOString().split('.');
      return (
        kind.kind === 'date'
          ? `"${seconds!.slice(0, 10)}"`
          : `"${seconds}${hasZone ? 'Z' : ''}"`
      ) as JsonText;
    }
    case 'text':
      return `"${[...randomBytes(kind.length)]
        .map((byte) => alphabet[byte % alphabet.length])
        .join('')}"` as JsonText;
    case 'uuid':
      return `"${randomUUID()}"` as JsonText;
  }
}
