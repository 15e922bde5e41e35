import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLogger, silentLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import {
  retireSnapshots,
  type SnapshotOptions,
  startMetricsSnapshots,
  writeSnapshot,
} from '../../src/telemetry/metrics-snapshots.ts';

let dataDir: string;
let options: SnapshotOptions;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'replicator-snapshots-'));
  options = {
    dataDir,
    metricsSnapshotPeriod: 15_000,
    metricsSnapshotCompression: 'gzip',
    metricsSnapshotRetentionTime: 3_600_000,
    metricsSnapshotRetentionSize: 0,
  };
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const newYear = new Date('2026-01-01T00:00:00.000Z');
const snapshots = (): string[] =>
  readdirSync(join(dataDir, 'metrics-snapshots'));

test('a snapshot holds all metrics, named by its time', async () => {
  const metrics = createMetrics();
  metrics.cdc_sink_start_seconds.set(42);
  const path = await writeSnapshot(metrics, options, newYear);
  expect(snapshots()).toEqual(['snapshot-20260101T000000.000Z.txt.gz']);
  expect(gunzipSync(readFileSync(path)).toString()).toContain(
    'cdc_sink_start_seconds 42',
  );
});

test('without compression it is plain text', async () => {
  const path = await writeSnapshot(
    createMetrics(),
    { ...options, metricsSnapshotCompression: 'none' },
    newYear,
  );
  expect(path).toMatch(/snapshot-20260101T000000\.000Z\.txt$/);
  expect(readFileSync(path, 'utf8')).toContain('# HELP stage_mutations_total');
});

test('those past their time are deleted, the newest never', async () => {
  const metrics = createMetrics();
  for (const minute of ['00', '30', '45']) {
    await writeSnapshot(
      metrics,
      options,
      new Date(`2026-01-01T00:${minute}:00.000Z`),
    );
  }
  await retireSnapshots(options, Date.parse('2026-01-01T01:20:00.000Z'));
  expect(snapshots()).toEqual([
    'snapshot-20260101T003000.000Z.txt.gz',
    'snapshot-20260101T004500.000Z.txt.gz',
  ]);
  await retireSnapshots(options, Date.parse('2027-01-01T00:00:00.000Z'));
  expect(snapshots()).toEqual(['snapshot-20260101T004500.000Z.txt.gz']);
});

test('those past their size are deleted, oldest first', async () => {
  await writeSnapshot(createMetrics(), options, newYear);
  const folder = join(dataDir, 'metrics-snapshots');
  for (const second of [1, 2, 3]) {
    writeFileSync(
      join(folder, `snapshot-20260101T00000${second}.000Z.txt`),
      'x'.repeat(100),
    );
  }
  await retireSnapshots(
    {
      ...options,
      metricsSnapshotRetentionTime: 0,
      metricsSnapshotRetentionSize: 200,
    },
    Date.now(),
  );
  expect(snapshots()).toEqual([
    'snapshot-20260101T000002.000Z.txt',
    'snapshot-20260101T000003.000Z.txt',
  ]);
});

test('a file that is no snapshot is left alone', async () => {
  await writeSnapshot(createMetrics(), options, newYear);
  writeFileSync(join(dataDir, 'metrics-snapshots', 'notes.txt'), 'mine');
  await retireSnapshots(
    { ...options, metricsSnapshotRetentionSize: 1 },
    Date.now(),
  );
  expect(snapshots()).toContain('notes.txt');
});

test('a stop writes a last snapshot', async () => {
  {
    await using _ = startMetricsSnapshots(
      createMetrics(),
      options,
      silentLogger,
    );
  }
  expect(snapshots()).toHaveLength(1);
});

test('a folder that cannot be written to is a warning, not an end', async () => {
  writeFileSync(join(dataDir, 'file'), '');
  let log = '';
  const logger = createLogger(
    { logFormat: 'text', verbose: 0 },
    { write: (line) => void (log += line) },
  );
  {
    await using _ = startMetricsSnapshots(
      createMetrics(),
      { ...options, dataDir: join(dataDir, 'file') },
      logger,
    );
  }
  expect(log).toContain('WARN  a metrics snapshot could not be written');
});
