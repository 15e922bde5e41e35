/**
 * Opens the staging store that the options ask for. A kind is loaded only when
 * it is named.
 */
import { ReplicatorError } from '../failure/failure.ts';
import type { StagingPoolOptions } from './postgres/connections.ts';
import type { Acknowledging } from './postgres/daemon-lock.ts';
import type { StagingStore } from './staging.ts';

export interface StagingOptions {
  /** Null or empty: the embedded store under `dataDir`. */
  readonly stagingConn: string | null;
  readonly dataDir: string;
  /** `database.schema`; a name of one part gets `.public`. */
  readonly stagingSchema: string;
  readonly createSchema: boolean;
  readonly pool: StagingPoolOptions;
  /**
   * True (the default) for a daemon. False for a command that looks in
   * beside a running one: it neither makes nor migrates anything, and does
   * not keep a daemon off the data directory or the staging schema.
   */
  readonly exclusive?: boolean;
  /**
   * Given: other daemons that say the same may use the staging schema at the
   * same time; those that say otherwise are refused (E2012). The embedded store
   * is of one daemon all the same.
   */
  readonly shared?: Acknowledging;
}

/**
 * Resolves when the store has answered and its tables are of this version.
 * Rejects with E2001, E2003, E2004, E2005, E2012, E5002, E5005, E5007 or E5009, or
 * the signal's reason.
 */
export async function openStaging(
  options: StagingOptions,
  signal?: AbortSignal,
): Promise<StagingStore> {
  const { stagingConn } = options;
  const exclusive = options.exclusive ?? true;
  if (stagingConn === null || stagingConn === '') {
    const { openSqliteStore } = await import('./sqlite/sqlite-store.ts');
    return openSqliteStore({ dataDir: options.dataDir, exclusive });
  }
  if (!/^postgres(ql)?:\/\//.test(stagingConn)) {
    throw new ReplicatorError('E5002', {
      detail: '--stagingConn is not a postgresql:// URL',
      remedy:
        'give postgresql://<user>@<host>:<port>/<database> (PostgreSQL or CockroachDB), or leave it out for embedded staging',
    });
  }
  const { openPostgresStore } = await import('./postgres/postgres-store.ts');
  return openPostgresStore({ ...options, stagingConn, exclusive }, signal);
}
