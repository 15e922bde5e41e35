import { setTimeout as sleep } from 'node:timers/promises';

import type { SchemaName } from '../mutation/schema-name.ts';
import { type Timestamp, timestampFromMs } from '../mutation/timestamp.ts';
import type { StagingStore } from '../staging/staging.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { StagingBudget } from './feed/staging-budget.ts';

const everyMs = 5_000;
/** While staging is short of room: what is applied must go, or nothing moves. */
const pressedEveryMs = 250;
/** Entries deleted in one step: bounds the locks and the length of a commit. */
const stepEntries = 1_000;

interface RetireContext {
  readonly store: StagingStore;
  readonly schema: SchemaName;
  readonly budget: StagingBudget;
  readonly retireOffsetMs: number;
  readonly applied: () => Timestamp;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/**
 * Takes applied entries out of the log when they are older than
 * --retireOffset, or as soon as they are applied while staging is short of
 * room. Runs until the signal aborts.
 */
export async function retireLoop(
  context: RetireContext,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await context.budget.measure(signal);
      await retireOnce(context, signal);
    } catch (error) {
      if (!signal.aborted) {
        context.metrics.stage_retire_errors_total.inc({
          schema: context.schema,
        });
        context.logger.warn(
          { err: error },
          'retiring applied entries failed; it is tried again',
        );
      }
    }
    const waitMs = context.budget.underPressure ? pressedEveryMs : everyMs;
    await sleep(waitMs, undefined, { signal }).catch(() => {});
  }
}

async function retireOnce(
  context: RetireContext,
  signal: AbortSignal,
): Promise<void> {
  const { store, schema, budget } = context;
  const applied = context.applied();
  const old = timestampFromMs(Date.now() - context.retireOffsetMs);
  const through = budget.underPressure || old > applied ? applied : old;
  const startedAtMs = performance.now();
  let retiredCount = 0;
  for (;;) {
    const count = await store.retire(schema, through, stepEntries, signal);
    retiredCount += count;
    if (count === 0) {
      break;
    }
  }
  context.metrics.stage_retire_duration_seconds.observe(
    { schema },
    (performance.now() - startedAtMs) / 1_000,
  );
  if (retiredCount > 0) {
    await budget.measure(signal);
    context.logger.debug({ retiredCount, through }, 'entries retired');
  }
}
