import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parsePostgresAddress } from '../../config/address/postgres.ts';
import { checkPglogicalOptions } from '../../config/check.ts';
import { parseListenAddress } from '../../config/listen-address.ts';
import {
  type PglogicalValues,
  pglogicalOptions,
} from '../../config/options.ts';
import { redactConfig } from '../../config/redact.ts';
import { parseSchemaMap } from '../../config/schema-map.ts';
import type { SourceStatus } from '../../console/operator-routes.ts';
import { OperatorServer } from '../../console/operator-server.ts';
import { asReplicatorError, ReplicatorError } from '../../failure/failure.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import {
  joinedTableName,
  withJoinedSchemas,
} from '../../pipeline/joined-schemas.ts';
import type { Pipelines } from '../../pipeline/pipelines.ts';
import { LogicalSource } from '../../source/logical/logical-source.ts';
import { printLsn } from '../../source/logical/server/lsn.ts';
import type { RunLimits } from '../../source/logical/step-buffer.ts';
import { watchSlot } from '../../source/logical/server/slot-watch.ts';
import type { TransactionFeed } from '../../source/source.ts';
import { type Logger, openLogger } from '../../telemetry/logger.ts';
import { startCpuProfile } from '../../telemetry/cpu-profile.ts';
import { startMetricsSnapshots } from '../../telemetry/metrics-snapshots.ts';
import { createMetrics, type Metrics } from '../../telemetry/metrics.ts';
import type { CommandIo } from '../command.ts';
import { limitHeapGrowth } from './heap-growth.ts';
import { auditRun, openDaemonAudit } from './daemon-audit.ts';
import { requireFreeAddress } from './free-address.ts';
import type { DaemonStart } from './hangup.ts';
import {
  keepTelling,
  type OpenHouse,
  openHouse,
  setConstantMetrics,
} from './open-house.ts';
import {
  prepareSource,
  publicationNames,
} from '../preflight/prepare-source.ts';
import { operatorDiagnostics } from './open-callers.ts';
import { slotObserver } from './slot-observer.ts';
import { typedSchema } from '../typed-words.ts';
import type { TokenSource } from '../../source/changefeed/callers/token-caller.ts';
import { TokenKeyring } from '../../source/changefeed/callers/token-keyring.ts';
import { replicatorVersion } from '../version.ts';

/**
 * The daemon behind a slot, in the order in which things open; they close in
 * reverse:
 *
 *     target and staging answer ─ the pipeline opens ─ the source is fit ─
 *     operator's listener ─ the slot is read …until a signal… ─ what is whole
 *     is staged and confirmed ─ the pipeline finishes ─ pools close
 */
