/** The metrics of one daemon, typed by the table in metric-table.ts. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { Counter, Gauge, Histogram } from './instruments.ts';
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
  const metrics = Object.entries(metricTable).map(
    ([name, entry]: [string, MetricEntry]) => [
      name,
      new instruments[entry.type](name, entry, registry),
    ],
  );
  return { ...Object.fromEntries(metrics), registry } as Metrics;
}

/**
 * Adds what Node knows of itself (CPU, memory, event loop, garbage
 * collection). Once a process: it installs observers that stay.
 */
export function collectProcessMetrics(metrics: Metrics): void {
  collectDefaultMetrics({ register: metrics.registry });
}

const instruments = { counter: Counter, gauge: Gauge, histogram: Histogram };
