import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { StartValues } from '../config/options.ts';
import { parseValuePolicyRules } from '../config/value-policy-rules.ts';
import { valuePolicies } from '../pipeline/replaced-values.ts';
import { openStaging } from '../staging/open.ts';
import type { StagingStore } from '../staging/staging.ts';
import { openTarget } from '../target/open-target.ts';
import type { Target } from '../target/target.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface OpenStoresOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

/**
 * Opens target and staging, and writes nothing before both have answered. A
 * target that is down ends the start, unless staging already knows its
 * schemas: then the daemon starts without it and staging accepts meanwhile.
 * Rejects with the signal's reason when that aborts first.
 */
export async function openStores(
  values: StartValues,
  stack: AsyncDisposableStack,
  { logger, metrics, signal }: OpenStoresOptions,
): Promise<{ target: Target; store: StagingStore }> {
  const target = stack.use(
    await openTarget({
      url: values.targetConn,
      pool: {
        maxSize: values.targetMaxPoolSize,
        idleMs: values.targetIdleTime,
        jitterMs: values.targetJitterTime,
        maxLifetimeMs: values.targetMaxLifetime,
      },
      applyTimeoutMs: values.applyTimeout,
      statementCacheSize: values.targetStatementCacheSize,
      valuePolicies: valuePolicies(parseValuePolicyRules(values.valuePolicy), {
        metrics,
        logger,
      }),
      oracleEmptyString: values.oracleEmptyString,
    }),
  );
  let targetFailure: unknown = null;
  try {
    await target.ping(signal);
  } catch (error) {
    signal.throwIfAborted();
    targetFailure = error;
  }
  const embedded = values.stagingConn === '';
  if (
    targetFailure !== null &&
    embedded &&
    !existsSync(join(values.dataDir, 'staging.db'))
  ) {
    throw targetFailure;
  }
  const store = stack.use(
    await openStaging(
      {
        stagingConn: embedded ? null : values.stagingConn,
        dataDir: values.dataDir,
        stagingSchema: values.stagingSchema,
        createSchema: values.stagingCreateSchema && targetFailure === null,
        pool: {
          maxPoolSize: values.stagingMaxPoolSize,
          idleTimeMs: values.stagingIdleTime,
          jitterTimeMs: values.stagingJitterTime,
          maxLifetimeMs: values.stagingMaxLifetime,
        },
      },
      signal,
    ),
  );
  if (targetFailure !== null) {
    if ((await store.schemas(signal)).length === 0) {
      throw targetFailure;
    }
    logger.warn(
      { err: targetFailure },
      'the target cannot be reached: starting without it, staging accepts changes until it is back',
    );
  }
  return { target, store };
}