export async function runSlotDaemon(
  values: PglogicalValues,
  io: CommandIo,
  { warnings, hangup }: DaemonStart,
): Promise<number> {
  checkPglogicalOptions(values);
  const address = parsePostgresAddress(values.sourceConn, '--sourceConn');
  const main = typedSchema(values.targetSchema)!;
  const schemas = schemaMap(values, main);
  const others = [...new Set(schemas.values())].filter((name) => name !== main);
  const metrics = createMetrics();
  using log = openLogger(values, metrics);
  const { logger } = log;
  const startedAtMs = Date.now();
  using audit = openDaemonAudit(values, { logger, metrics });
  using _files = hangup.calls(() => {
    log.reopen();
    audit.reopen();
  });
  using run = auditRun(audit, 'pglogical', { values, table: pglogicalOptions });
  setConstantMetrics(metrics, values, startedAtMs);
  const listen =
    values.metricsAddr === ''
      ? null
      : parseListenAddress(values.metricsAddr, 'metricsAddr');
  if (listen) {
    await requireFreeAddress(listen, 'metricsAddr');
  }

  await using stack = new AsyncDisposableStack();
  let open: OpenHouse | 'starting' | 'waiting' = 'starting';
  let source: LogicalSource | null = null;
  let keyring: TokenKeyring | null = null;
  const tokens: TokenSource = {
    async verify(token) {
      if (keyring === null) {
        throw new ReplicatorError('E5017', {
          detail: 'the keys of tokens are not read yet: staging is not open',
        });
      }
      return await keyring.verify(token);
    },
  };
  if (listen) {
    // First of all: a daemon that waits for another one can be asked too.
    stack.use(
      await OperatorServer.listen(listen, {
        metrics,
        house: () => open,
        source: sourceStatus(values.slotName, () => source),
        healthCheckTimeoutMs: values.healthCheckTimeout,
        options: redactConfig(values, pglogicalOptions),
        version: replicatorVersion(),
        startedAtMs,
        authentication: () => keyring?.diagnostics() ?? null,
        requireDiagnostics: operatorDiagnostics(values, listen, tokens),
      }),
    );
  }
  open = await openHouse(
    values,
    {
      mode: 'consistent',
      modeValues: null,
      isStatementOrder: true,
      onLockWait: () => {
        open = 'waiting';
      },
      targetView: (target) => withJoinedSchemas(target, main, others),
      metrics,
      logger,
      audit,
      beforeWriting: () => run.beforeWriting(),
      warnings,
    },
    stack,
    io,
  );
  const { pipelines, target } = open;
  const keys = stack.use(
    await TokenKeyring.open({
      register: open.store.tokens,
      audience: values.jwtAudience || null,
      areTokensAsked: false,
      metrics,
      logger,
    }),
  );
  keyring = keys;
  stack.use(hangup.calls(() => void keys.reload()));
  const feed = await openFeed(pipelines, main, target.examplePath);
  try {
    await prepareSource(
      { values, address, schemas, feed, logger, audit },
      io.signal,
    );
  } catch (error) {
    await standInFor(error, { values, feed, pipelines, logger, io });
  }

  source = new LogicalSource({
    address,
    slotName: values.slotName,
    publicationNames: publicationNames(values),
    origin: values.origin,
    standbyTimeoutMs: values.standbyTimeout,
    feed,
    schemas,
    tableName: (schema, table) => joinedTableName(main, schema, table),
    onUnknown: values.onUnknown,
    partitionTruncate: values.partitionTruncate,
    spoolFolder: join(values.dataDir, 'spool'),
    spoolBytes: values.stagingMaxBytes,
    runLimits: runLimits(values),
    bufferBytes: values.memoryLimit / 16,
    quiescentPeriodMs: values.quiescentPeriod,
    observer: slotObserver(metrics, main, logger),
    logger,
  });
  keepTelling(open, values, { kind: 'pglogical', stack });
  stack.use(startMetricsSnapshots(metrics, values, logger));
  stack.use(await startCpuProfile(values, logger));
  keepWatching(source, { values, address, metrics, logger, stack });

  limitHeapGrowth();
  run.ready();
  logger.info(
    `ready: slot ${values.slotName} of ${address.display} into ${[main, ...others].join(', ')}${listen ? `; metrics on http://${listen.host}:${listen.port}/_/varz` : ''}`,
  );
  let failure: unknown = null;
  try {
    await source.run(io.signal);
  } catch (error) {
    failure = error;
    const { code, line, cause } = asReplicatorError(error);
    logger.error(
      { code, ...(cause !== undefined && { err: cause }) },
      `reading ends for good, what is staged is applied first: ${line}`,
    );
    await applyStaged(pipelines, values.gracePeriod, io.signal);
  }
  await drain(values.gracePeriod, pipelines, logger);
  if (failure !== null) {
    throw failure;
  }
  return 0;
}

function schemaMap(
  values: PglogicalValues,
  main: SchemaName,
): ReadonlyMap<string, SchemaName> {
  const schemas = new Map([[values.sourceSchema, main]]);
  for (const { source, target } of parseSchemaMap(values.schemaMap)) {
    schemas.set(source, typedSchema(target)!);
  }
  return schemas;
}

/**
 * What the sequencer would join in any case. Each transaction stays by itself
 * where it must: a version that never goes is set aside from its own alone.
 */
function runLimits(values: PglogicalValues): RunLimits | null {
  const { flushSize, timestampLimit, collapseMutations, onRowError } = values;
  return collapseMutations && onRowError === 'halt'
    ? { rows: flushSize, transactions: timestampLimit }
    : null;
}

/**
 * What is staged is applied whatever has become of the source. One that does
 * not answer is waited for, once it has been read; what will not pass by
 * itself is thrown again.
 */
