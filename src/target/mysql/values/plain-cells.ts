/**
 * The cells of a file that are the bytes of their JSON: digits, times in UTC,
 * short texts of ASCII. They are checked and written in one go, and no text is
 * made.
 *
 * A fast path: of a cell that it takes, the reader of row-encoding.ts makes
 * the same bytes.
 */
import type { ColumnShape } from '../../target.ts';
import { isPlainDate, isPlainTimestamp } from '../../values/plain-bytes.ts';
import { codecOf } from './codec.ts';

/** Says where the cell ends in the file, or {@link notPlain}. */
export type CellWriter = (
  source: Buffer,
  start: number,
  end: number,
  file: Buffer,
  at: number,
) => number;

export const notPlain = -1;

/**
 * Longer cells are not given to a writer: of those the copies that a text
 * takes cost less than reading byte by byte.
 */
export const longestPlain = 64;

const space = 0x20;
const quote = 0x22;
const plus = 0x2b;
const minus = 0x2d;
const dot = 0x2e;
const zero = 0x30;
const one = 0x31;
const nine = 0x39;
const upperN = 0x4e;
const upperZ = 0x5a;
const backslash = 0x5c;
const lowerF = 0x66;
const lowerN = 0x6e;
const lowerT = 0x74;
const tilde = 0x7e;

const neverPlain: CellWriter = () => notPlain;

/** Takes NULL of any column. */
export function plainCellWriter(column: ColumnShape): CellWriter {
  const write = valueWriter(column);
  return (source, start, end, file, at) => {
    if (source[start] === lowerN) {
      file[at] = backslash;
      file[at + 1] = upperN;
      return at + 2;
    }
    return write(source, start, end, file, at);
  };
}

function valueWriter(column: ColumnShape): CellWriter {
  const codec = codecOf(column);
  switch (codec.kind) {
    case 'integer':
      return BigInt(codec.min) <= 0n
        ? integerWriter(codec.min, codec.max)
        : neverPlain;
    case 'decimal':
      return numberWriter({
        wholeDigits: codec.precision - codec.scale,
        negativeDigits: codec.precision - codec.scale,
        fractionDigits: codec.scale,
      });
    case 'text':
      return textWriter(codec.maxLength ?? Infinity, codec.fixed);
    case 'other':
      return textWriter(Infinity, false);
    case 'datetime':
      return datetimeWriter(codec);
    case 'date':
      return dateWriter;
    case 'float':
    case 'bit':
    case 'binary':
    case 'enum':
    case 'set':
    case 'json':
    case 'time':
    case 'geometry':
      return neverPlain;
  }
}

interface NumberLimits {
  readonly wholeDigits: number;
  /** The same behind a minus. */
  readonly negativeDigits: number;
  /** Null: no point either. */
  readonly fractionDigits: number | null;
}

/** All numbers of one digit less than the limit has are below it. */
function integerWriter(min: string, max: string): CellWriter {
  const write = numberWriter({
    wholeDigits: max.length - 1,
    negativeDigits: min.length - 2,
    fractionDigits: null,
  });
  return (source, start, end, file, at) => {
    const first = source[start];
    if (first === lowerT || first === lowerF) {
      file[at] = first === lowerT ? one : zero;
      return at + 1;
    }
    return write(source, start, end, file, at);
  };
}

function numberWriter({
  wholeDigits,
  negativeDigits,
  fractionDigits,
}: NumberLimits): CellWriter {
  return (source, cellStart, cellEnd, file, at) => {
    const isQuoted = source[cellStart] === quote;
    const start = isQuoted ? cellStart + 1 : cellStart;
    const end = isQuoted ? cellEnd - 1 : cellEnd;
    const isNegative = source[start] === minus;
    const first = isNegative ? start + 1 : start;
    let written = at;
    if (isNegative) {
      file[written] = minus;
      written += 1;
    }
    let wholeEnd = end;
    for (let from = first; from < end; from += 1) {
      const code = source[from]!;
      if (code === dot && wholeEnd === end && fractionDigits !== null) {
        wholeEnd = from;
      } else if (code < zero || code > nine) {
        return notPlain;
      }
      file[written] = code;
      written += 1;
    }
    const fits =
      wholeEnd > first &&
      wholeEnd - first <= (isNegative ? negativeDigits : wholeDigits) &&
      (wholeEnd === end || end - wholeEnd - 1 <= fractionDigits!);
    return fits ? written : notPlain;
  };
}

/** What is ASCII has as many bytes as characters. */
function textWriter(maxLength: number, dropsSpaces: boolean): CellWriter {
  return (source, start, end, file, at) => {
    const last = end - 1;
    if (
      source[start] !== quote ||
      last - start - 1 > maxLength ||
      (dropsSpaces && source[last - 1] === space)
    ) {
      return notPlain;
    }
    let written = at;
    for (let from = start + 1; from < last; from += 1) {
      const code = source[from]!;
      if (code < space || code > tilde || code === backslash) {
        return notPlain;
      }
      file[written] = code;
      written += 1;
    }
    return written;
  };
}

/** Years of which every instant is in the range of the type. */
const allYears = { first: 1, last: 9999 };
const timestampYears = { first: 1971, last: 2037 };

/** Without the zone, which is UTC. */
function datetimeWriter({
  fractionDigits,
  until,
}: {
  readonly fractionDigits: number;
  readonly until: string | null;
}): CellWriter {
  const years = until === null ? allYears : timestampYears;
  return (source, start, end, file, at) => {
    const first = start + 1;
    const last = end - 1;
    if (
      source[start] !== quote ||
      !isPlainTimestamp(source, first, last, years, fractionDigits)
    ) {
      return notPlain;
    }
    let written = at;
    for (let from = first; from < last; from += 1) {
      const code = source[from]!;
      if (code === upperZ || code === plus) {
        break;
      }
      file[written] = code;
      written += 1;
    }
    return written;
  };
}

const dateWriter: CellWriter = (source, start, end, file, at) => {
  if (
    end - start !== 12 ||
    source[start] !== quote ||
    !isPlainDate(source, start + 1, allYears)
  ) {
    return notPlain;
  }
  for (let place = 0; place < 10; place += 1) {
    file[at + place] = source[start + 1 + place]!;
  }
  return at + 10;
};
