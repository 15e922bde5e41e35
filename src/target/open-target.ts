/** The address decides the engine. */
import { ReplicatorError } from '../failure/failure.ts';
import type { Finding } from '../failure/finding.ts';
import type { PoolOptions } from './connection-pool.ts';
import type { Target } from './target.ts';
import { refusingPolicies, type ValuePolicies } from './value-policy.ts';

export interface OpenTargetOptions {
  /** `--targetConn`. */
  readonly url: string;
  /** `--targetMaxPoolSize`, `--targetIdleTime`, `--targetJitterTime`, `--targetMaxLifetime`. */
  readonly pool: PoolOptions;
  /** `--applyTimeout`; 0 = none. */
  readonly applyTimeoutMs: number;
  /** `--targetStatementCacheSize`, on each connection. */
  readonly statementCacheSize: number;
  /** `--valuePolicy`. */
  readonly valuePolicies: ValuePolicies;
  /** `--oracleEmptyString`: what '' becomes in a NOT NULL text column. */
  readonly oracleEmptyString: 'error' | 'space';
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
  valuePolicies: refusingPolicies,
  oracleEmptyString: 'error',
} as const;

/** What preflight needs to know to judge a target. */
export interface PreflightOptions {
  readonly url: string;
  readonly applyTimeoutMs: number;
  readonly parallelism: number;
  readonly maxPoolSize: number;
  /** Staging may live in the same database: no feed writes to this schema. */
  readonly stagingSchema: string | null;
  readonly oracleEmptyString: 'error' | 'space';
}

/** A folder of `target/`, loaded when an address asks for it. */
interface Engine {
  open(options: OpenTargetOptions): Target;
  findings(options: PreflightOptions, signal: AbortSignal): Promise<Finding[]>;
}

/** Each engine by the schemes of its addresses; drivers are big, so lazily. */
const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  postgres: postgresEngine,
  postgresql: postgresEngine,
  oracle: oracleEngine,
  mysql: mysqlEngine,
  mariadb: mysqlEngine,
  sqlserver: sqlserverEngine,
  mssql: sqlserverEngine,
};

async function postgresEngine(): Promise<Engine> {
  const [{ openPostgresTarget }, { postgresFindings }] = await Promise.all([
    import('./postgres/dialect.ts'),
    import('./postgres/preflight.ts'),
  ]);
  return { open: openPostgresTarget, findings: postgresFindings };
}

async function sqlserverEngine(): Promise<Engine> {
  const [{ openSqlServerTarget }, { sqlserverFindings }] = await Promise.all([
    import('./sqlserver/dialect.ts'),
    import('./sqlserver/preflight.ts'),
  ]);
  return { open: openSqlServerTarget, findings: sqlserverFindings };
}

async function mysqlEngine(): Promise<Engine> {
  const [{ openMysqlTarget }, { mysqlFindings }] = await Promise.all([
    import('./mysql/dialect.ts'),
    import('./mysql/preflight.ts'),
  ]);
  return { open: openMysqlTarget, findings: mysqlFindings };
}

async function oracleEngine(): Promise<Engine> {
  const [{ openOracleTarget }, { oracleFindings }] = await Promise.all([
    import('./oracle/dialect.ts'),
    import('./oracle/preflight.ts'),
  ]);
  return { open: openOracleTarget, findings: oracleFindings };
}

/**
 * Checks the address and dials nothing: the first call that needs the server
 * does, so that a daemon may start while its target is down. Rejects with
 * E4014 for a kind of database that is not supported.
 */
export async function openTarget(options: OpenTargetOptions): Promise<Target> {
  return (await engineOf(options.url)).open(options);
}

/** Connects and looks; writes nothing. */
export async function targetFindings(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Finding[]> {
  return (await engineOf(options.url)).findings(options, signal);
}

async function engineOf(url: string): Promise<Engine> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const engine = scheme === undefined ? undefined : engines[scheme];
  if (!engine) {
    throw new ReplicatorError('E4014', {
      detail:
        scheme === undefined
          ? 'the target address has no scheme'
          : `a target of the kind "${scheme}" is not supported`,
    });
  }
  return await engine();
}
