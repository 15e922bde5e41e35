/** What is said of a metric (metric-table.ts, house-metrics.ts). */
export interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

export const perSchema = ['schema'] as const;
export const perTable = ['schema', 'table'] as const;
