import type { TableMutations } from '../mutation/mutation.ts';
import type { Timestamp } from '../mutation/timestamp.ts';

/**
 * Drops what is at or below the applied watermark (design D2): by the
 * changefeed contract all of it was delivered, staged and applied before, so
 * it can only be a redelivery. This is true for ever and costs no memory.
 */
export function dropRedelivered(
  tables: readonly TableMutations[],
  applied: Timestamp,
): { fresh: TableMutations[]; freshCount: number; duplicateCount: number } {
  const fresh: TableMutations[] = [];
  let freshCount = 0;
  let totalCount = 0;
  for (const { table, mutations } of tables) {
    totalCount += mutations.length;
    const kept = mutations.every((mutation) => mutation.time > applied)
      ? mutations
      : mutations.filter((mutation) => mutation.time > applied);
    if (kept.length > 0) {
      fresh.push({ table, mutations: kept });
      freshCount += kept.length;
    }
  }
  return { fresh, freshCount, duplicateCount: totalCount - freshCount };
}
