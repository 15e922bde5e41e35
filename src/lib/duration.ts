/** Durations as Go prints them: `1m30s`, `250ms`, `-1s`, `0`. */

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const durationPattern = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)/;
const partPattern = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy;

/** Milliseconds, or null when the text is not a duration. */
export function parseDuration(text: string): number | null {
  if (/^[+-]?0$/.test(text)) {
    return 0;
  }
  if (!durationPattern.test(text)) {
    return null;
  }
  const sign = text.startsWith('-') ? -1 : 1;
  partPattern.lastIndex = /^[+-]/.test(text) ? 1 : 0;
  let totalMs = 0;
  while (partPattern.lastIndex < text.length) {
    const match = partPattern.exec(text);
    if (!match) {
      return null;
    }
    // Both Unicode spellings of micro are Go's: U+00B5 and U+03BC.
    totalMs += Number(match[1]) * unitMs[match[2]!.replace('μ', 'µ')]!;
  }
  return Number.isFinite(totalMs) && totalMs > 0 ? sign * totalMs : 0;
}

/** The shortest Go form of whole microseconds: `1m30s`, `24h`, `25ms`, `0s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) {
    return '0s';
  }
  let restUs = Math.round(Math.abs(durationMs) * 1000);
  let text = durationMs < 0 ? '-' : '';
  for (const [unit, sizeUs] of [
    ['h', 3_600_000_000],
    ['m', 60_000_000],
    ['s', 1_000_000],
    ['ms', 1000],
    ['us', 1],
  ] as const) {
    const count = Math.floor(restUs / sizeUs);
    if (count > 0) {
      text += `${count}${unit}`;
      restUs -= count * sizeUs;
    }
  }
  return text === '' || text === '-' ? '0s' : text;
}
