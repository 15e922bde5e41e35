import { setTimeout as sleep } from 'node:timers/promises';

import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Checkpoint, StagingStore } from '../../staging/staging.ts';
import type { StagingBudget } from '../feed/staging-budget.ts';

const lookEveryMs = 250;
const measureEveryMs = 5_000;

interface FollowContext {
  readonly store: StagingStore;
  readonly schema: SchemaName;
  readonly budget: StagingBudget;
  /** Whoever retires also measures. */
  readonly isRetiring: () => boolean;
  readonly onCheckpoint: (checkpoint: Checkpoint) => Promise<void>;
}

/**
 * What other daemons do to the staging that is shared with them: their resolved
 * timestamps, how far the leader is, how much room is left. Never rejects; runs
 * until the signal aborts.
 */
export async function followStaging(
  context: FollowContext,
  signal: AbortSignal,
): Promise<void> {
  const { store, schema, budget } = context;
  let measureAtMs = 0;
  while (!signal.aborted) {
    try {
      await context.onCheckpoint(await store.checkpoint(schema, signal));
      if (!context.isRetiring() && performance.now() >= measureAtMs) {
        measureAtMs = performance.now() + measureEveryMs;
        await budget.measure(signal);
      }
    } catch {
      // Staging's own errors are told where rows are staged and read.
    }
    await sleep(lookEveryMs, undefined, { signal }).catch(() => {});
  }
}
