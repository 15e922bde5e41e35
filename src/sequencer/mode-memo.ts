import type { SchemaName } from '../mutation/schema-name.ts';
import type { StagingStore } from '../staging/staging.ts';

export type SequencerMode = 'consistent' | 'immediate';

/**
 * Which mode has acknowledged rows of this schema last. Consistent mode
 * acknowledges what is staged, immediate mode only what is applied: the next
 * start must know what it finds in staging.
 */
export async function lastMode(
  store: StagingStore,
  schema: SchemaName,
): Promise<SequencerMode | null> {
  return (await store.memo(memoName(schema))) as SequencerMode | null;
}

/** Before the first acknowledgement in consistent mode; after recovery in immediate. */
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
