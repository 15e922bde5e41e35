/**
 * Folding: of several versions of a row only the newest crosses.
 *
 * Applying the folded mutations leaves every row as applying all of them one
 * by one would have, where
 *
 *     a sparse row (one that lacks columns) overwrites what it carries
 *     a column that an inserted row lacks takes its default
 *     a truncation leaves no row, so that nothing lies under what follows it
 *     a moved row has, where it lacks columns, what the row at its old key had
 */
import { type Emptying, sinceEmptied } from './emptied-table.ts';
import { jsonToken, objectMembers } from './json-text.ts';
import type { JsonText, Mutation } from './mutation.ts';
import type { Timestamp } from './timestamp.ts';

export type FoldedMutation =
  | {
      readonly kind: 'delete';
      readonly key: JsonText;
      readonly time: Timestamp;
    }
  | FoldedRow;

export interface FoldedRow {
  /**
   * `upsert`: writes what `after` carries and leaves the rest as it is.
   * `replace`: the row must be deleted first, because it was deleted
   * before the sparse `after` came: absent columns take their defaults.
   */
  readonly kind: 'upsert' | 'replace';
  readonly key: JsonText;
  readonly time: Timestamp;
  readonly after: JsonText;
  /**
   * The key at which the row stands before all of the mutations; it moves
   * before `after` is written over it. No two rows come from one key. Moves
   * may pass keys on, also in a circle: those of a circle are one step.
   */
  readonly movedFrom?: JsonText;
  /** With `movedFrom`: another row had the key before, and left it. */
  readonly takesKey?: true;
  /** With `movedFrom`: it is whole, so that it could as well be written anew. */
  readonly couldStay?: true;
}

export interface FoldedMutations {
  /** The table is emptied before all else; null where it is not. */
  readonly emptied: Emptying | null;
  /** One for each key, in the order of the keys' newest versions. */
  readonly mutations: readonly FoldedMutation[];
}

/** What folding must know of the table. */
export interface FoldRules {
  /** Whether a row carries every column of its table. */
  isWhole(after: JsonText): boolean;
  isKeyColumn(name: string): boolean;
  /** Whole rows move too: what refers to them would go when they are deleted. */
  readonly movesWhole?: boolean;
}

/** One version of a row, or what it had at another key. */
interface Layer {
  readonly after: JsonText;
  readonly key: JsonText;
}

/** What is known of a key while versions are met from the newest backward. */
interface Fold {
  readonly newest: Mutation;
  /** Versions that are written over one another, newest first; null: one alone. */
  layers: Layer[] | null;
  /** The key whose older versions matter; null once none can. */
  at: JsonText | null;
  /** The delete of the key that the row has left is not a delete of the row. */
  skipsDelete: boolean;
  takesKey: boolean;
  kind: FoldedMutation['kind'];
}

/**
 * Of two versions the later time wins; at equal times the later in the list.
 *
 * `isWhole` is asked only of rows that have an older version in the list, so
 * that the common row costs one Map operation and is never read.
 */
export function foldByKey(
  mutations: readonly Mutation[],
  rules: FoldRules,
): FoldedMutations {
  const { emptied, mutations: ordered } = sinceEmptied(mutations);
  const folds = new Map<string, Fold>();
  const moved = new MovedFolds();
  for (let index = ordered.length - 1; index >= 0; index -= 1) {
    const mutation = ordered[index]!;
    const { key } = mutation;
    const followers = moved.leaveFrom(key);
    const fold = folds.get(key);
    if (fold === undefined) {
      const started = startFold(mutation);
      folds.set(key, started);
      moved.add(started);
    } else if (fold.at === key) {
      foldOlder(fold, mutation, rules);
      moved.add(fold);
    } else if (fold.at !== null) {
      fold.takesKey = true;
    }
    for (const follower of followers) {
      foldOlder(follower, mutation, rules);
      moved.add(follower);
    }
  }
  const folded: FoldedMutation[] = [];
  for (const fold of folds.values()) {
    const result = resultOf(fold, rules, emptied !== null);
    if (result) {
      folded.push(result);
    }
  }
  return { emptied, mutations: folded.reverse() };
}

