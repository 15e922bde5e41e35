import { expect, test } from 'vitest';
import {
  type MetricEntry,
  metricTable,
} from '../../src/telemetry/metric-table.ts';
import {
  collectProcessMetrics,
  createMetrics,
} from '../../src/telemetry/metrics.ts';

const entries: [string, MetricEntry][] = Object.entries(metricTable);

test('every metric of the table is printed under its name, with its help', async () => {
  const text = await createMetrics().registry.metrics();
  for (const [name, entry] of entries) {
    expect(text).toContain(
      `# HELP ${name} ${entry.help}\n# TYPE ${name} ${entry.type}`,
    );
  }
});

test('labels and amounts arrive as they were given', async () => {
  const metrics = createMetrics();
  metrics.stage_mutations_total.inc(
    { schema: 'db.public', table: 'orders' },
    3,
  );
  expect(await metrics.registry.metrics()).toContain(
    'stage_mutations_total{schema="db.public",table="orders"} 3',
  );
});

test('two daemons in one process keep their metrics apart', async () => {
  const [one, other] = [createMetrics(), createMetrics()];
  one.http_status_codes_total.inc({ code: '200' });
  expect(await one.registry.metrics()).toContain(
    'http_status_codes_total{code="200"} 1',
  );
  expect(await other.registry.metrics()).not.toContain('code="200"');
});

test('Node says what it knows of itself', async () => {
  const metrics = createMetrics();
  collectProcessMetrics(metrics);
  expect(await metrics.registry.metrics()).toMatch(
    /^process_resident_memory_bytes \d+/m,
  );
});

test("latency is counted in the peer's buckets, 1 ms to 60 s", () => {
  expect(metricTable.http_latency_seconds.buckets).toEqual([
    0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.009, 0.01, 0.02,
    0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7,
    0.8, 0.9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60,
  ]);
});

test.each(entries)('%s has a help sentence and bounded labels', (_, entry) => {
  expect(entry.help).toMatch(/^[A-Z0-9].*\.$/);
  for (const label of entry.labels) {
    expect([
      'schema',
      'table',
      // Of the catalog, as the table is.
      'column',
      'policy',
      'kind',
      'target',
      'type',
      'source',
      'level',
      'code',
      'reason',
      'pool',
      'pipeline',
      'option',
      'role',
      'subject',
      'fingerprint',
      'what',
      'version',
      'node',
      'platform',
      'cause',
      'mode',
    ]).toContain(label);
  }
});
