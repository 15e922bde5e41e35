import { checkStartOptions, insecureOptions } from '../config/check.ts';
import { parseListenAddress } from '../config/listen-address.ts';
import { type StartValues, startOptions } from '../config/options.ts';
import { redactConfig } from '../config/redact.ts';
import { addOperatorRoutes } from '../console/operator-routes.ts';
import { logEveryMinute } from '../console/minute-line.ts';
import { OperatorServer } from '../console/operator-server.ts';
import { startGauges } from '../pipeline/gauges.ts';
import { meteredStore } from '../pipeline/metered-store.ts';
import { meteredTarget } from '../pipeline/metered-target.ts';
import type { House } from '../pipeline/pipeline.ts';
import { Pipelines } from '../pipeline/pipelines.ts';
import { StagingBudget } from '../pipeline/staging-budget.ts';
import { WebhookServer } from '../source/changefeed/server.ts';
import { type Logger, openLogger } from '../telemetry/logger.ts';
import { startMetricsSnapshots } from '../telemetry/metrics-snapshots.ts';
import {
  collectProcessMetrics,
  createMetrics,
  type Metrics,
} from '../telemetry/metrics.ts';
import type { CommandIo } from './command.ts';
import { describeListener } from './ready-line.ts';
import { requireFreeAddress } from './free-address.ts';
import { openStores } from './open-stores.ts';
import { listenerTls, reloadOnHangup } from './listener-tls.ts';
import { receiveContext } from './receive-context.ts';
import { replicatorVersion } from './version.ts';

/**
 * The daemon, in the order in which things open; they close in reverse:
 *
 *     addresses are free ─ target and staging answer ─ pipelines resume ─
 *     operator's listener ─ webhook listener ─ …until a signal… ─ listener
 *     drains ─ pipelines finish what is in flight ─ pools close
 */
export async function runDaemon(
  values: StartValues,
  io: CommandIo,
): Promise<number> {
  const warnings = checkStartOptions(values);
  const bind = parseListenAddress(values.bindAddr, 'bindAddr');
  const metrics = createMetrics();
  collectProcessMetrics(metrics);
  using log = openLogger(values, metrics);
  const { logger } = log;
  const startedAtMs = Date.now();
  setConstantMetrics(metrics, values, startedAtMs);

  const tls = await listenerTls(values);
  await requireFreeAddress(bind, 'bindAddr');
  if (values.metricsAddr !== '') {
    await requireFreeAddress(
      parseListenAddress(values.metricsAddr, 'metricsAddr'),
      'metricsAddr',
    );
  }
  await using stack = new AsyncDisposableStack();
  const stores = await openStores(values, stack, {
    logger,
    metrics,
    signal: io.signal,
  });
  const target = meteredTarget(stores.target, metrics);
  const store = meteredStore(stores.store, metrics);
  const budget = new StagingBudget(store, values.stagingMaxBytes);
  await budget.measure(io.signal);
  // Not before: of a start that fails there is one line to read.
  for (const warning of warnings) {
    io.stderr.write(`replicator: warning: ${warning}\n`);
  }

  const house: House = {
    store,
    target,
    budget,
    metrics,
    logger,
    options: pipelineOptions(values),
  };
  const pipelines = stack.use(new Pipelines(house, values.schemaRefresh));
  await resume(pipelines, io.signal);

  const operator = {
    metrics,
    pipelines,
    store,
    target,
    healthCheckTimeoutMs: values.healthCheckTimeout,
    options: redactConfig(values, startOptions),
    version: replicatorVersion(),
    startedAtMs,
  };
  const webhook = stack.use(
    new WebhookServer({
      ...bind,
      tls,
      authenticate: !values.disableAuthentication,
      responseTimeoutMs: values.httpResponseTimeout,
      inFlightLimitBytes: values.memoryLimit / 4,
      discard: values.discard,
      discardDelayMs: values.discardDelay,
      receive: receiveContext(values, { pipelines, target, metrics, logger }),
      schemaNameParts: target.schemaNameParts,
      examplePath: target.examplePath,
      metrics,
    }),
  );
  if (values.metricsAddr === '') {
    addOperatorRoutes(webhook.app, operator);
  } else {
    stack.use(
      await OperatorServer.listen(
        parseListenAddress(values.metricsAddr, 'metricsAddr'),
        operator,
      ),
    );
  }

  const stopTicking = new AbortController();
  stack.defer(() => stopTicking.abort());
  startGauges(
    metrics,
    {
      pipelines,
      target,
      store,
      budget,
      parallelism: values.parallelism,
      poolSize: values.targetMaxPoolSize,
      backlogPeriodMs: values.stageUnappliedPeriod,
    },
    stopTicking.signal,
  );
  stack.use(startMetricsSnapshots(metrics, values, logger));
  logEveryMinute(pipelines, logger, stopTicking.signal);
  stack.use(reloadOnHangup(values, webhook, log));

  const address = await webhook.listen();
  logger.info(
    describeListener(address, tls !== null, values, target.examplePath),
  );
  await aborted(io.signal);
  await drain(values.gracePeriod, webhook, pipelines, logger);
  return 0;
}

/** A signal ends the wait for a target that does not answer. */
async function resume(
  pipelines: Pipelines,
  signal: AbortSignal,
): Promise<void> {
  const abort = (): void => pipelines.abort();
  signal.addEventListener('abort', abort, { once: true });
  await pipelines.resume();
  signal.removeEventListener('abort', abort);
  signal.throwIfAborted();
}

/** In flow order: no new requests, those in flight end, commits end. */
async function drain(
  gracePeriodMs: number,
  webhook: WebhookServer,
  pipelines: Pipelines,
  logger: Logger,
): Promise<void> {
  logger.info(
    { inFlight: webhook.inFlightCount },
    'stopping: what is in flight is finished first; a second signal stops at once, and loses nothing either',
  );
  const grace = setTimeout(() => {
    logger.warn(
      '--gracePeriod is over: what has not ended is left to the next start',
    );
    webhook.cut();
    pipelines.abort();
  }, gracePeriodMs);
  await webhook.drain();
  await pipelines.drain();
  clearTimeout(grace);
  logger.info('stopped');
}

async function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  if (!signal.aborted) {
    await promise;
  }
}

function pipelineOptions(values: StartValues): House['options'] {
  return {
    mode: values.immediate ? 'immediate' : 'consistent',
    retireOffsetMs: values.retireOffset,
    // A key of the guard takes about 150 bytes with its map entry.
    maxGuardKeys: values.assumeIdempotent ? 0 : values.memoryLimit / 4 / 150,
    sequencer: {
      flushSize: values.flushSize,
      parallelism: values.parallelism,
      timestampLimit: values.timestampLimit,
      scanSize: values.scanSize,
      readBudgetBytes: values.memoryLimit / 8,
      collapseMutations: values.collapseMutations,
      ignoreUnknownColumns: values.onUnknown === 'ignore',
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

function setConstantMetrics(
  metrics: Metrics,
  values: StartValues,
  startedAtMs: number,
): void {
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
  for (const option of insecureOptions(values)) {
    metrics.replicator_insecure_mode.set({ option }, 1);
  }
}
