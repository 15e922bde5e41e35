import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Sifted } from '../../../src/pipeline/feed/redelivery.ts';
import { stageRequest } from '../../../src/pipeline/feed/stage-rows.ts';
import { StagingBudget } from '../../../src/pipeline/feed/staging-budget.ts';
import type { House } from '../../../src/pipeline/house.ts';
import { PipelineStatus } from '../../../src/pipeline/watching/status.ts';
import { openSqliteStore } from '../../../src/staging/sqlite/sqlite-store.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { at, readAll, row, schema } from '../../contract/staging-place.ts';

const nothing: Sifted = {
  fresh: [],
  freshCount: 0,
  oldestNew: null,
  redelivered: new Map(),
};

test('where a first round was refused and the second finds redeliveries alone, nothing is handed on', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'stage-rows-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  await using store = openSqliteStore({ dataDir, exclusive: true });
  const house = {
    store,
    budget: new StagingBudget(store, 1 << 30),
    metrics: createMetrics(),
  } as House;
  const status = new PipelineStatus();
  const request = (rounds: Sifted[]) =>
    stageRequest(house, {
      schema,
      status,
      sift: async () => rounds.shift()!,
      ready: async () => 'ready',
    });
  const late: Sifted = {
    ...nothing,
    fresh: [{ table: 't', mutations: [row(at(5), 'a')] }],
    freshCount: 1,
    oldestNew: at(5),
  };

  const taken = await request([late]);
  await taken.durable;
  expect(taken).toMatchObject({ staged: late.fresh, ready: 'ready' });
  expect(status.stagedRowCount).toBe(1);

  await store.resolve(schema, at(9));
  const refused = await request([late, nothing]);
  await refused.durable;
  expect(refused).toMatchObject({ staged: [], entries: [], ready: null });
  expect(status.stagedRowCount).toBe(1);
  expect(await readAll(store)).toHaveLength(1);
});
