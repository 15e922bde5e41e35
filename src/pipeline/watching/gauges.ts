import { wallTimeMs, zeroTimestamp } from '../../mutation/timestamp.ts';
import type { StagingStore } from '../../staging/staging.ts';
import type { Target } from '../../target/target.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Pipelines } from '../pipelines.ts';
import type { PipelineMode } from './status.ts';
import type { StagingBudget } from '../feed/staging-budget.ts';

interface GaugeSources {
  /** Of the feeds: `cdc` or `pglogical`. */
  readonly kind: string;
  readonly pipelines: Pipelines;
  readonly target: Target;
  readonly store: StagingStore;
  readonly budget: StagingBudget;
  readonly parallelism: number;
  readonly poolSize: number;
  /** How often staged, unapplied rows are counted (`--stageUnappliedPeriod`). */
  readonly backlogPeriodMs: number;
}

const tickMs = 1_000;

const pipelineModes: readonly PipelineMode[] = [
  'consistent',
  'best-effort',
  'immediate',
];

/** Keeps the gauges true until the signal aborts: once a second. */
export function startGauges(
  metrics: Metrics,
  sources: GaugeSources,
  signal: AbortSignal,
): void {
  let backlogDueAtMs = 0;
  const tick = (): void => {
    setGauges(metrics, sources);
    if (sources.backlogPeriodMs > 0 && performance.now() >= backlogDueAtMs) {
      backlogDueAtMs = performance.now() + sources.backlogPeriodMs;
      countBacklog(metrics, sources, signal);
    }
  };
  tick();
  const timer = setInterval(tick, tickMs);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

function setGauges(metrics: Metrics, sources: GaugeSources): void {
  const nowMs = Date.now();
  for (const { schema, status, guardKeyCount } of sources.pipelines.all) {
    const feed = { kind: sources.kind, target: schema };
    const ageSeconds = (timeMs: number | null): number =>
      timeMs === null ? Number.NaN : Math.max(0, nowMs - timeMs) / 1_000;
    const resolvedMs =
      status.resolved === zeroTimestamp ? null : wallTimeMs(status.resolved);
    const appliedMs =
      status.applied === zeroTimestamp ? null : wallTimeMs(status.applied);

    metrics.source_lag_seconds.set(feed, ageSeconds(resolvedMs));
    metrics.target_lag_seconds.set(feed, ageSeconds(appliedMs));
    metrics.target_pending_timestamp_seconds.set(
      feed,
      (resolvedMs ?? Number.NaN) / 1_000,
    );
    metrics.target_applied_timestamp_seconds.set(
      feed,
      (appliedMs ?? Number.NaN) / 1_000,
    );
    metrics.checkpoint_proposed_age_seconds.set(
      { schema },
      ageSeconds(resolvedMs),
    );
    metrics.checkpoint_proposed_time_seconds.set(
      { schema },
      (resolvedMs ?? Number.NaN) / 1_000,
    );
    metrics.checkpoint_committed_age_seconds.set(
      { schema },
      ageSeconds(appliedMs),
    );
    metrics.checkpoint_committed_time_seconds.set(
      { schema },
      (appliedMs ?? Number.NaN) / 1_000,
    );
    metrics.core_sweep_active_bool.set(
      { schema },
      status.state === 'running' ? 1 : 0,
    );
    metrics.core_parallelism_utilization_percent.set(
      { schema },
      (100 * status.openTransactionCount) / sources.parallelism,
    );
    metrics.replicator_health.set(
      { pipeline: schema },
      status.complaint === null && status.feedComplaint === null ? 1 : 0,
    );
    metrics.replicator_last_post_age_seconds.set(
      { pipeline: schema },
      ageSeconds(status.lastPostAtMs),
    );
    metrics.replicator_last_resolved_age_seconds.set(
      { pipeline: schema },
      ageSeconds(status.lastResolvedAtMs),
    );
    for (const mode of pipelineModes) {
      metrics.replicator_mode_active_bool.set(
        { schema, mode },
        status.mode === mode ? 1 : 0,
      );
    }
    metrics.replicator_immediate_guard_keys.set({ schema }, guardKeyCount);
  }
  const pool = sources.target.poolCounts();
  setPoolCounters(metrics, sources.target);
  metrics.pool_acquired_connection_count.set(
    { pool: 'target' },
    pool.total - pool.idle,
  );
  metrics.pool_idle_connection_count.set({ pool: 'target' }, pool.idle);
  metrics.pool_max_connection_count.set({ pool: 'target' }, sources.poolSize);
  metrics.replicator_staging_live_bytes.set(sources.budget.liveBytes);
}

function countBacklog(
  metrics: Metrics,
  { pipelines, store }: GaugeSources,
  signal: AbortSignal,
): void {
  for (const { schema, status } of pipelines.all) {
    store.backlog(schema, status.applied, signal).then(
      ({ rowCount }) => {
        status.backlogRowCount = rowCount;
        metrics.stage_stale_mutations_count.set({ schema }, rowCount);
      },
      // The store's own errors are told where mutations are staged and read.
      () => {},
    );
  }
}

/** These are counted where they happen; here they only catch up. */
function setPoolCounters(metrics: Metrics, target: Target): void {
  const pool = target.poolCounts();
  const statements = target.statementCounts();
  const labels = { pool: 'target' };
  metrics.pool_dial_success_count.reach(labels, pool.dialCount);
  metrics.pool_dial_error_count.reach(labels, pool.dialErrorCount);
  metrics.pool_acquire_wait_count.reach(labels, pool.waitCount);
  metrics.pool_acquire_wait_seconds.reach(labels, pool.waitSeconds);
  metrics.stmtcache_hits_total.reach({}, statements.hitCount);
  metrics.stmtcache_misses_total.reach({}, statements.missCount);
  metrics.stmtcache_drops_total.reach({}, statements.dropCount);
}