/** Folds that look for older versions at other keys than their own. */
class MovedFolds {
  readonly #byKey = new Map<string, Fold[]>();

  /** Keeps the fold, if it looks elsewhere. */
  add(fold: Fold): void {
    const { at, newest } = fold;
    if (at === null || at === newest.key) {
      return;
    }
    const others = this.#byKey.get(at);
    if (others) {
      others.push(fold);
    } else {
      this.#byKey.set(at, [fold]);
    }
  }

  /** Those that look at the key, which are no longer kept. */
  leaveFrom(key: string): readonly Fold[] {
    if (this.#byKey.size === 0) {
      return [];
    }
    const folds = this.#byKey.get(key) ?? [];
    this.#byKey.delete(key);
    return folds;
  }
}

function startFold(newest: Mutation): Fold {
  const { key, after, movedFrom = key } = newest;
  return {
    newest,
    layers: null,
    at: after === null ? null : movedFrom,
    skipsDelete: movedFrom !== key,
    takesKey: false,
    kind: after === null ? 'delete' : 'upsert',
  };
}

function foldOlder(fold: Fold, older: Mutation, rules: FoldRules): void {
  const { newest } = fold;
  const layers = (fold.layers ??= [{ key: newest.key, after: newest.after! }]);
  const { key, after, movedFrom = key } = older;
  const isTwice = after === layers.at(-1)!.after && movedFrom === key;
  if (isTwice) {
    // The same version delivered twice.
    fold.skipsDelete = false;
  } else if (layers.length === 1 && endsSearch(layers[0]!.after, rules)) {
    fold.at = null;
  } else if (after !== null) {
    layers.push({ after, key });
    fold.at = endsSearch(after, rules) ? null : movedFrom;
    fold.skipsDelete = movedFrom !== key;
  } else if (fold.skipsDelete) {
    fold.skipsDelete = false;
  } else {
    fold.at = null;
    fold.kind = 'replace';
  }
}

/** Of a whole row nothing older matters but where it came from. */
function endsSearch(after: JsonText, rules: FoldRules): boolean {
  return rules.movesWhole !== true && rules.isWhole(after);
}

/** Null for what leaves an emptied table as it is. */
function resultOf(
  { newest, layers, at, takesKey, kind }: Fold,
  rules: FoldRules,
  isEmptied: boolean,
): FoldedMutation | null {
  const { key, time } = newest;
  if (kind === 'delete') {
    return isEmptied ? null : { kind, key, time };
  }
  const after =
    layers === null || layers.length === 1
      ? newest.after!
      : mergeLayers(layers, key, rules);
  const leavesKey = at !== null && at !== key && !isEmptied;
  const isWhole = leavesKey && rules.isWhole(after);
  const isMoved = leavesKey && (!isWhole || rules.movesWhole === true);
  return {
    kind,
    key,
    time,
    after,
    ...(isMoved && { movedFrom: at }),
    ...(isMoved && takesKey && { takesKey }),
    ...(isMoved && isWhole && { couldStay: true }),
  };
}

/** Merges top-level members, of which the newest wins. */
function mergeLayers(
  layers: readonly Layer[],
  key: JsonText,
  rules: FoldRules,
): JsonText {
  const values = new Map<string, JsonText>();
  for (const layer of layers.toReversed()) {
    for (const { name, value } of objectMembers(layer.after)) {
      if (layer.key === key || !rules.isKeyColumn(name)) {
        values.set(name, value);
      }
    }
  }
  const members: string[] = [];
  for (const [name, value] of values) {
    members.push(`${jsonToken(name)}:${value}`);
  }
  return `{${members.join(',')}}` as JsonText;
}
