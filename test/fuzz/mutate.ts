/** Makes another input out of one, as fuzzers do: small damage, at random. */
import type { Random } from './random.ts';

/** Longer inputs find nothing that shorter ones do not, and cost more. */
export const maxInputBytes = 2_048;

const edgeBytes = Buffer.from(
  '\0\x01\x1f "%&+,-./0159:;=?@[\\]{}eEntu\x7f\x80\xc0\xe2\xff',
  'latin1',
);
const edgeNumbers = [
  '0',
  '-0',
  '-1',
  '00',
  '1e400',
  '2147483647',
  '2147483648',
  '4294967296',
  '9223372036854775807',
  '9223372036854775808',
  '99999999999999999999',
];

export interface MutationSources {
  /** What has been worth keeping so far: pieces are taken from it. */
  readonly kept: readonly Buffer[];
  readonly dictionary: readonly string[];
}

/** One to six changes. */
export function mutate(
  input: Buffer,
  sources: MutationSources,
  random: Random,
): Buffer {
  let bytes = input;
  for (let left = 1 + random.below(6); left > 0; left -= 1) {
    bytes = random.pick(changes)(bytes, sources, random);
  }
  return bytes.length > maxInputBytes
    ? bytes.subarray(0, maxInputBytes)
    : bytes;
}

type Change = (
  bytes: Buffer,
  sources: MutationSources,
  random: Random,
) => Buffer;

const changes: readonly Change[] = [
  // A bit.
  (bytes, _sources, random) => {
    const changed = Buffer.from(bytes);
    if (changed.length > 0) {
      changed[random.below(changed.length)]! ^= 1 << random.below(8);
    }
    return changed;
  },
  // A byte, put in or over another.
  (bytes, _sources, random) =>
    spliced(bytes, place(bytes, random), random.below(2), [
      random.below(4) === 0 ? random.below(256) : random.pick([...edgeBytes]),
    ]),
  // A range, cut out.
  (bytes, _sources, random) =>
    spliced(bytes, place(bytes, random), range(random), []),
  // A range, said twice.
  (bytes, _sources, random) => {
    const at = place(bytes, random);
    return spliced(bytes, at, 0, bytes.subarray(at, at + range(random)));
  },
  // A word, put in or over others.
  (bytes, { dictionary }, random) =>
    spliced(
      bytes,
      place(bytes, random),
      random.below(2) === 0 ? 0 : range(random),
      Buffer.from(random.pick(dictionary), 'latin1'),
    ),
  // A number, in the place of another.
  (bytes, _sources, random) => {
    const numbers = [...bytes.toString('latin1').matchAll(/-?\d+/g)];
    if (numbers.length === 0) {
      return bytes;
    }
    const { index, 0: digits } = random.pick(numbers);
    return spliced(
      bytes,
      index,
      digits.length,
      Buffer.from(random.pick(edgeNumbers)),
    );
  },
  // A piece of another input.
  (bytes, { kept }, random) => {
    const other = random.pick(kept);
    const from = place(other, random);
    return spliced(
      bytes,
      place(bytes, random),
      random.below(2) === 0 ? 0 : range(random),
      other.subarray(from, from + range(random)),
    );
  },
  // The beginning of one, the end of another.
  (bytes, { kept }, random) => {
    const other = random.pick(kept);
    return Buffer.concat([
      bytes.subarray(0, place(bytes, random)),
      other.subarray(place(other, random)),
    ]);
  },
];

function place(bytes: Buffer, random: Random): number {
  return random.below(bytes.length + 1);
}

/** Mostly short. */
function range(random: Random): number {
  return 1 + random.below(1 << random.below(8));
}

function spliced(
  bytes: Buffer,
  at: number,
  removed: number,
  put: Iterable<number>,
): Buffer {
  return Buffer.concat([
    bytes.subarray(0, at),
    Uint8Array.from(put),
    bytes.subarray(at + removed),
  ]);
}
