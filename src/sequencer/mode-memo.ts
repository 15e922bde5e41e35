import type { SchemaName } from '../mutation/schema-name.ts';
import type { StagingStore } from '../staging/staging.ts';

/** `recovering`: immediate mode behind consistent mode, before it takes rows. */
export type SequencerMode = 'consistent' | 'recovering' | 'immediate';

/**
 * Which mode has acknowledged rows of this schema last, and whether rows may
 * be at the target that lie beyond the watermark. The next start must know
 * what it finds, however the last one ended:
 *
 *                   what is staged        beyond the watermark there may be at the target
 *     consistent    was acknowledged      what the ceiling says (ahead-ceiling.ts)
 *     recovering    was acknowledged      anything that is staged
 *     immediate     may have been         anything that is staged
 *
 *     consistent ── before the first row is recovered ──► recovering
 *     recovering ── all that was staged is applied ──► immediate
 *     either ── the ceiling is noted ──► consistent
 */
export async function lastMode(
  store: StagingStore,
  schema: SchemaName,
): Promise<SequencerMode | null> {
  return (await store.memo(memoName(schema))) as SequencerMode | null;
}

/** Durable when it resolves. */
export async function noteMode(
  store: StagingStore,
  schema: SchemaName,
  mode: SequencerMode,
): Promise<void> {
  if ((await lastMode(store, schema)) !== mode) {
    await store.setMemo(memoName(schema), mode);
  }
}

function memoName(schema: SchemaName): string {
  return `mode:${schema}`;
}
