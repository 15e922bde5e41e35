/**
 * Folding: of several versions of a row only the newest crosses.
 *
 * Applying the folded mutations leaves every row as applying all of them one
 * by one would have, where a sparse row (one that lacks columns) overwrites
 * what it carries, and a column that an inserted row lacks takes its default.
 */
import { jsonToken, objectMembers } from './json-text.ts';
import type { JsonText, Mutation } from './mutation.ts';
import type { Timestamp } from './timestamp.ts';

export type FoldedMutation =
  | {
      readonly kind: 'delete';
      readonly key: JsonText;
      readonly time: Timestamp;
    }
  | {
      /**
       * `upsert`: writes what `after` carries and leaves the rest as it is.
       * `replace`: the row must be deleted first, because it was deleted
       * before the sparse `after` came: absent columns take their defaults.
       */
      readonly kind: 'upsert' | 'replace';
      readonly key: JsonText;
      readonly time: Timestamp;
      readonly after: JsonText;
    };

/** What is known of a key while versions are met from the newest backward. */
interface Fold {
  readonly newest: Mutation;
  /** Sparse rows, newest first; null once nothing older can matter. */
  sparse: JsonText[] | null;
  result: FoldedMutation;
}

/**
 * One mutation for each key, in the order of the keys' newest versions.
 * Of two versions the later time wins; at equal times the later in the list.
 *
 * `isWhole` tells whether a row carries every column of its table. It is
 * asked only of rows that have an older version in the list, so that the
 * common row costs one Map operation and is never read.
 */
export function foldByKey(
  mutations: readonly Mutation[],
  isWhole: (after: JsonText) => boolean,
): FoldedMutation[] {
  const ordered = inTimeOrder(mutations);
  const folds = new Map<string, Fold>();
  for (let index = ordered.length - 1; index >= 0; index -= 1) {
    const mutation = ordered[index]!;
    const fold = folds.get(mutation.key);
    if (fold === undefined) {
      folds.set(mutation.key, startFold(mutation));
    } else if (fold.sparse !== null) {
      foldOlder(fold, mutation, isWhole);
    }
  }
  const folded: FoldedMutation[] = [];
  for (const fold of folds.values()) {
    const { sparse, result } = fold;
    folded.push(
      sparse === null || sparse.length === 0 ? result : merged(fold, sparse),
    );
  }
  return folded.reverse();
}

function inTimeOrder(mutations: readonly Mutation[]): readonly Mutation[] {
  for (let index = 1; index < mutations.length; index += 1) {
    if (mutations[index]!.time < mutations[index - 1]!.time) {
      return mutations.toSorted((a, b) =>
        a.time < b.time ? -1 : a.time > b.time ? 1 : 0,
      );
    }
  }
  return mutations;
}

function startFold(mutation: Mutation): Fold {
  const { key, time, after } = mutation;
  return after === null
    ? { newest: mutation, sparse: null, result: { kind: 'delete', key, time } }
    : {
        newest: mutation,
        sparse: [],
        result: { kind: 'upsert', key, time, after },
      };
}

function foldOlder(
  fold: Fold,
  older: Mutation,
  isWhole: (after: JsonText) => boolean,
): void {
  const sparse = fold.sparse!;
  if (older.after === (sparse.at(-1) ?? fold.newest.after)) {
    // The same version delivered twice.
    return;
  }
  if (sparse.length === 0) {
    const newest = fold.newest.after!;
    if (isWhole(newest)) {
      fold.sparse = null;
      return;
    }
    sparse.push(newest);
  }
  if (older.after === null) {
    fold.result = { ...merged(fold, sparse), kind: 'replace' };
    fold.sparse = null;
    return;
  }
  sparse.push(older.after);
  if (isWhole(older.after)) {
    fold.result = merged(fold, sparse);
    fold.sparse = null;
  }
}

/** The upsert that carries the members of all rows, the newest's first. */
function merged(
  fold: Fold,
  rows: readonly JsonText[],
): Extract<FoldedMutation, { after: JsonText }> {
  const { key, time, after } = fold.newest;
  return {
    kind: 'upsert',
    key,
    time,
    after: rows.length === 1 ? after! : mergeRows(rows),
  };
}

/** Merges top-level members; rows stand newest first, the newest member wins. */
function mergeRows(rows: readonly JsonText[]): JsonText {
  const values = new Map<string, JsonText>();
  for (const row of rows.toReversed()) {
    for (const { name, value } of objectMembers(row)) {
      values.set(name, value);
    }
  }
  const members: string[] = [];
  for (const [name, value] of values) {
    members.push(`${jsonToken(name)}:${value}`);
  }
  return `{${members.join(',')}}` as JsonText;
}
