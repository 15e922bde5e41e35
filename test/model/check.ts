/** One case: a schema, what the source did, and everything that befalls it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { ReplicatorError } from '../../src/failure/failure.ts';
import { nextTimestamp, type Timestamp } from '../../src/mutation/timestamp.ts';
import {
  joinedTableName,
  withJoinedSchemas,
} from '../../src/pipeline/joined-schemas.ts';
import { meteredTarget } from '../../src/pipeline/metered-target.ts';
import type { House, PipelineOptions } from '../../src/pipeline/pipeline.ts';
import { Pipelines } from '../../src/pipeline/pipelines.ts';
import { StagingBudget } from '../../src/pipeline/staging-budget.ts';
import type { PipelineStatus } from '../../src/pipeline/status.ts';
import type { Feed } from '../../src/source/source.ts';
import { openStaging } from '../../src/staging/open.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../src/target/open-target.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { createRandom, type Random } from '../../src/workload/random.ts';
import { testSequencerOptions } from '../support/house.ts';
import {
  type ModelDatabase,
  type ModelTarget,
  stateText,
  tableStatements,
} from './model-database.ts';
import { commitTimes, deliver } from './random-delivery.ts';
import type { ModelSchema } from './random-schema.ts';
import type { Commit } from './source-model.ts';
import { faultyTarget, type TargetFaults } from './target-faults.ts';
import {
  historyComplaint,
  SourceStates,
  watchTarget,
} from './watching-reader.ts';

export interface CaseSettings {
  readonly mode: PipelineOptions['mode'];
  readonly seed: number;
  readonly parallelism: number;
  readonly flushSize: number;
  readonly timestampLimit: number;
  readonly scanSize: number;
  readonly readBudgetBytes: number;
  readonly collapseMutations: boolean;
  readonly staging: 'sqlite' | 'postgres';
  readonly hasBefore: boolean;
  readonly isSparse: boolean;
  readonly feedRestarts: number;
  readonly pipelineRestarts: number;
  readonly faultCount: number;
}

export interface ModelCase {
  readonly schema: ModelSchema;
  readonly commits: readonly Commit[];
  readonly settings: CaseSettings;
}

/** `refused`: halted with a refusal that is known and allowed; nothing is wrong. */
export interface Outcome {
  readonly kind: 'equal' | 'refused';
  readonly lookCount: number;
  readonly failureCount: number;
}

export type RefusalTest = (
  failure: ReplicatorError,
  schema: ModelSchema,
) => boolean;

const hopelessMs = 60_000;
/** Transactions begun one after the other while halted, and none of them committed. */
const hopelessCount = 100;

