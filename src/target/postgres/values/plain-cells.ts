/**
 * Which cells are elements of an array literal as they lie: what the checks of
 * limits.ts would let pass as it came. A fast path, in doubt it says no.
 */
import {
  isPlainDate,
  isPlainDecimal,
  isPlainTime,
  isPlainTimestamp,
} from '../../values/plain-bytes.ts';
import type { PostgresCodec } from './codec.ts';
import type { PostgresLimit } from './limits.ts';
import type { Strictness } from './values.ts';

/** A cell that is not null lies in the source from `start` to `end`. */
export type PlainTest = (source: Buffer, start: number, end: number) => boolean;

const quote = 0x22;

/** Of all types' texts; beyond these they have other digits. */
const plainYears = { first: 1, last: 9999 };
/** So many digits always survive. */
const floatDigits = { float4: 6, float8: 15 };

const longestName = 63;

const always: PlainTest = () => true;

/** Null where a text is made of each cell in any case. */
export function plainTest(
  codec: PostgresCodec,
  strictness: Strictness,
): PlainTest | null {
  if (codec.kind !== 'scalar') {
    return null;
  }
  const { limit } = codec;
  if (!limit) {
    return always;
  }
  if (strictness === 'full') {
    return null;
  }
  return limitTest(limit);
}

/** What is none of `isSilent` the server refuses itself. */
function limitTest(limit: PostgresLimit): PlainTest | null {
  switch (limit.type) {
    case 'numeric': {
      const { precision, scale } = limit;
      const wholeCount = precision - scale;
      return wholeCount > 0 && scale >= 0
        ? unquoted((source, start, end) =>
            isPlainDecimal(source, start, end, wholeCount, scale),
          )
        : null;
    }
    case 'float4':
    case 'float8': {
      const digits = floatDigits[limit.type];
      return unquoted(
        (source, start, end) =>
          end - start <= digits &&
          isPlainDecimal(source, start, end, digits, digits),
      );
    }
    case 'name':
      return noLongerThan(longestName);
    case 'limited-text':
      return noLongerThan(limit.length);
    case 'date':
      return unquoted(
        (source, start, end) =>
          end - start === 10 && isPlainDate(source, start, plainYears),
      );
    case 'time':
    case 'timetz': {
      const { fractionDigits } = limit;
      return unquoted((source, start, end) =>
        isPlainTime(source, start, end, fractionDigits),
      );
    }
    case 'timestamp':
    case 'timestamptz': {
      const { fractionDigits } = limit;
      return unquoted((source, start, end) =>
        isPlainTimestamp(source, start, end, plainYears, fractionDigits),
      );
    }
    case 'char':
    case 'money':
    case 'interval':
      return null;
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
    case 'unlimited-numeric':
    case 'bool':
    case 'uuid':
    case 'bytea':
    case 'text':
    case 'enum':
    case 'bit':
    case 'varbit':
      return always;
  }
}

/** There are no more characters than bytes. */
function noLongerThan(longest: number): PlainTest {
  return unquoted((_source, start, end) => end - start <= longest);
}

/** Looks at what is between the quotes, where there are any. */
function unquoted(test: PlainTest): PlainTest {
  return (source, start, end) =>
    source[start] === quote
      ? test(source, start + 1, end - 1)
      : test(source, start, end);
}
