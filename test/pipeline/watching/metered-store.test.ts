import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import {
  type Timestamp,
  timestampFromMs,
  zeroTimestamp,
} from '../../../src/mutation/timestamp.ts';
import { meteredStore } from '../../../src/pipeline/watching/metered-store.ts';
import { openSqliteStore } from '../../../src/staging/sqlite/sqlite-store.ts';
import type { NewEntry } from '../../../src/staging/staging.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'replicator-metered-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

const schema = schemaName(['db', 'public']);
const entry = (time: Timestamp, rowCount: number): NewEntry => ({
  schema,
  table: 't',
  minTime: time,
  maxTime: time,
  rowCount,
  body: Buffer.from('x'),
});

test('what a store is asked to do is counted and timed, and answered as before', async () => {
  const metrics = createMetrics();
  await using store = meteredStore(
    openSqliteStore({ dataDir, exclusive: true }),
    metrics,
  );
  const old = timestampFromMs(Date.now() - 3_600_000);
  const recent = timestampFromMs(Date.now());
  await store.append([entry(recent, 2), entry(old, 3)]);
  const { accepted } = await store.resolve(schema, recent);
  await store.commitApplied(schema, old, false);
  const read = await store.read(schema, {
    after: zeroTimestamp,
    through: recent,
    cursor: null,
    limitBytes: 1_000_000,
    limitRows: 1000,
  });
  const { applied } = await store.checkpoint(schema);

  expect([accepted, applied, read.length]).toEqual([true, old, 2]);
  const text = await metrics.registry.metrics();
  for (const line of [
    'checkpoint_advance_duration_seconds_count{schema="db.public"} 1',
    'checkpoint_commit_duration_seconds_count{schema="db.public"} 1',
    'checkpoint_refresh_duration_seconds_count{schema="db.public"} 1',
    'stage_read_duration_seconds_count{schema="db.public"} 1',
    'stage_read_rows{schema="db.public"} 5',
    // Its oldest change is an hour old.
    'stage_commit_lag_seconds_bucket{le="1800",schema="db.public"} 0',
    'stage_commit_lag_seconds_bucket{le="21600",schema="db.public"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});
