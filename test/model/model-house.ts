import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { ReplicatorError } from '../../src/failure/failure.ts';
import { withJoinedSchemas } from '../../src/pipeline/joined-schemas.ts';
import { meteredTarget } from '../../src/pipeline/watching/metered-target.ts';
import type { House } from '../../src/pipeline/house.ts';
import type { PipelineOptions } from '../../src/pipeline/pipeline-options.ts';
import { Pipelines } from '../../src/pipeline/pipelines.ts';
import { StagingBudget } from '../../src/pipeline/feed/staging-budget.ts';
import type { PipelineStatus } from '../../src/pipeline/watching/status.ts';
import type { Feed } from '../../src/source/source.ts';
import { openStaging } from '../../src/staging/open.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../src/target/open-target.ts';
import type { Target } from '../../src/target/target.ts';
import { silentAudit } from '../support/silent-audit.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { createRandom, type Random } from '../../src/workload/random.ts';
import { testSequencerOptions } from '../support/house.ts';
import type { ModelDatabase, ModelTarget } from './model-database.ts';
import type { CaseSettings } from './model-case.ts';
import { faultyTarget, type TargetFaults } from './target-faults.ts';

/** The rooms behind the listener, which may be dropped and begun again. */
export class ModelHouse implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #target: ModelTarget;
  readonly #openStore: () => Promise<StagingStore>;
  readonly #furnish: (store: StagingStore) => House;
  readonly #stack: AsyncDisposableStack;
  readonly #random: Random;
  readonly #faults: TargetFaults;
  #store!: StagingStore;
  #house!: House;
  #pipelines!: Pipelines;
  #restartsLeft: number;
  #restarting: Promise<void> | null = null;

  private constructor(
    target: ModelTarget,
    settings: CaseSettings,
    parts: {
      readonly stack: AsyncDisposableStack;
      readonly faults: TargetFaults;
      readonly openStore: () => Promise<StagingStore>;
      readonly furnish: (lines: string[]) => (store: StagingStore) => House;
    },
  ) {
    this.#target = target;
    this.#random = createRandom(settings.seed + 2);
    this.#restartsLeft = settings.pipelineRestarts;
    this.#stack = parts.stack;
    this.#faults = parts.faults;
    this.#openStore = parts.openStore;
    this.#furnish = parts.furnish(this.lines);
  }

  static async open(
    database: ModelDatabase,
    schema: ModelTarget,
    settings: CaseSettings,
  ): Promise<ModelHouse> {
    const stack = new AsyncDisposableStack();
    const dataDir = await mkdtemp(join(tmpdir(), 'model-'));
    stack.defer(() => rm(dataDir, { recursive: true, force: true }));
    const real = stack.use(
      await openTarget({ ...defaultTargetOptions, url: database.url }),
    );
    const faults: TargetFaults = {
      random: createRandom(settings.seed + 3),
      left: settings.faultCount,
      probability: 0.1,
      beginCount: 0,
      cut: () => database.cut(),
    };
    const faulty = faultyTarget(real, faults);
    const stagingSchema = `${schema.main}_staging`;
    const house = new ModelHouse(schema, settings, {
      stack,
      faults,
      openStore: () =>
        openStaging({
          stagingConn:
            settings.staging === 'postgres' ? database.stagingUrl : null,
          dataDir,
          stagingSchema,
          createSchema: true,
          pool: {
            idleTimeMs: 60_000,
            jitterTimeMs: 0,
            maxLifetimeMs: 300_000,
            maxPoolSize: 4,
          },
        }),
      furnish: (lines) => (store) => {
        const metrics = createMetrics();
        return {
          store,
          target: withJoinedSchemas(
            meteredTarget(faulty, metrics),
            schema.main,
            schema.others,
          ),
          budget: new StagingBudget(store, 1 << 30),
          metrics,
          audit: silentAudit,
          logger: pino(
            { level: 'info' },
            { write: (line) => void lines.push(line) },
          ),
          options: {
            mode: settings.mode,
            bestEffort: bestEffortOf(settings),
            retireOffsetMs: settings.seed % 2 === 0 ? 0 : 86_400_000,
            maxGuardKeys: 100_000,
            sequencer: {
              ...testSequencerOptions,
              ...settings,
              onRowError: settings.hasBadRows ? 'deadLetter' : 'halt',
            },
          },
        };
      },
    });
    await house.#begin();
    return house;
  }

  /** In a soak, so that it is seen what is refused and where. */
  sayRefusal({ line }: ReplicatorError): void {
    if (process.env['REPLICATOR_SOAK'] !== undefined) {
      const isGiant = this.lines.some((each) => each.includes('one large'));
      console.log(`refused${isGiant ? ', a giant' : ''}: ${line}`);
    }
  }

  endFaults(): void {
    this.#faults.left = 0;
  }

  get beginCount(): number {
    return this.#faults.beginCount;
  }

  get failureCount(): number {
    return this.lines.filter((line) => line.includes('"code"')).length;
  }

  get status(): PipelineStatus | undefined {
    return this.#pipelines.all[0]?.status;
  }

  /** The target as the pipelines have it. */
  get target(): Target {
    return this.#house.target;
  }

  async feed(): Promise<Feed> {
    return (await this.#pipelines.open(this.#target.main))!;
  }

  /** While requests come, or between two of them. */
  async restartPerhaps(): Promise<void> {
    if (this.#restarting || this.#restartsLeft === 0) {
      return;
    }
    if (!this.#random.chance(0.2)) {
      return;
    }
    this.#restartsLeft -= 1;
    this.#restarting = this.#restart().finally(() => {
      this.#restarting = null;
    });
    if (this.#random.chance(0.5)) {
      await this.#restarting;
    }
  }

  async #restart(): Promise<void> {
    await this.#pipelines[Symbol.asyncDispose]();
    if (this.#random.chance(0.5)) {
      await this.#store[Symbol.asyncDispose]();
      this.#store = await this.#openStore();
    }
    await this.#beginOn(this.#store);
  }

  async #begin(): Promise<void> {
    this.#store = await this.#openStore();
    await this.#beginOn(this.#store);
  }

  async #beginOn(store: StagingStore): Promise<void> {
    this.#house = this.#furnish(store);
    this.#pipelines = new Pipelines(this.#house, 0);
    await this.#pipelines.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#restarting;
    await this.#pipelines[Symbol.asyncDispose]();
    await this.#store[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
  }
}

/** The lag, by which the mode changes, is whatever this clock says. */
function bestEffortOf({
  bestEffort,
  seed,
}: CaseSettings): NonNullable<PipelineOptions['bestEffort']> {
  const random = createRandom(seed + 4);
  const farMs = 2_000_000_000_000;
  return {
    only: bestEffort === 'always',
    windowMs: bestEffort === 'sometimes' ? 600_000 : 0,
    maxKeys: random.pick([3, 100_000]),
    nowMs: () => (random.chance(0.5) ? 0 : farMs),
  };
}
