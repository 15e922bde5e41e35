import {
  askedOfCallers,
  checkStartOptions,
  insecureOptions,
} from '../../config/check.ts';
import { parseListenAddress } from '../../config/listen-address.ts';
import { type StartValues, startOptions } from '../../config/options.ts';
import { redactConfig } from '../../config/redact.ts';
import { addOperatorRoutes } from '../../console/operator-routes.ts';
import { OperatorServer } from '../../console/operator-server.ts';
import type { Pipelines } from '../../pipeline/pipelines.ts';
import { TokenKeyring } from '../../source/changefeed/callers/token-keyring.ts';
import { WebhookServer } from '../../source/changefeed/server/server.ts';
import { usualTimeouts } from '../../source/changefeed/server/transport.ts';
import { type Logger, openLogger } from '../../telemetry/logger.ts';
import { startCpuProfile } from '../../telemetry/cpu-profile.ts';
import { startMetricsSnapshots } from '../../telemetry/metrics-snapshots.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import type { CommandIo } from '../command.ts';
import { limitHeapGrowth } from './heap-growth.ts';
import { describeListener } from './ready-line.ts';
import { tellRefusedConnections } from './refused-connections.ts';
import { auditCallers } from './audited-callers.ts';
import { auditRun, certificateFacts, openDaemonAudit } from './daemon-audit.ts';
import { requireFreeAddress } from './free-address.ts';
import {
  keepTelling,
  openHouse,
  resume,
  setConstantMetrics,
} from './open-house.ts';
import {
  openCallers,
  operatorDiagnostics,
  webhookDiagnostics,
} from './open-callers.ts';
import { CertificateWatch } from './certificate-watch.ts';
import type { DaemonStart } from './hangup.ts';
import {
  certifiedName,
  checkListenerTls,
  listenerTls,
  listenerTlsWarnings,
  readListenerTls,
} from './listener-tls.ts';
import { receiveContext } from './receive-context.ts';
import { replicatorVersion } from '../version.ts';

/**
 * The daemon, in the order in which things open; they close in reverse:
 *
 *     addresses are free ─ target and staging answer ─ pipelines resume ─
 *     webhook listener ─ operator's listener ─ …until a signal… ─ listener
 *     drains ─ pipelines finish what is in flight ─ pools close
 */
export async function runDaemon(
  values: StartValues,
  io: CommandIo,
  { warnings: exposed, hangup }: DaemonStart,
): Promise<number> {
  const warnings = [...exposed, ...checkStartOptions(values)];
  const bind = parseListenAddress(values.bindAddr, 'bindAddr');
  const metrics = createMetrics();
  using log = openLogger(values, metrics);
  const { logger } = log;
  const startedAtMs = Date.now();
  using audit = openDaemonAudit(values, { logger, metrics });
  using _files = hangup.calls(() => {
    log.reopen();
    audit.reopen();
  });
  using run = auditRun(audit, 'start', { values, table: startOptions });
  setConstantMetrics(metrics, values, startedAtMs);
  for (const option of insecureOptions(values)) {
    metrics.replicator_insecure_mode.set({ option }, 1);
  }

  const tls = await listenerTls(values);
  if (tls !== null) {
    warnings.push(...(await listenerTlsWarnings(values, tls)));
  }
  await requireFreeAddress(bind, 'bindAddr');
  if (values.metricsAddr !== '') {
    await requireFreeAddress(
      parseListenAddress(values.metricsAddr, 'metricsAddr'),
      'metricsAddr',
    );
  }
  await using stack = new AsyncDisposableStack();
  const open = await openHouse(
    values,
    {
      mode: values.immediate ? 'immediate' : 'consistent',
      modeValues: values,
      isStatementOrder: false,
      sharesStaging: values.immediate ? 'applied' : 'staged',
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
  await resume(pipelines, io.signal);

  const keyring = stack.use(
    await TokenKeyring.open({
      register: open.store.tokens,
      audience: values.jwtAudience || null,
      areTokensAsked: askedOfCallers(values).includes('token'),
      metrics,
      logger,
    }),
  );
  const callers = openCallers(values, {
    tokens: keyring,
    engine: target.engine,
    logger,
  });
  const operator = {
    metrics,
    house: () => open,
    healthCheckTimeoutMs: values.healthCheckTimeout,
    options: redactConfig(values, startOptions),
    version: replicatorVersion(),
    startedAtMs,
    authentication: () => keyring.diagnostics(),
  };
  const webhook = stack.use(
    new WebhookServer({
      ...bind,
      tls,
      callers: auditCallers(callers, audit),
      responseTimeoutMs: values.httpResponseTimeout,
      inFlightLimitBytes: values.memoryLimit / 4,
      discard: values.discard,
      discardDelayMs: values.discardDelay,
      timeouts: {
        ...usualTimeouts,
        // The body's time is the whole request's.
        headersMs: Math.min(values.headerTimeout, values.bodyTimeout),
        requestMs: values.bodyTimeout,
      },
      limits: values,
      receive: receiveContext(values, { pipelines, target, metrics, logger }),
      schemaNameParts: target.schemaNameParts,
      examplePath: target.examplePath,
      metrics,
      connectionRefused: tellRefusedConnections(logger),
    }),
  );
  if (values.metricsAddr === '') {
    addOperatorRoutes(webhook.app, {
      ...operator,
      requireDiagnostics: webhookDiagnostics(values, bind, callers, keyring),
    });
  }

  keepTelling(open, values, { kind: 'cdc', stack });
  stack.use(startMetricsSnapshots(metrics, values, logger));
  stack.use(await startCpuProfile(values, logger));
  const certificates =
    tls &&
    stack.use(
      new CertificateWatch({
        texts: tls,
        read: (before) => readListenerTls(values, before),
        check: (texts) => checkListenerTls(values, texts),
        take: (texts) => {
          audit.note('certificates read again', certificateFacts(texts));
          webhook.reloadTls(texts);
        },
        judgeAgain: () => webhook.judgeAgain(),
        logger,
        metrics,
      }).start(),
    );
  stack.use(
    hangup.calls(() => {
      void certificates?.reload();
      void keyring.reload();
    }),
  );

  const address = await webhook.listen();
  // Only now: who asks after its health sends rows when it is well.
  if (values.metricsAddr !== '') {
    const listen = parseListenAddress(values.metricsAddr, 'metricsAddr');
    stack.use(
      await OperatorServer.listen(listen, {
        ...operator,
        requireDiagnostics: operatorDiagnostics(values, listen, keyring),
      }),
    );
  }
  limitHeapGrowth();
  run.ready();
  logger.info(
    describeListener(
      {
        ...address,
        certifiedName:
          tls === null || values.tlsSelfSigned ? null : certifiedName(tls.cert),
      },
      tls !== null,
      values,
      target.examplePath,
    ),
  );
  await aborted(io.signal);
  await drain(values.gracePeriod, webhook, pipelines, logger);
  return 0;
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
