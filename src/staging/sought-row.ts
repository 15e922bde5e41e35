/**
 * Whether the log holds a row: what both stores ask of an entry.
 *
 * The answer errs on one side only. "No" must be true, for on it a request is
 * refused; "yes" also stands for "that cannot be told".
 */
import { arrayElements } from '../mutation/json-text.ts';
import type { JsonText } from '../mutation/mutation.ts';
import { versionOf } from '../mutation/row-version.ts';
import { decodeTable, keyNamesHead } from './batch-codec.ts';
import type { SoughtRow, StagedEntry } from './staging.ts';

/**
 * Entries of one second of source time and one table that are looked into;
 * where there are more (a scan), it cannot be told.
 */
export const soughtEntriesLimit = 4096;
/** Of those that have the key's text somewhere, for each look into bodies. */
export const soughtPageEntries = 16;

/**
 * Bytes by which a store sorts out entries without decoding them. An entry
 * with the row has `version` in its body; and `key` too, if the body begins
 * (behind 5 bytes) with `head`, for then its keys are in the same order.
 */
export function soughtBytes({ keyColumns, key, version }: SoughtRow): {
  readonly version: Buffer;
  readonly key: Buffer;
  readonly head: Buffer;
} {
  return {
    version: Buffer.from(version),
    key: Buffer.from(key),
    head: Buffer.from(keyNamesHead(keyColumns)),
  };
}

export function mayHold(entry: StagedEntry, sought: SoughtRow): boolean {
  let part;
  try {
    part = decodeTable(entry);
  } catch {
    // Damaged: the sequencer says so where it matters.
    return true;
  }
  const wanted = keyTest(part.keyColumns, sought);
  return part.mutations.some(
    (row) => versionOf(row) === sought.version && wanted(row.key),
  );
}

function keyTest(
  names: readonly string[] | undefined,
  { keyColumns, key }: SoughtRow,
): (key: JsonText) => boolean {
  const isSame = (other: JsonText): boolean => other === key;
  if (names === undefined || keyColumns === undefined) {
    const isSingle = arrayElements(key).length === 1;
    return (other) => isSame(other) || !isSingle;
  }
  const positions = keyColumns.map((name) => names.indexOf(name));
  if (names.length !== keyColumns.length || positions.includes(-1)) {
    return () => true;
  }
  return positions.every((from, to) => from === to)
    ? isSame
    : (other) => {
        const elements = arrayElements(other);
        return `[${positions.map((at) => elements[at]).join(',')}]` === key;
      };
}
