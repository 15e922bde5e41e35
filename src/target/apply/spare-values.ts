/**
 * Values that stand in for others for a moment: from so many that hardly
 * anybody has them. Should somebody, his unique key says so.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { JsonText } from '../../mutation/mutation.ts';
import type { SpareKind } from '../target.ts';

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

export function textSpares(maxLength: number): SpareKind | null {
  const length = Math.min(maxLength, mostCharacters);
  return length < leastCharacters ? null : { kind: 'text', length };
}

/** Behind the calendar's reform, and before what people keep. */
const spareDays = {
  firstMs: Date.UTC(1600, 0, 1),
  lastMs: Date.UTC(1749, 11, 31, 23, 59, 59),
};
const dayMs = 86_400_000;

/**
 * From a random one on one after the other, for each place by itself: none
 * comes twice at one place before all of its kind have come.
 */
export class SpareValues {
  readonly #drawn = new Map<string, bigint>();

  next(place: string, kind: SpareKind): JsonText {
    if (kind.kind === 'uuid') {
      return `"${randomUUID()}"` as JsonText;
    }
    const count = countOf(kind);
    const index = (this.#drawn.get(place) ?? drawnBelow(count)) % count;
    this.#drawn.set(place, index + 1n);
    return valueAt(kind, index);
  }
}

type CountedKind = Exclude<SpareKind, { readonly kind: 'uuid' }>;

function countOf(kind: CountedKind): bigint {
  const { firstMs, lastMs } = spareDays;
  switch (kind.kind) {
    case 'integer':
      return kind.max - kind.min + 1n;
    case 'date':
      return BigInt(Math.ceil((lastMs - firstMs) / dayMs));
    case 'timestamp':
      return BigInt((lastMs - firstMs) / 1_000);
    case 'text':
      return BigInt(alphabet.length) ** BigInt(kind.length);
  }
}

function valueAt(kind: CountedKind, index: bigint): JsonText {
  const { firstMs } = spareDays;
  switch (kind.kind) {
    case 'integer':
      return String(kind.min + index) as JsonText;
    case 'date': {
      const day = new Date(firstMs + Number(index) * dayMs).toISOString();
      return `"${day.slice(0, 10)}"` as JsonText;
    }
    case 'timestamp': {
      // Whole seconds, which every type holds.
      const time = new Date(firstMs + Number(index) * 1_000).toISOString();
      return `"${time.slice(0, 19)}${kind.hasZone ? 'Z' : ''}"` as JsonText;
    }
    case 'text':
      return `"${digitsOf(index, kind.length)}"` as JsonText;
  }
}

function digitsOf(index: bigint, length: number): string {
  const base = BigInt(alphabet.length);
  let rest = index;
  let text = '';
  while (text.length < length) {
    text = alphabet[Number(rest % base)]! + text;
    rest /= base;
  }
  return text;
}

/** Of up to 120 bits, as the texts have. */
function drawnBelow(count: bigint): bigint {
  const drawn = randomBytes(20).reduce(
    (sum, byte) => (sum << 8n) | BigInt(byte),
    0n,
  );
  return drawn % count;
}
