import * as prom from 'prom-client';
import { expect, test } from 'vitest';
import { Counter, Gauge, Histogram } from '../../src/telemetry/instruments.ts';
import type { MetricEntry } from '../../src/telemetry/metric-entry.ts';

const labels = ['schema', 'table'] as const;
const buckets = [0.001, 0.5, 10];
const values = [0, 0.001, 0.0011, 0.5, 7, 10, 10.5, 3600];

/** Schemas and tables whose names would meet were they joined, or spoil a line. */
const series = [
  { schema: 'a', table: 'b' },
  { schema: 'a,table:b', table: '' },
  { schema: 'a', table: '' },
  { schema: 'b', table: 'a' },
  { schema: 'say "so"\\', table: 'line\nend' },
  { schema: 'a', table: 'b' },
];

function entryOf(
  type: MetricEntry['type'],
  labelNames: MetricEntry['labels'],
): MetricEntry {
  return { type, help: 'Help.', labels: labelNames, buckets };
}

function promOf(registry: prom.Registry, labelNames: MetricEntry['labels']) {
  return {
    name: 'name',
    help: 'Help.',
    labelNames: [...labelNames],
    registers: [registry],
  };
}

function registries(): { ours: prom.Registry; theirs: prom.Registry } {
  return { ours: new prom.Registry(), theirs: new prom.Registry() };
}

test('a counter prints what that of prom-client prints', async () => {
  const { ours, theirs } = registries();
  const counter = new Counter<'schema' | 'table'>(
    'name',
    entryOf('counter', labels),
    ours,
  );
  const theirCounter = new prom.Counter(promOf(theirs, labels));
  for (const each of series) {
    for (const [at, value] of values.entries()) {
      counter.inc(each, value);
      theirCounter.inc(each, value);
      if (at === 1) {
        counter.inc(each);
        theirCounter.inc(each);
      }
    }
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
});

test('a gauge prints what that of prom-client prints', async () => {
  const { ours, theirs } = registries();
  const gauge = new Gauge<'schema' | 'table'>(
    'name',
    entryOf('gauge', labels),
    ours,
  );
  const theirGauge = new prom.Gauge(promOf(theirs, labels));
  for (const [at, each] of series.entries()) {
    const value = [1.5, Number.NaN, -1, 0][at % 4]!;
    gauge.set(each, value);
    theirGauge.set(each, value);
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
  gauge.reset();
  theirGauge.reset();
  expect(await ours.metrics()).toBe(await theirs.metrics());
});

test('a histogram prints what that of prom-client prints', async () => {
  const { ours, theirs } = registries();
  const histogram = new Histogram<'schema' | 'table'>(
    'name',
    entryOf('histogram', labels),
    ours,
  );
  const theirHistogram = new prom.Histogram({
    ...promOf(theirs, labels),
    buckets,
  });
  for (const each of series) {
    for (const value of values) {
      histogram.observe(each, value);
      theirHistogram.observe(each, value);
    }
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
});

test.each(['counter', 'gauge', 'histogram'] as const)(
  'a %s without labels prints what that of prom-client prints, told of something or not',
  async (type) => {
    const { ours, theirs } = registries();
    const entry = entryOf(type, []);
    const theirOptions = promOf(theirs, []);
    if (type === 'counter') {
      const [counter, theirCounter] = [
        new Counter<never>('name', entry, ours),
        new prom.Counter(theirOptions),
      ];
      expect(await ours.metrics()).toBe(await theirs.metrics());
      counter.inc();
      counter.inc(2);
      theirCounter.inc();
      theirCounter.inc(2);
    } else if (type === 'gauge') {
      const [gauge, theirGauge] = [
        new Gauge<never>('name', entry, ours),
        new prom.Gauge(theirOptions),
      ];
      expect(await ours.metrics()).toBe(await theirs.metrics());
      gauge.set(3);
      theirGauge.set(3);
    } else {
      const [histogram, theirHistogram] = [
        new Histogram<never>('name', entry, ours),
        new prom.Histogram({ ...theirOptions, buckets }),
      ];
      expect(await ours.metrics()).toBe(await theirs.metrics());
      for (const value of values) {
        histogram.observe(value);
        theirHistogram.observe(value);
      }
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
  },
);

test('what is counted elsewhere stands where it is said to', async () => {
  const { ours } = registries();
  const counter = new Counter<'pool'>(
    'name',
    entryOf('counter', ['pool']),
    ours,
  );
  counter.reach({ pool: 'target' }, 5);
  counter.reach({ pool: 'target' }, 7);
  expect((await counter.get()).values).toEqual([
    { labels: { pool: 'target' }, value: 7 },
  ]);
});
