import { setTimeout as sleep } from 'node:timers/promises';

import { createRandom, type Random } from './random.ts';
import type { Source, Transaction } from './source.ts';

const tickMs = 10;

/** Commits transactions at a rate, each as soon as it is due. */
export async function* writeTransactions(
  source: Source,
  options: {
    /** 0: as many as `mayWrite` admits. */
    readonly rowsPerSecond: number;
    readonly seed: number;
    /** False while the feed or the target has fallen too far behind. */
    readonly mayWrite: () => boolean;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<Transaction> {
  const { rowsPerSecond, mayWrite, signal } = options;
  const random = createRandom(options.seed + 3);
  /** Rows that are due; never more than a few ticks' worth after a pause. */
  let dueRows = 0;
  let lastMs = performance.now();
  while (!signal.aborted) {
    const nowMs = performance.now();
    const earned = ((nowMs - lastMs) * rowsPerSecond) / 1000;
    lastMs = nowMs;
    dueRows = Math.min(dueRows + earned, Math.max(rowsPerSecond / 10, 1));
    const unlimited = rowsPerSecond === 0;
    while (
      (unlimited || dueRows > 0) &&
      mayWrite() &&
      performance.now() - nowMs < tickMs
    ) {
      const transaction = source.commit(rowCountOf(random));
      dueRows -= transaction.events.length;
      yield transaction;
    }
    await sleep(unlimited ? 1 : tickMs, undefined, { signal }).catch(() => {});
  }
}

/** Mostly a handful of rows, sometimes a hundred, seldom a thousand. */
function rowCountOf(random: Random): number {
  const chance = random.next();
  if (chance < 0.0005) {
    return 1000;
  }
  return chance < 0.01 ? 100 : 1 + random.integer(8);
}