/** Throws where anything of design section 5 does not hold. */
export async function runCase(
  database: ModelDatabase,
  { schema, commits, settings }: ModelCase,
  isAllowedRefusal: RefusalTest,
): Promise<Outcome> {
  const isConsistent = settings.mode === 'consistent';
  const random = createRandom(settings.seed);
  const times = commitTimes(commits.length, random);
  const states = new SourceStates(schema, commits, times);
  await using target = await database.create(schema, !isConsistent);
  await using house = await ModelHouse.open(database, target, settings);
  const reader = isConsistent ? watchTarget(target, states) : null;
  await using stack = new AsyncDisposableStack();
  if (reader) {
    stack.use(reader);
  }
  const log = (): string => `\n${house.lines.slice(-40).join('')}`;
  const endAtMs = Date.now() + hopelessMs;
  const goOn = (): void => {
    if (reader?.complaint) {
      throw new Error(reader.complaint + log());
    }
    if (Date.now() > endAtMs) {
      throw new Error(`no end in sight${log()}`);
    }
  };
  await deliver({
    commits,
    times,
    random: createRandom(settings.seed + 1),
    tableName: (table) => house.tableName(schema, table),
    hasBefore: settings.hasBefore,
    isSparse: settings.isSparse,
    feedRestarts: settings.feedRestarts,
    open: () => house.feed(),
    meanwhile: async () => {
      goOn();
      await house.restartPerhaps();
    },
  });
  let last = times.at(-1)!;
  let kind: Outcome['kind'] = 'equal';
  let halted: { applied?: Timestamp | undefined; beginCount: number } = {
    beginCount: 0,
  };
  for (;;) {
    goOn();
    const { status } = house;
    if (status && status.applied >= last && status.complaint === null) {
      break;
    }
    if (
      status?.state === 'halted' &&
      status.lastError &&
      isAllowedRefusal(status.lastError, schema)
    ) {
      kind = 'refused';
      break;
    }
    if (status?.state !== 'halted' || status.applied !== halted.applied) {
      halted = { applied: status?.applied, beginCount: house.beginCount };
    }
    if (house.beginCount > halted.beginCount + hopelessCount) {
      throw new Error(`no end in sight${log()}`);
    }
    await sleep(2);
    if (!isConsistent) {
      // A feed goes on resolving; one that comes during recovery moves nothing.
      last = await resolveNext(house, last);
    }
  }
  if (kind === 'equal') {
    const seen = stateText((await target.snapshot()).tables);
    if (seen !== states.last) {
      throw new Error(
        `the source ended as\n${states.last}\nand the target as\n${seen}${log()}`,
      );
    }
    const { status } = house;
    if (status?.state !== 'running' || status.lastError !== null) {
      throw new Error(
        `the status is ${status?.state}, ${status?.lastError?.line}${log()}`,
      );
    }
  }
  const complaint = isConsistent ? null : await historyComplaint(target);
  await stack.disposeAsync();
  if (complaint ?? reader?.complaint) {
    throw new Error(`${complaint ?? reader?.complaint}${log()}`);
  }
  return {
    kind,
    lookCount: reader?.lookCount ?? 0,
    failureCount: house.failureCount,
  };
}

/** The time that is resolved then: this one where the receiver was not ready. */
async function resolveNext(
  house: ModelHouse,
  last: Timestamp,
): Promise<Timestamp> {
  const next = nextTimestamp(last);
  try {
    await (await house.feed()).resolve(next);
    return next;
  } catch {
    return last;
  }
}

/** The rooms behind the listener, which may be dropped and begun again. */
class ModelHouse implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #target: ModelTarget;
  readonly #openStore: () => Promise<StagingStore>;
  readonly #furnish: (store: StagingStore) => House;
  readonly #stack: AsyncDisposableStack;
  readonly #random: Random;
  readonly #faults: TargetFaults;
  #store!: StagingStore;
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
          logger: pino(
            { level: 'info' },
            { write: (line) => void lines.push(line) },
          ),
          options: {
            mode: settings.mode,
            retireOffsetMs: settings.seed % 2 === 0 ? 0 : 86_400_000,
            maxGuardKeys: 100_000,
            sequencer: { ...testSequencerOptions, ...settings },
          },
        };
      },
    });
    await house.#begin();
    return house;
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

  tableName({ tables }: ModelSchema, place: number): string {
    const { main, others } = this.#target;
    const { name, schema } = tables[place]!;
    return joinedTableName(main, schema === 1 ? others[0]! : main, name);
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
    this.#pipelines = new Pipelines(this.#furnish(store), 0);
    await this.#pipelines.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#restarting;
    await this.#pipelines[Symbol.asyncDispose]();
    await this.#store[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
  }
}

export function describeCase(
  database: ModelDatabase,
  model: ModelCase,
): string {
  const { schema, commits, settings } = model;
  const sql = tableStatements(schema, {
    quote: (name) => name,
    qualified: ({ name, schema: place }) => (place === 1 ? `x.${name}` : name),
  });
  const changes = commits.map(
    (commit, index) =>
      `${index + 1}: ${commit
        .map(
          ({ table, key, after, carried }) =>
            `t${table}${key} ${after ? JSON.stringify(after, carried && [...carried]) : 'deleted'}`,
        )
        .join('; ')}`,
  );
  return [
    database.engine,
    JSON.stringify(settings),
    ...sql,
    ...changes,
    JSON.stringify(model),
  ].join('\n');
}
