/** The metrics of one daemon, typed by the table in metric-table.ts. */
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Registry,
} from 'prom-client';
import { type MetricEntry, metricTable } from './metric-table.ts';

type Instrument<E extends MetricEntry> = E['type'] extends 'counter'
  ? Counter<E['labels'][number]>
  : E['type'] extends 'gauge'
    ? Gauge<E['labels'][number]>
    : Histogram<E['labels'][number]>;

export type Metrics = {
  readonly [K in keyof typeof metricTable]: Instrument<(typeof metricTable)[K]>;
} & { readonly registry: Registry };

/**
 * `metrics.stage_mutations_total.inc({ schema, table }, 3)`. Names and labels
 * are checked by the compiler; `metrics.registry.metrics()` prints all.
 */
export function createMetrics(registry: Registry = new Registry()): Metrics {
  const instruments = Object.fromEntries(
    Object.entries(metricTable).map(([name, entry]) => [
      name,
      instrument(name, entry, registry),
    ]),
  );
  return { ...instruments, registry } as unknown as Metrics;
}

/**
 * Adds what Node knows of itself (CPU, memory, event loop, garbage
 * collection). Once a process: it installs observers that stay.
 */
export function collectProcessMetrics(metrics: Metrics): void {
  collectDefaultMetrics({ register: metrics.registry });
}

function instrument(
  name: string,
  entry: MetricEntry,
  registry: Registry,
): Counter | Gauge | Histogram {
  const configuration = {
    name,
    help: entry.help,
    labelNames: [...entry.labels],
    registers: [registry],
  };
  switch (entry.type) {
    case 'counter':
      return new Counter(configuration);
    case 'gauge':
      return new Gauge(configuration);
    case 'histogram':
      return new Histogram({
        ...configuration,
        ...(entry.buckets ? { buckets: [...entry.buckets] } : {}),
      });
  }
}
