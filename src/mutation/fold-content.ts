/**
 * Folding where rows have no key: they are told apart by all that they hold,
 * and of equal rows only the number counts.
 *
 * Writing what is inserted and then deleting what is deleted leaves as many
 * of each row as applying the mutations one by one would have, if each delete
 * then found its row.
 */
import { ReplicatorError } from '../failure/failure.ts';
import { type Emptying, sinceEmptied } from './emptied-table.ts';
import type { JsonText, Mutation } from './mutation.ts';

export interface ContentRow {
  readonly key: JsonText;
  /** The whole row. */
  readonly after: JsonText;
}

export interface FoldedContent {
  /** The table is emptied before all else; null where it is not. */
  readonly emptied: Emptying | null;
  /** Equal rows as often as they are to be there. */
  readonly inserted: readonly ContentRow[];
  /** Equal rows as often as one is to go; none that is inserted too. */
  readonly deleted: readonly ContentRow[];
}

/** Throws E4008 where a mutation is not of a row without a key. */
export function foldByContent(mutations: readonly Mutation[]): FoldedContent {
  const { emptied, mutations: last } = sinceEmptied(mutations);
  const counts = new Map<string, { row: ContentRow; count: number }>();
  for (const mutation of last) {
    // Not by the key, in which 1.0 is 1.00: each is written as it came.
    const after = rowOf(mutation);
    const change = mutation.after === null ? -1 : 1;
    const counted = counts.get(after);
    if (counted) {
      counted.count += change;
    } else {
      counts.set(after, { row: { key: mutation.key, after }, count: change });
    }
  }
  const inserted: ContentRow[] = [];
  const deleted: ContentRow[] = [];
  for (const { row, count } of counts.values()) {
    for (let left = Math.abs(count); left > 0; left -= 1) {
      (count > 0 ? inserted : deleted).push(row);
    }
  }
  return { emptied, inserted, deleted: emptied ? [] : deleted };
}

function rowOf({ after, before, movedFrom }: Mutation): JsonText {
  const row = after ?? before;
  if (
    row === null ||
    movedFrom !== undefined ||
    (after !== null && before !== null)
  ) {
    throw new ReplicatorError('E4008', {
      detail:
        'a change of a row by its key came for a table that has no primary key at the target',
      remedy: 'give the table the primary key that it has at the source',
    });
  }
  return row;
}
