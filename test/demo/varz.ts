/** Reads the few numbers that the demo shows from /_/varz. */

export interface VarzNumbers {
  readonly stagedRows: number;
  readonly redeliveredRows: number;
  readonly appliedRows: number;
  readonly writtenRows: number;
  readonly backlogRows: number;
  readonly lagSeconds: number;
  readonly stagingBytes: number;
  readonly errors: number;
  readonly memoryBytes: number;
}

export async function readVarz(url: string): Promise<VarzNumbers> {
  const response = await fetch(`${url}/_/varz`, {
    signal: AbortSignal.timeout(5000),
  });
  return varzNumbers(await response.text());
}

/** `OK`, or the first thing that is not well, shortened to its code. */
export async function readHealth(url: string): Promise<string> {
  const response = await fetch(`${url}/_/healthz`, {
    signal: AbortSignal.timeout(5000),
  });
  const [first = ''] = (await response.text()).split('\n');
  return first.replace(/(?<=\bE\d{4}\b).*/, ' …');
}

export function varzNumbers(text: string): VarzNumbers {
  const sum = (name: string, isWanted = (_labels: string) => true): number =>
    samplesOf(text, name)
      .filter(({ labels }) => isWanted(labels))
      .reduce((total, { value }) => total + value, 0);
  return {
    stagedRows: sum('stage_mutations_total'),
    redeliveredRows: sum('stage_duplicate_mutations_total'),
    appliedRows: sum('core_sweep_mutations_applied_total'),
    writtenRows: sum('apply_upserts_total') + sum('apply_deletes_total'),
    backlogRows: sum('stage_stale_mutations_count'),
    lagSeconds: sum('target_lag_seconds'),
    stagingBytes: sum('replicator_staging_live_bytes'),
    errors:
      sum('apply_errors_total') +
      sum('stage_errors_total') +
      sum('http_status_codes_total', (labels) => !/code="2\d\d"/.test(labels)),
    memoryBytes: sum('process_resident_memory_bytes'),
  };
}

/** Of one metric; labels as they stand there, braces included. */
export function samplesOf(
  text: string,
  name: string,
): { labels: string; value: number }[] {
  const pattern = new RegExp(`^${name}(\\{[^\\n]*\\})? (\\S+)`, 'gm');
  return [...text.matchAll(pattern)].map((match) => ({
    labels: match[1] ?? '',
    value: Number(match[2]),
  }));
}
