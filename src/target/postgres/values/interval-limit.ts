/** Intervals round to microseconds, and drop the fields below the column's. */
import type { ValueCheck } from '../../values/value-limits.ts';
import { UnstorableValue } from '../../value-policy.ts';

const fields = ['year', 'month', 'day', 'hour', 'minute', 'second'] as const;
export type IntervalField = (typeof fields)[number];

/** Bits of the range that a modifier has in its upper half (datetime.h). */
const fieldBits: Readonly<Record<IntervalField, number>> = {
  year: 1 << 2,
  month: 1 << 1,
  day: 1 << 3,
  hour: 1 << 10,
  minute: 1 << 11,
  second: 1 << 12,
};

export function lowestIntervalField(typmod: number): IntervalField {
  const range = typmod < 0 ? 0x7fff : (typmod >> 16) & 0x7fff;
  return fields.findLast((field) => (range & fieldBits[field]) !== 0)!;
}

/** As CockroachDB and PostgreSQL write it: `1 year -2 mons 3 days 04:05:06.7`. */
const writtenForm =
  /^(?:[+-]?\d+ years?)? ?(?:([+-]?\d+) mons?)? ?(?:([+-]?\d+) days?)? ?(?:[+-]?(\d+):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?$/;

export function intervalCheck({
  fractionDigits,
  lowestField,
}: {
  readonly fractionDigits: number;
  readonly lowestField: IntervalField;
}): ValueCheck {
  return (text) => {
    if (hasLongFraction(text, fractionDigits)) {
      return new UnstorableValue(
        `has more than ${fractionDigits} digits in a fraction`,
      );
    }
    return lowestField === 'second' || isWithin(text, lowestField)
      ? null
      : new UnstorableValue(`has fields below the ${lowestField}`);
  };
}

function hasLongFraction(text: string, digitCount: number): boolean {
  const dotAt = text.indexOf('.');
  if (dotAt < 0) {
    return false;
  }
  return [...text.matchAll(/\.(\d*)/g)].some(
    ([, digits]) => digits!.replace(/0+$/, '').length > digitCount,
  );
}

/** False for other forms too, whose fields are not told apart here. */
function isWithin(text: string, lowestField: IntervalField): boolean {
  const match = writtenForm.exec(text);
  if (!match) {
    return false;
  }
  const [months = 0, ...lower] = match
    .slice(1)
    .map((part) => Number(part ?? 0));
  const below = [months % 12, ...lower].slice(fields.indexOf(lowestField));
  return below.every((count) => count === 0);
}
