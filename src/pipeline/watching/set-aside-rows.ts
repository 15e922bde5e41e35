/** How many rows of a schema have open dead letters, for operators. */
import { setTimeout as sleep } from 'node:timers/promises';

import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Target } from '../../target/target.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { PipelineStatus } from './status.ts';

interface Watched {
  readonly schema: SchemaName;
  readonly target: Target;
  readonly dlqTableName: string;
  readonly status: PipelineStatus;
  readonly metrics: Metrics;
}

/** Operators retry and discard letters; this is how soon it is seen. */
const lookEveryMs = 5_000;

/** Counts again while there are any, until aborted. Never rejects. */
export async function watchSetAside(
  watched: Watched,
  signal: AbortSignal,
): Promise<void> {
  const { schema, target, dlqTableName, status } = watched;
  while (!signal.aborted) {
    await sleep(lookEveryMs, undefined, { signal }).catch(() => {});
    if (status.setAsideRows.size > 0 && !signal.aborted) {
      try {
        const open = await target
          .deadLetters(schema, dlqTableName)
          .openKeys(signal);
        tellSetAside(
          watched,
          [...open].map(([table, keys]) => [table, keys.size]),
        );
      } catch {
        // A target that does not answer is told by those who write to it.
      }
    }
  }
}

/** In status and metrics; rows by table, as they are counted now. */
export function tellSetAside(
  { schema, status, metrics }: Pick<Watched, 'schema' | 'status' | 'metrics'>,
  rows: Iterable<readonly [string, number]>,
): void {
  status.setAsideRows = new Map(rows);
  let count = 0;
  for (const tableCount of status.setAsideRows.values()) {
    count += tableCount;
  }
  metrics.replicator_dead_letters_open.set({ schema }, count);
}
