/** The address decides the engine. */
import { ReplicatorError } from '../failure/failure.ts';
import type { PoolOptions } from './connection-pool.ts';
import { openPostgresTarget } from './postgres/dialect.ts';
import type { Target } from './target.ts';

export interface OpenTargetOptions {
  /** `--targetConn`. */
  readonly url: string;
  /** `--targetMaxPoolSize`, `--targetIdleTime`, `--targetJitterTime`, `--targetMaxLifetime`. */
  readonly pool: PoolOptions;
  /** `--applyTimeout`; 0 = none. */
  readonly applyTimeoutMs: number;
  /** `--targetStatementCacheSize`, on each connection. */
  readonly statementCacheSize: number;
}

export const defaultTargetOptions = {
  pool: {
    maxSize: 128,
    idleMs: 60_000,
    jitterMs: 15_000,
    maxLifetimeMs: 300_000,
  },
  applyTimeoutMs: 30_000,
  statementCacheSize: 128,
} as const;

/**
 * Checks the address and opens nothing: the first call that needs the server
 * dials it, so that a daemon may start while its target is down. Throws E4014
 * for a kind of database that is not supported.
 */
export function openTarget(options: OpenTargetOptions): Target {
  const { url, pool, applyTimeoutMs, statementCacheSize } = options;
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'postgres' || scheme === 'postgresql') {
    return openPostgresTarget({
      url,
      pool,
      session: { applyTimeoutMs, statementCacheSize },
    });
  }
  throw new ReplicatorError('E4014', {
    detail:
      scheme === undefined
        ? 'the target address has no scheme'
        : `a target of the kind "${scheme}" is not supported`,
  });
}
