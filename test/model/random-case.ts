/** Draws cases, runs them, and says of one that fails how to have it again. */
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Outcome, type RefusalTest, runCase } from './check.ts';
import {
  type CaseSettings,
  describeCase,
  type ModelCase,
} from './model-case.ts';
import type { ModelDatabase } from './model-database.ts';
import { randomSchema, type SchemaLimits } from './random-schema.ts';
import { withBadRows } from './bad-rows.ts';
import { commitsOf } from './source-model.ts';
import { strokes } from './strokes.ts';

/** `REPLICATOR_SOAK=N`: so many times as many runs as there are in `npm test`. */
const soakFactor = Math.max(
  1,
  Number(process.env['REPLICATOR_SOAK'] ?? 0) / 20,
);
/** `MODEL_SEED=n`: the seed that a failure has printed. */
const givenSeed = process.env['MODEL_SEED'];
/** `MODEL_STRICT=1`: nothing is allowed to be refused. */
const isStrict = process.env['MODEL_STRICT'] === '1';
/** `MODEL_SHRINK=1`. Shrinking against a real database is slow: it ends after this. */
const shrinkMs = 120_000;

export interface Draw {
  readonly runs: number;
  readonly limits: SchemaLimits;
  readonly settings: {
    readonly mode: CaseSettings['mode'];
    readonly parallelism: number;
    readonly hasFaults: boolean;
    readonly hasBadRows?: boolean;
    readonly isBestEffort?: boolean;
  };
  readonly isAllowedRefusal: RefusalTest;
}

export interface DrawOutcome {
  readonly runCount: number;
  /** The others were refused in a way that is allowed. */
  readonly equalCount: number;
  readonly lookCount: number;
}

export function soakTimeoutMs(draws: number): number {
  return 300_000 * draws * soakFactor;
}

export async function checkRandomCases(
  database: ModelDatabase,
  draw: Draw,
): Promise<DrawOutcome> {
  const outcomes: Outcome[] = [];
  const isAllowed = isStrict ? () => false : draw.isAllowedRefusal;
  let firstFailureAtMs = Number.POSITIVE_INFINITY;
  const seed =
    givenSeed === undefined
      ? Math.trunc(Math.random() * 2 ** 31)
      : Number(givenSeed);
  const result = await fc.check(
    fc.asyncProperty(
      randomCase(draw, database.stagingUrl !== null),
      async (model) => {
        // Too late to shrink any further.
        fc.pre(Date.now() < firstFailureAtMs + shrinkMs);
        if (model.commits.length === 0) {
          return;
        }
        try {
          outcomes.push(await runCase(database, model, isAllowed));
        } catch (error) {
          firstFailureAtMs = Math.min(firstFailureAtMs, Date.now());
          throw error;
        }
      },
    ),
    {
      numRuns: Math.ceil(draw.runs * soakFactor),
      seed,
      endOnFailure: process.env['MODEL_SHRINK'] !== '1',
    },
  );
  if (result.failed) {
    const [model] = result.counterexample!;
    const text = describeCase(database, model);
    const folder = join(tmpdir(), 'model-failures');
    await mkdir(folder, { recursive: true });
    const path = join(folder, `${database.engine}-${seed}-${Date.now()}.txt`);
    const cause = result.errorInstance;
    const story = cause instanceof Error ? (cause.stack ?? '') : String(cause);
    await writeFile(path, `${text}\n\n${story}`);
    throw new Error(
      `MODEL_SEED=${seed} (run ${result.numRuns}), the case is in ${path}\n${text.slice(0, 6_000)}`,
      { cause },
    );
  }
  const outcome = {
    runCount: outcomes.length,
    equalCount: outcomes.filter(({ kind }) => kind === 'equal').length,
    lookCount: outcomes.reduce((sum, { lookCount }) => sum + lookCount, 0),
  };
  if (process.env['REPLICATOR_SOAK'] !== undefined) {
    console.log(`seed ${seed}: ${JSON.stringify(outcome)}`);
  }
  return outcome;
}

function randomCase(
  { limits, settings }: Draw,
  hasStaging: boolean,
): fc.Arbitrary<ModelCase> {
  const isConsistent = settings.mode === 'consistent';
  const drawn: fc.Arbitrary<CaseSettings> = fc.record({
    mode: fc.constant(settings.mode),
    seed: fc.nat({ max: 1_000_000 }),
    parallelism: fc.constant(settings.parallelism),
    flushSize: fc.constantFrom(1, 2, 3, 5, 8, 1_000),
    timestampLimit: fc.constantFrom(1, 2, 3, 1_000),
    // Small ones make giant transactions, which are written in parts.
    scanSize: fc.constantFrom(
      4,
      20,
      ...Array.from({ length: 8 }, () => 10_000),
    ),
    readBudgetBytes: fc.constantFrom(
      400,
      4_000,
      ...Array.from({ length: 8 }, () => 1 << 24),
    ),
    collapseMutations: fc.nat({ max: 5 }).map((n) => n > 0),
    staging: hasStaging
      ? fc.constantFrom<CaseSettings['staging']>('sqlite', 'sqlite', 'postgres')
      : fc.constant<CaseSettings['staging']>('sqlite'),
    hasBefore: fc.boolean(),
    isSparse: isConsistent ? fc.boolean() : fc.constant(false),
    feedRestarts: fc.nat({ max: 3 }),
    pipelineRestarts: fc.constantFrom(0, 0, 1, 3),
    faultCount: settings.hasFaults ? fc.constantFrom(1, 3, 10) : fc.constant(0),
    hasBadRows: fc.constant(settings.hasBadRows ?? false),
    bestEffort: settings.isBestEffort
      ? fc.constantFrom<CaseSettings['bestEffort']>('always', 'sometimes')
      : fc.constant<CaseSettings['bestEffort']>('off'),
  });
  return fc
    .record({ schema: randomSchema(limits), strokes, settings: drawn })
    .map(({ schema, strokes: all, settings: own }) => ({
      schema,
      commits: own.hasBadRows
        ? withBadRows(commitsOf(schema, all), own.seed)
        : commitsOf(schema, all),
      settings: own,
    }));
}
