import { randomBytes } from 'node:crypto';

import type {
  GlobalValues,
  MetricsValues,
  SequencerValues,
  SlotSequencerValues,
  StagingValues,
  TargetValues,
} from '../../config/options.ts';
import { startGauges } from '../../pipeline/watching/gauges.ts';
import { holderName } from '../../pipeline/leading/holder-name.ts';
import { defaultLeaseMs } from '../../pipeline/leading/leadership.ts';
import { meteredStore } from '../../pipeline/watching/metered-store.ts';
import { meteredTarget } from '../../pipeline/watching/metered-target.ts';
import type { House } from '../../pipeline/house.ts';
import { Pipelines } from '../../pipeline/pipelines.ts';
import { StagingBudget } from '../../pipeline/feed/staging-budget.ts';
import type { StagingStore } from '../../staging/staging.ts';
import type { Target } from '../../target/target.ts';
import type { Audit } from '../../telemetry/audit.ts';
import type { Logger } from '../../telemetry/logger.ts';
import {
  collectProcessMetrics,
  type Metrics,
} from '../../telemetry/metrics.ts';
import { logEveryMinute } from '../../console/minute-line.ts';
import type { CommandIo } from '../command.ts';
import { openStores, type OpenStoresOptions } from '../open-stores.ts';
import { replicatorVersion } from '../version.ts';

/** The options that every daemon has, whatever its source. */
export type HouseValues = TargetValues &
  StagingValues &
  SlotSequencerValues &
  MetricsValues &
  GlobalValues & { readonly memoryLimit: number };

export interface HouseOptions {
  readonly mode: House['options']['mode'];
  /** Null for a source whose transactions always stay whole. */
  readonly modeValues: Pick<
    SequencerValues,
    'bestEffortOnly' | 'bestEffortWindow' | 'immediateForeignKeys'
  > | null;
  /** See BatchLimits.isStatementOrder. */
  readonly isStatementOrder: boolean;
  /** See {@link OpenStoresOptions.onLockWait}. */
  readonly onLockWait?: () => void;
  /** See {@link OpenStoresOptions.sharesStaging}. */
  readonly sharesStaging?: OpenStoresOptions['sharesStaging'];
  /** The target as this daemon's pipelines see it. */
  readonly targetView?: (target: Target) => Target;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly audit: Audit;
  /** See {@link OpenStoresOptions.beforeWriting}. */
  readonly beforeWriting: () => void;
  /** Lines for stderr once nothing can end the start any more. */
  readonly warnings: readonly string[];
}

/** Staging and target behind one daemon, and the pipelines between them. */
export interface OpenHouse {
  readonly house: House;
  readonly pipelines: Pipelines;
  readonly store: StagingStore;
  readonly target: Target;
}

/**
 * Opens target and staging; `stack` closes them in reverse. Nothing of the
 * pipelines runs yet.
 */
export async function openHouse(
  values: HouseValues,
  options: HouseOptions,
  stack: AsyncDisposableStack,
  io: CommandIo,
): Promise<OpenHouse> {
  const { metrics, logger, audit } = options;
  const sessionName = randomBytes(4).toString('hex');
  const stores = await openStores(values, stack, {
    logger,
    metrics,
    signal: io.signal,
    beforeWriting: options.beforeWriting,
    ...(options.onLockWait && { onLockWait: options.onLockWait }),
    ...(options.sharesStaging && { sharesStaging: options.sharesStaging }),
    sessionName,
  });
  const metered = meteredTarget(stores.target, metrics);
  const target = options.targetView?.(metered) ?? metered;
  const store = meteredStore(stores.store, metrics);
  const budget = new StagingBudget(store, values.stagingMaxBytes);
  await budget.measure(io.signal);
  // Not before: of a start that fails there is one line to read.
  for (const warning of options.warnings) {
    io.stderr.write(`replicator: warning: ${warning}\n`);
  }
  const house: House = {
    store,
    ...(options.sharesStaging &&
      store.leases && {
        election: {
          leases: store.leases,
          holder: holderName(sessionName),
          leaseMs: defaultLeaseMs,
        },
      }),
    target,
    budget,
    metrics,
    logger,
    audit,
    options: pipelineOptions(values, options),
  };
  const pipelines = stack.use(new Pipelines(house, values.schemaRefresh));
  return { house, pipelines, store, target };
}

/** Gauges and the line a minute, until the stack is disposed. */
export function keepTelling(
  { house, pipelines, store, target }: OpenHouse,
  values: HouseValues,
  {
    kind,
    stack,
  }: { readonly kind: string; readonly stack: AsyncDisposableStack },
): void {
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  startGauges(
    house.metrics,
    {
      kind,
      pipelines,
      target,
      store,
      budget: house.budget,
      parallelism: values.parallelism,
      poolSize: values.targetMaxPoolSize,
      backlogPeriodMs: values.stageUnappliedPeriod,
    },
    stop.signal,
  );
  logEveryMinute(pipelines, house.logger, stop.signal);
}

function pipelineOptions(
  values: HouseValues,
  { mode, modeValues, isStatementOrder }: HouseOptions,
): House['options'] {
  // A key of the guard takes 100 to 200 bytes with its text.
  const maxKeys = values.memoryLimit / 4 / 150;
  return {
    mode,
    immediateForeignKeys: modeValues?.immediateForeignKeys ?? false,
    bestEffort: {
      only: modeValues?.bestEffortOnly ?? false,
      windowMs: modeValues?.bestEffortWindow ?? 0,
      maxKeys,
      maxRecoveredKeys: maxKeys,
      nowMs: Date.now,
    },
    retireOffsetMs: values.retireOffset,
    maxGuardKeys: values.assumeIdempotent ? 0 : maxKeys,
    sequencer: {
      flushSize: values.flushSize,
      parallelism: values.enableParallelApplies ? values.parallelism : 1,
      timestampLimit: values.timestampLimit,
      limitLookahead: values.limitLookahead,
      isStatementOrder,
      scanSize: values.scanSize,
      readBudgetBytes: values.memoryLimit / 8,
      collapseMutations: values.collapseMutations,
      ignoreUnknownColumns: values.onUnknown === 'ignore',
      onRowError: values.onRowError,
      dlqTableName: values.dlqTableName,
      dlqLimit: values.dlqLimit === 0 ? Infinity : values.dlqLimit,
      maxRetries: values.maxRetries,
      backoff: {
        initialMs: values.retryInitialBackoff,
        maxMs: values.retryMaxBackoff,
        multiplier: values.retryMultiplier,
      },
      taskGracePeriodMs: values.taskGracePeriod,
      quiescentPeriodMs: values.quiescentPeriod,
    },
  };
}

/** What /_/varz says once and for all. */
export function setConstantMetrics(
  metrics: Metrics,
  values: HouseValues,
  startedAtMs: number,
): void {
  collectProcessMetrics(metrics);
  metrics.cdc_sink_info.set(
    {
      version: replicatorVersion(),
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    },
    1,
  );
  metrics.cdc_sink_start_seconds.set(startedAtMs / 1_000);
  metrics.replicator_staging_limit_bytes.set(values.stagingMaxBytes);
  metrics.replicator_memory_limit_bytes.set(values.memoryLimit);
}

/** A signal ends the wait for a target that does not answer. */
export async function resume(
  pipelines: Pipelines,
  signal: AbortSignal,
): Promise<void> {
  const abort = (): void => pipelines.abort();
  signal.addEventListener('abort', abort, { once: true });
  await pipelines.resume();
  signal.removeEventListener('abort', abort);
  signal.throwIfAborted();
}
