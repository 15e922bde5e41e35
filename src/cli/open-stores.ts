import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { StagingValues, TargetValues } from '../config/options.ts';
import { asReplicatorError, ReplicatorError } from '../failure/failure.ts';
import { openStaging, type StagingOptions } from '../staging/open.ts';
import type { StagingStore } from '../staging/staging.ts';
import { openTarget } from '../target/open-target.ts';
import type { Target } from '../target/target.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { targetOptionsOf } from './target-options.ts';

/** How often a daemon that waits for another's end looks. */
const lockPollMs = 500;

export interface OpenStoresOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /**
   * Given: while another daemon holds staging this one waits instead of giving
   * up, and is told here that it does.
   */
  readonly onLockWait?: () => void;
  /** See {@link StagingOptions.shared}. */
  readonly sharesStaging?: StagingOptions['shared'];
  /** Called once the target was asked and before anything is written. */
  readonly beforeWriting?: () => void;
  /** See {@link OpenTargetOptions.sessionName}. */
  readonly sessionName?: string;
}

/**
 * Opens target and staging, and writes nothing before both have answered. A
 * target that is down ends the start, unless staging already knows its
 * schemas: then the daemon starts without it and staging accepts meanwhile.
 * Rejects with the signal's reason when that aborts first.
 */
export async function openStores(
  values: TargetValues & StagingValues,
  stack: AsyncDisposableStack,
  options: OpenStoresOptions,
): Promise<{ target: Target; store: StagingStore }> {
  const { logger, metrics, signal, onLockWait } = options;
  const { sharesStaging, sessionName } = options;
  const target = stack.use(
    await openTarget({
      ...targetOptionsOf(values, { metrics, logger }),
      ...(sessionName === undefined ? {} : { sessionName }),
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
  options.beforeWriting?.();
  const stagingOptions: StagingOptions = {
    stagingConn: embedded ? null : values.stagingConn,
    dataDir: values.dataDir,
    stagingSchema: values.stagingSchema,
    createSchema: values.stagingCreateSchema && targetFailure === null,
    ...(sharesStaging && { shared: sharesStaging }),
    pool: {
      maxPoolSize: values.stagingMaxPoolSize,
      idleTimeMs: values.stagingIdleTime,
      jitterTimeMs: values.stagingJitterTime,
      maxLifetimeMs: values.stagingMaxLifetime,
    },
  };
  const store = stack.use(
    onLockWait
      ? await openWhenFree(stagingOptions, signal, (line) => {
          onLockWait();
          logger.info(line);
        })
      : await openStaging(stagingOptions, signal),
  );
  if (targetFailure !== null) {
    if ((await store.schemas(signal)).length === 0) {
      throw targetFailure;
    }
    logger.warn(
      `starting without the target, staging accepts changes until it is back: ${asReplicatorError(targetFailure).line}`,
    );
  }
  return { target, store };
}

async function openWhenFree(
  options: StagingOptions,
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<StagingStore> {
  let hasTold = false;
  for (;;) {
    try {
      return await openStaging(options, signal);
    } catch (error) {
      if (!(error instanceof ReplicatorError && error.code === 'E2005')) {
        throw error;
      }
      if (!hasTold) {
        hasTold = true;
        tell(
          `waiting: ${error.message}; this daemon takes over when that one ends`,
        );
      }
    }
    await sleep(lockPollMs, undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
  }
}
