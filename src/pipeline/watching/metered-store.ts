import { wallTimeMs } from '../../mutation/timestamp.ts';
import type { StagingStore } from '../../staging/staging.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** A store that counts and times what it is asked to do, schema by schema. */
export function meteredStore(
  store: StagingStore,
  metrics: Metrics,
): StagingStore {
  return {
    kind: store.kind,
    leases: store.leases && {
      ...store.leases,
      commitApplied: (holding, applied, inTarget, signal) =>
        timed(metrics.checkpoint_commit_duration_seconds, holding.schema, () =>
          store.leases!.commitApplied(holding, applied, inTarget, signal),
        ),
    },
    tokens: store.tokens,
    append: async (entries, options) => {
      if (!(await store.append(entries, options))) {
        return false;
      }
      const nowMs = Date.now();
      for (const [schema, minTime] of oldestTimes(entries)) {
        metrics.stage_commit_lag_seconds.observe(
          { schema },
          Math.max(0, nowMs - wallTimeMs(minTime)) / 1000,
        );
      }
      return true;
    },
    advance: (step, signal) =>
      timed(metrics.checkpoint_advance_duration_seconds, step.schema, () =>
        store.advance(step, signal),
      ),
    position: (schema, signal) => store.position(schema, signal),
    discardUnresolved: (schema, signal) =>
      store.discardUnresolved(schema, signal),
    resolve: (schema, time, signal) =>
      timed(metrics.checkpoint_advance_duration_seconds, schema, () =>
        store.resolve(schema, time, signal),
      ),
    read: async (schema, window, signal) => {
      const entries = await timed(
        metrics.stage_read_duration_seconds,
        schema,
        () => store.read(schema, window, signal),
      );
      const last = entries.at(-1);
      if (last) {
        metrics.stage_read_rows.inc(
          { schema },
          entries.reduce((sum, { rowCount }) => sum + rowCount, 0),
        );
        metrics.stage_read_lag_seconds.set(
          { schema },
          Math.max(0, Date.now() - wallTimeMs(last.minTime)) / 1000,
        );
      }
      return entries;
    },
    checkpoint: (schema, signal) =>
      timed(metrics.checkpoint_refresh_duration_seconds, schema, () =>
        store.checkpoint(schema, signal),
      ),
    commitApplied: (schema, applied, inTarget, signal) =>
      timed(metrics.checkpoint_commit_duration_seconds, schema, () =>
        store.commitApplied(schema, applied, inTarget, signal),
      ),
    rewindApplied: (schema, applied, signal) =>
      store.rewindApplied(schema, applied, signal),
    retire: (schema, through, limitEntries, signal) =>
      store.retire(schema, through, limitEntries, signal),
    schemas: (signal) => store.schemas(signal),
    size: (schema, signal) => store.size(schema, signal),
    backlog: (schema, after, signal) => store.backlog(schema, after, signal),
    latest: (schema, signal) => store.latest(schema, signal),
    list: (filter, limit, cursor, signal) =>
      store.list(filter, limit, cursor, signal),
    entry: (id, signal) => store.entry(id, signal),
    purge: (filter, dryRun, signal) => store.purge(filter, dryRun, signal),
    memo: (name, signal) => store.memo(name, signal),
    setMemo: (name, value, signal) => store.setMemo(name, value, signal),
    exchangeMemo: (name, expected, value, signal) =>
      store.exchangeMemo(name, expected, value, signal),
    holds: (row, signal) => store.holds(row, signal),
    ping: (signal) => store.ping(signal),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

type SchemaHistogram = Metrics['stage_read_duration_seconds'];

/** Failures are timed too: a store that answers late with an error is slow. */
async function timed<T>(
  histogram: SchemaHistogram,
  schema: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAtMs = performance.now();
  try {
    return await work();
  } finally {
    histogram.observe({ schema }, (performance.now() - startedAtMs) / 1000);
  }
}

function oldestTimes(
  entries: Parameters<StagingStore['append']>[0],
): Map<string, (typeof entries)[number]['minTime']> {
  const oldest = new Map<string, (typeof entries)[number]['minTime']>();
  for (const { schema, minTime } of entries) {
    const known = oldest.get(schema);
    if (known === undefined || minTime < known) {
      oldest.set(schema, minTime);
    }
  }
  return oldest;
}
