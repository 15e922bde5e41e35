import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { schemaName, type SchemaName } from '../../src/mutation/schema-name.ts';
import type { House } from '../../src/pipeline/house.ts';
import type { PipelineOptions } from '../../src/pipeline/pipeline-options.ts';
import { Pipelines } from '../../src/pipeline/pipelines.ts';
import { StagingBudget } from '../../src/pipeline/feed/staging-budget.ts';
import type { SequencerOptions } from '../../src/sequencer/sequencer.ts';
import { openStaging } from '../../src/staging/open.ts';
import { openSqliteStore } from '../../src/staging/sqlite/sqlite-store.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../src/target/open-target.ts';
import type { Target } from '../../src/target/target.ts';
import { silentAudit } from './silent-audit.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { type TestDatabase, testDatabase } from './test-database.ts';

export const testSequencerOptions: SequencerOptions = {
  flushSize: 1_000,
  parallelism: 4,
  timestampLimit: 1_000,
  limitLookahead: 0,
  scanSize: 10_000,
  isStatementOrder: false,
  readBudgetBytes: 1 << 24,
  collapseMutations: true,
  ignoreUnknownColumns: false,
  onRowError: 'halt',
  dlqTableName: 'replicator_dlq',
  dlqLimit: 1_000,
  maxRetries: 10,
  backoff: { initialMs: 5, maxMs: 50, multiplier: 2 },
  taskGracePeriodMs: 10_000,
  quiescentPeriodMs: 50,
};

/** The rooms behind the listener, in this process: real staging, real target. */
export interface TestHouse extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly schema: SchemaName;
  readonly store: StagingStore;
  readonly target: Target;
  readonly house: House;
  readonly dataDir: string;
  pipelines: Pipelines;
  /** Ends the pipelines at once and begins new ones on the same staging. */
  restart(changes?: Partial<PipelineOptions>): Promise<void>;
}

export async function testHouse(
  options: {
    readonly mode?: 'consistent' | 'immediate';
    readonly sequencer?: Partial<SequencerOptions>;
    readonly bestEffort?: Partial<PipelineOptions['bestEffort']>;
    readonly stagingLimitBytes?: number;
    readonly applyTimeoutMs?: number;
    /** Stands between the pipelines and the real target. */
    readonly wrapTarget?: (target: Target) => Target;
    /** Stands between the pipelines and the real staging. */
    readonly wrapStore?: (store: StagingStore) => StagingStore;
    /** One of several on a staging schema and a target that the caller owns. */
    readonly shared?: {
      readonly name: string;
      readonly database: TestDatabase;
      readonly staging: TestDatabase;
    };
  } = {},
): Promise<TestHouse> {
  const stack = new AsyncDisposableStack();
  const { shared } = options;
  const database = shared?.database ?? stack.use(await testDatabase());
  const dataDir = await mkdtemp(join(tmpdir(), 'house-'));
  stack.defer(() => rm(dataDir, { recursive: true }));
  const target = stack.use(
    await openTarget({
      ...defaultTargetOptions,
      applyTimeoutMs:
        options.applyTimeoutMs ?? defaultTargetOptions.applyTimeoutMs,
      url: database.url,
    }),
  );
  const store = stack.use(
    shared
      ? await openSharedStaging(shared.staging)
      : openSqliteStore({ dataDir, exclusive: true }),
  );
  const house: House = {
    store: options.wrapStore?.(store) ?? store,
    ...(shared && {
      election: {
        leases: store.leases!,
        holder: shared.name,
        leaseMs: 1_000,
      },
    }),
    target: options.wrapTarget?.(target) ?? target,
    budget: new StagingBudget(store, options.stagingLimitBytes ?? 1 << 30),
    metrics: createMetrics(),
    logger: silentLogger,
    audit: silentAudit,
    options: {
      mode: options.mode ?? 'consistent',
      // Rows of tests are years old; what is set back needs them still.
      retireOffsetMs: 1e12,
      maxGuardKeys: 100_000,
      bestEffort: {
        only: false,
        windowMs: 0,
        maxKeys: 100_000,
        nowMs: Date.now,
        ...options.bestEffort,
      },
      immediateForeignKeys: false,
      sequencer: { ...testSequencerOptions, ...options.sequencer },
    },
  };
  const test: TestHouse = {
    database,
    schema: schemaName([database.name, 'public']),
    store,
    target,
    house,
    dataDir,
    pipelines: new Pipelines(house, 0),
    async restart(changes = {}) {
      await test.pipelines[Symbol.asyncDispose]();
      test.pipelines = new Pipelines(
        { ...house, options: { ...house.options, ...changes } },
        0,
      );
      await test.pipelines.resume();
    },
    async [Symbol.asyncDispose]() {
      await test.pipelines[Symbol.asyncDispose]();
      await stack.disposeAsync();
    },
  };
  return test;
}

/** As the daemons of a fleet open it. */
export async function openSharedStaging(
  database: TestDatabase,
): Promise<StagingStore> {
  return openStaging({
    stagingConn: database.url,
    stagingSchema: `${database.name}.staging`,
    createSchema: true,
    dataDir: '/nonexistent',
    shared: 'staged',
    pool: {
      idleTimeMs: 60_000,
      jitterTimeMs: 0,
      maxLifetimeMs: 0,
      maxPoolSize: 4,
    },
  });
}
