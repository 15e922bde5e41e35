export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** Nearest rank; of an even number of values the lower middle one. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.ceil((percent / 100) * sorted.length);
  const value = sorted[Math.max(0, rank - 1)];
  if (value === undefined) throw new Error('no values to take a percentile of');
  return value;
}
