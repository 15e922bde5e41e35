/** Whatever the source does and whatever befalls the pipeline, what always holds does (README.md, "What it guarantees"). */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RefusalTest, runCase } from './check.ts';
import type { ModelCase } from './model-case.ts';
import { foundCases, readCase } from './found-seeds.ts';
import type { ModelDatabase } from './model-database.ts';
import { postgresModel } from './postgres-model.ts';
import { checkRandomCases, soakTimeoutMs } from './random-case.ts';
import type { SchemaLimits } from './random-schema.ts';

const everything: SchemaLimits = {
  foreignKeys: true,
  uniqueKeys: true,
  deferrable: true,
  cycles: 'all',
  actions: true,
  notNullUniqueKeys: true,
  otherSchema: true,
};

/** What no order of statements can do today. */
const isKnownRefusal: RefusalTest = ({ code }) =>
  code === 'E4013' || code === 'E4004';

let database: ModelDatabase;
beforeAll(async () => {
  database = await postgresModel();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

test.for([
  { how: 'one by one', parallelism: 1, hasFaults: false, runs: 12 },
  { how: 'side by side', parallelism: 8, hasFaults: false, runs: 14 },
  { how: 'under faults', parallelism: 8, hasFaults: true, runs: 14 },
] as const)(
  'in consistent mode every reader sees what the source was, applied $how',
  { timeout: soakTimeoutMs(1) },
  async ({ runs, how: _, ...settings }) => {
    const outcome = await checkRandomCases(database, {
      runs,
      limits: everything,
      settings: { mode: 'consistent', ...settings },
      isAllowedRefusal: isKnownRefusal,
    });
    expect(outcome.lookCount).toBeGreaterThan(outcome.runCount);
    expect(outcome.equalCount).toBeGreaterThan(outcome.runCount / 4);
  },
);

test.for([
  { parallelism: 1, hasFaults: false },
  { parallelism: 8, hasFaults: true },
])(
  'rows that the target refuses are set aside, a reader sees all others as they were, and retrying makes all equal, with parallelism $parallelism',
  { timeout: soakTimeoutMs(3) },
  async (settings) => {
    const outcome = await checkRandomCases(database, {
      runs: 8,
      limits: { ...everything, actions: false },
      settings: { mode: 'consistent', hasBadRows: true, ...settings },
      isAllowedRefusal: isKnownRefusal,
    });
    expect(outcome.equalCount).toBeGreaterThan(outcome.runCount / 4);
  },
);

test.for([
  { how: 'undisturbed', hasFaults: false },
  { how: 'under faults', hasFaults: true },
])(
  'where tables that stand alone go ahead, none of their rows goes back, and all others are what the source was, $how',
  { timeout: soakTimeoutMs(1) },
  async ({ hasFaults }) => {
    const outcome = await checkRandomCases(database, {
      runs: 12,
      // Many tables stand alone.
      limits: { ...everything, sparseLinks: true },
      settings: {
        mode: 'consistent',
        parallelism: 8,
        isBestEffort: true,
        hasFaults,
      },
      isAllowedRefusal: isKnownRefusal,
    });
    expect(outcome.equalCount).toBeGreaterThan(outcome.runCount / 4);
  },
);

test.for([
  { how: 'undisturbed', hasFaults: false },
  { how: 'under faults', hasFaults: true },
])(
  'in immediate mode no older version of a row follows a newer one, and the end is the same, $how',
  { timeout: soakTimeoutMs(1) },
  async ({ hasFaults }) => {
    await checkRandomCases(database, {
      runs: 12,
      limits: {
        ...everything,
        foreignKeys: false,
        uniqueKeys: false,
      },
      settings: { mode: 'immediate', parallelism: 8, hasFaults },
      isAllowedRefusal: () => false,
    });
  },
);

const givenCase = process.env['MODEL_CASE'];
test.runIf(givenCase)(
  'the given case holds',
  { timeout: 600_000 },
  async () => {
    const text = await readFile(givenCase!, 'utf8');
    const line = text
      .split('\n')
      .find((each) => each.startsWith('{"schema":'))!;
    const model = JSON.parse(line) as ModelCase;
    for (
      let round = 0;
      round < Number(process.env['MODEL_ROUNDS'] ?? 5);
      round += 1
    ) {
      const settings = {
        ...model.settings,
        seed: model.settings.seed + round * 10,
      };
      const outcome = await runCase(
        database,
        { ...model, settings },
        () => false,
      );
      console.log(JSON.stringify(outcome));
    }
  },
);

test.for(foundCases)(
  'what was found once stays mended: $found',
  async (found) => {
    const { kind } = await runCase(
      database,
      await readCase(found),
      () => false,
    );
    expect(kind).toBe('equal');
  },
);
