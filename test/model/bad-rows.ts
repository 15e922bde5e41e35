/** Rows that the source takes and the target refuses. */
import { createRandom } from '../../src/workload/random.ts';
import { type Commit, type Row } from './model-rows.ts';

/** The target takes no `v` from here on. */
export const badFrom = 1_000;

/** The same history, where some rows have a `v` that is too large. */
export function withBadRows(
  commits: readonly Commit[],
  seed: number,
): Commit[] {
  const random = createRandom(seed);
  const rows = new Map<string, Row>();
  return commits.map((commit) =>
    commit.map((change) => {
      const name = `${change.table} ${change.key}`;
      const before = rows.get(name) ?? null;
      if (change.after === null) {
        rows.delete(name);
        return { ...change, before };
      }
      const { v } = change.after;
      const isCarried = change.carried?.includes('v') ?? true;
      const after = {
        ...change.after,
        // What is not carried has not changed.
        v: isCarried ? (random.chance(0.1) ? badFrom + v! : v!) : before!['v']!,
      };
      rows.set(name, after);
      return { ...change, before, after };
    }),
  );
}