async function standInFor(
  error: unknown,
  {
    values,
    feed,
    pipelines,
    logger,
    io,
  }: {
    readonly values: PglogicalValues;
    readonly feed: TransactionFeed;
    readonly pipelines: Pipelines;
    readonly logger: Logger;
    readonly io: CommandIo;
  },
): Promise<void> {
  const failure = asReplicatorError(error);
  if (io.signal.aborted || (await feed.position()) === null) {
    throw error;
  }
  if (failure.disposition === 'retry') {
    logger.warn({ code: failure.code }, failure.line);
    return;
  }
  logger.error(
    { code: failure.code },
    `the source cannot be read, what is staged is applied first: ${failure.line}`,
  );
  await applyStaged(pipelines, values.gracePeriod, io.signal);
  await drain(values.gracePeriod, pipelines, logger);
  throw error;
}

/** Of a source that may not be there yet. */
function sourceStatus(
  slotName: string,
  source: () => LogicalSource | null,
): SourceStatus {
  return {
    get complaint() {
      const opened = source();
      return opened ? opened.complaint : 'the source has not been reached yet';
    },
    diagnostics() {
      const opened = source();
      return {
        kind: 'pglogical',
        slot: slotName,
        state: opened?.state ?? 'starting',
        error: opened?.complaint ?? null,
        received: printLsn(opened?.receivedLsn ?? 0n),
        staged: printLsn(opened?.stagedLsn ?? 0n),
      };
    },
  };
}

async function openFeed(
  pipelines: Pipelines,
  schema: SchemaName,
  examplePath: string,
): Promise<TransactionFeed> {
  const feed = await pipelines.openTransactions(schema);
  if (feed === null) {
    throw new ReplicatorError('E4012', {
      detail: `the target has no schema ${schema}`,
      remedy: `create it, or correct --targetSchema, which names a schema as ${examplePath.slice(1).replace('/', '.')} does`,
    });
  }
  return feed;
}

/** Gauges of the slot, until the stack is disposed. */
function keepWatching(
  source: LogicalSource,
  {
    values,
    address,
    metrics,
    logger,
    stack,
  }: {
    readonly values: PglogicalValues;
    readonly address: ReturnType<typeof parsePostgresAddress>;
    readonly metrics: Metrics;
    readonly logger: Logger;
    readonly stack: AsyncDisposableStack;
  },
): void {
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  watchSlot(
    {
      address,
      slotName: values.slotName,
      logger,
      onHealth(health, lossMs) {
        metrics.replicator_slot_lag_bytes.set(Number(health.lagBytes ?? 0n));
        metrics.replicator_slot_retained_bytes.set(
          Number(health.retainedBytes ?? 0n),
        );
        metrics.replicator_slot_safe_bytes.set(
          health.safeWalSizeBytes === null
            ? Number.NaN
            : Number(health.safeWalSizeBytes),
        );
        metrics.replicator_slot_loss_estimate_seconds.set(
          lossMs === null ? Number.NaN : lossMs / 1_000,
        );
      },
    },
    stop.signal,
  );
  const timer = setInterval(() => {
    metrics.replicator_health.set(
      { pipeline: 'source' },
      source.complaint === null ? 1 : 0,
    );
    metrics.replicator_slot_reading.set(source.state === 'reading' ? 1 : 0);
    if (source.lagMs !== null) {
      metrics.replicator_slot_lag_seconds.set(source.lagMs / 1_000);
    }
    metrics.replicator_slot_spool_bytes.set(source.spoolBytes);
  }, 1_000);
  stack.defer(() => clearInterval(timer));
}

/** Until all that is whole in staging is applied, or the time is over. */
async function applyStaged(
  pipelines: Pipelines,
  gracePeriodMs: number,
  signal: AbortSignal,
): Promise<void> {
  const endsAtMs = performance.now() + gracePeriodMs;
  while (
    !signal.aborted &&
    performance.now() < endsAtMs &&
    pipelines.all.some(
      ({ status }) =>
        status.state !== 'superseded' && status.applied < status.resolved,
    )
  ) {
    await sleep(50, undefined, { signal }).catch(() => {});
  }
}

async function drain(
  gracePeriodMs: number,
  pipelines: Pipelines,
  logger: Logger,
): Promise<void> {
  logger.info(
    'stopping: open transactions are finished first; a second signal stops at once, and loses nothing either',
  );
  const grace = setTimeout(() => {
    logger.warn(
      '--gracePeriod is over: what has not ended is left to the next start',
    );
    pipelines.abort();
  }, gracePeriodMs);
  await pipelines.drain();
  clearTimeout(grace);
  logger.info('stopped');
}
