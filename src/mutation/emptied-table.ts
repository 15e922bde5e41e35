/** Tables that are emptied: of what comes before that, nothing is left. */
import { isTruncation, type Mutation, restartsIdentity } from './mutation.ts';
import { inVersionOrder } from './row-version.ts';

/** What a table has before the mutations that are left: no rows. */
export interface Emptying {
  /** The counters of its identity columns start again. */
  readonly restartsIdentity: boolean;
}

export interface LastMutations {
  /** Null where the table keeps its rows. */
  readonly emptied: Emptying | null;
  /** In time order; those of equal time in the order of the list. */
  readonly mutations: readonly Mutation[];
}

/** The mutations behind the last truncation; all where there is none. */
export function sinceEmptied(mutations: readonly Mutation[]): LastMutations {
  const ordered = inVersionOrder(mutations);
  const last = ordered.findLastIndex(isTruncation);
  return last < 0
    ? { emptied: null, mutations: ordered }
    : {
        // Rows that are written with their numbers do not move the counters.
        emptied: { restartsIdentity: ordered.some(restartsIdentity) },
        mutations: ordered.slice(last + 1),
      };
}
