/** The address decides the engine. */
import { ReplicatorError } from '../failure/failure.ts';
import type { Finding } from '../failure/finding.ts';
import type { JsonText } from '../mutation/mutation.ts';
import type { PoolOptions } from './connections/connection-pool.ts';
import type { MysqlCodec } from './mysql/values/codec.ts';
import type { PostgresCodec } from './postgres/values/codec.ts';
import { defaultDeadLetterTable } from './own-tables/dead-letter-sql.ts';
import type { Privilege } from '../failure/privilege.ts';
import type { GrantPlan } from './privileges.ts';
import type { OwnTablePlan } from './own-tables/own-tables.ts';
import type { Preparation } from './preparation.ts';
import type { SqlServerCodec } from './sqlserver/values/codec.ts';
import type { ColumnShape, Target } from './target.ts';
import {
  refusingPolicies,
  UnstorableValue,
  type ValuePolicies,
} from './value-policy.ts';

export interface OpenTargetOptions {
  /** `--targetConn`. */
  readonly url: string;
  /** `--targetMaxPoolSize`, `--targetIdleTime`, `--targetJitterTime`, `--targetMaxLifetime`. */
  readonly pool: PoolOptions;
  /** `--applyTimeout`; 0 = none. */
  readonly applyTimeoutMs: number;
  /** By which the server knows the sessions of this process, where it can. */
  readonly sessionName?: string;
  /** `--targetStatementCacheSize`, on each connection. */
  readonly statementCacheSize: number;
  /** `--valuePolicy`. */
  readonly valuePolicies: ValuePolicies;
  /** `--oracleEmptyString`: what '' becomes in a NOT NULL text column. */
  readonly oracleEmptyString: 'error' | 'space';
  /** `--dlqTableName`: no table of that name is one that a feed writes to. */
  readonly dlqTableName: string;
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
  dlqTableName: defaultDeadLetterTable,
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
  readonly grants: GrantPlan;
}

/** Of the schemas that are named, those tables of ours which are not there. */
export type PrepareOptions = Pick<OpenTargetOptions, 'url' | 'applyTimeoutMs'> &
  OwnTablePlan;

/** A folder of `target/`, loaded when an address asks for it. */
interface Engine {
  open(options: OpenTargetOptions): Target;
  findings(options: PreflightOptions, signal: AbortSignal): Promise<Finding[]>;
  privileges(
    options: PreflightOptions,
    signal: AbortSignal,
  ): Promise<Privilege[]>;
  prepare(options: PrepareOptions, signal: AbortSignal): Promise<Preparation>;
  /** Makes the text of a value; throws UnstorableValue. */
  write(
    column: ColumnShape,
    token: JsonText,
    options: Pick<OpenTargetOptions, 'oracleEmptyString'>,
  ): unknown;
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
  const [
    { openPostgresTarget },
    { postgresFindings, postgresPrivileges },
    { refusalOf },
    { openPostgresPreparation },
  ] = await Promise.all([
    import('./postgres/dialect.ts'),
    import('./postgres/preflight/preflight.ts'),
    import('./postgres/values/values.ts'),
    import('./postgres/preflight/prepare.ts'),
  ]);
  return {
    open: openPostgresTarget,
    findings: postgresFindings,
    privileges: postgresPrivileges,
    prepare: openPostgresPreparation,
    write(column, token) {
      const refusal = refusalOf(column.codec as PostgresCodec, token);
      if (refusal) {
        throw refusal;
      }
    },
  };
}

async function sqlserverEngine(): Promise<Engine> {
  const [
    { openSqlServerTarget },
    { sqlserverFindings, sqlserverPrivileges },
    { openSqlServerPreparation },
    { columnText },
  ] = await Promise.all([
    import('./sqlserver/dialect.ts'),
    import('./sqlserver/preflight/preflight.ts'),
    import('./sqlserver/preflight/prepare.ts'),
    import('./sqlserver/values/values.ts'),
  ]);
  return {
    open: openSqlServerTarget,
    findings: sqlserverFindings,
    privileges: sqlserverPrivileges,
    prepare: openSqlServerPreparation,
    write: (column, token) => columnText(column.codec as SqlServerCodec, token),
  };
}

async function mysqlEngine(): Promise<Engine> {
  const [
    { openMysqlTarget },
    { mysqlFindings, mysqlPrivileges },
    { readerOf },
    { openMysqlPreparation },
  ] = await Promise.all([
    import('./mysql/dialect.ts'),
    import('./mysql/preflight/preflight.ts'),
    import('./mysql/values/values.ts'),
    import('./mysql/preflight/prepare.ts'),
  ]);
  return {
    open: openMysqlTarget,
    findings: mysqlFindings,
    privileges: mysqlPrivileges,
    prepare: openMysqlPreparation,
    write: (column, token) => readerOf(column.codec as MysqlCodec)(token),
  };
}

async function oracleEngine(): Promise<Engine> {
  const [
    { openOracleTarget },
    { oracleFindings, oraclePrivileges },
    { valueWriter },
    { openOraclePreparation },
  ] = await Promise.all([
    import('./oracle/dialect.ts'),
    import('./oracle/preflight/preflight.ts'),
    import('./oracle/values/values.ts'),
    import('./oracle/preflight/prepare.ts'),
  ]);
  return {
    open: openOracleTarget,
    findings: oracleFindings,
    privileges: oraclePrivileges,
    prepare: openOraclePreparation,
    write: (column, token, { oracleEmptyString }) =>
      valueWriter(column, oracleEmptyString).text(token),
  };
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

/** What the account needs, held or not; connects, and writes nothing. */
export async function targetPrivileges(
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Privilege[]> {
  return (await engineOf(options.url)).privileges(options, signal);
}

/** Connects and reads what is not prepared; changes nothing by itself. */
export async function openPreparation(
  options: PrepareOptions,
  signal: AbortSignal,
): Promise<Preparation> {
  return await (await engineOf(options.url)).prepare(options, signal);
}

/**
 * Tells, without asking the server, why a column cannot hold a value; null
 * where no reason is known.
 */
export async function columnRefusals(
  options: Pick<OpenTargetOptions, 'url' | 'oracleEmptyString'>,
): Promise<(column: ColumnShape, token: JsonText) => string | null> {
  const engine = await engineOf(options.url);
  return (column, token) => {
    try {
      engine.write(column, token, options);
      return null;
    } catch (error) {
      if (!(error instanceof UnstorableValue)) {
        throw error;
      }
      return error.message;
    }
  };
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
