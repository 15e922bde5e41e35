import type { JsonText, Mutation } from '../../mutation/mutation.ts';
import { byVersion } from '../../mutation/row-version.ts';
import { previousTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import { decodeTable, isPartEnd } from '../../staging/batch-codec.ts';
import type { EntrySummary } from '../../staging/staging.ts';
import { alignKeys } from '../reading/key-alignment.ts';
import type { SequencerContext } from '../sequencer.ts';

/**
 * All versions of some rows in one source transaction, as they are staged: a
 * transaction that is written in parts may come in parts of its rows too.
 */
export async function stagedVersions(
  { store, schema, options, ...context }: SequencerContext,
  time: Timestamp,
  wanted: ReadonlyMap<string, ReadonlySet<JsonText>>,
  signal: AbortSignal,
): Promise<Map<string, Map<JsonText, Mutation[]>>> {
  const found = new Map<string, Map<JsonText, Mutation[]>>();
  const shape = context.shape();
  let cursor: EntrySummary | null = null;
  for (;;) {
    const entries = await store.read(
      schema,
      {
        after: previousTimestamp(time),
        through: time,
        cursor,
        limitRows: options.scanSize,
        limitBytes: options.readBudgetBytes,
      },
      signal,
    );
    for (const entry of entries) {
      const keys = wanted.get(entry.table);
      if (!keys || isPartEnd(entry)) {
        continue;
      }
      for (const mutation of alignKeys(decodeTable(entry), shape).mutations) {
        if (mutation.time === time && keys.has(mutation.key)) {
          const rows = found.get(entry.table) ?? new Map();
          found.set(entry.table, rows);
          const versions = rows.get(mutation.key) ?? [];
          rows.set(mutation.key, versions);
          versions.push(mutation);
        }
      }
    }
    if (entries.length === 0) {
      for (const versions of [...found.values()].flatMap((rows) => [
        ...rows.values(),
      ])) {
        versions.sort(byVersion);
      }
      return found;
    }
    cursor = entries.at(-1)!;
  }
}
