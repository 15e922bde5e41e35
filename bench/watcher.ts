import { setTimeout as sleep } from 'node:timers/promises';
import { machineMs } from './load-protocol.ts';
import type { OpenBenchTarget } from './targets/target.ts';

export interface Watcher extends AsyncDisposable {
  /** A row that was sent just now, by {@link machineMs}. */
  readonly expect: (id: number, sentAtMs: number) => void;
  /** Resolves when every expected row was seen; from sent to visible. */
  latencies(): Promise<readonly number[]>;
}

/** Looks for sent rows in the target and notes when each became visible. */
export function startWatcher(
  target: OpenBenchTarget,
  lookPauseMs: number,
): Watcher {
  const sentAtMs = new Map<string, number>();
  const latenciesMs: number[] = [];
  let isStopping = false;

  async function watch(): Promise<void> {
    while (!isStopping || sentAtMs.size > 0) {
      const ids = await target.visibleIds([...sentAtMs.keys()]);
      const seenAtMs = machineMs();
      for (const id of ids) {
        latenciesMs.push(seenAtMs - (sentAtMs.get(id) ?? seenAtMs));
        sentAtMs.delete(id);
      }
      await sleep(lookPauseMs);
    }
  }

  const watching = watch();
  watching.catch(() => {});
  return {
    expect: (id, atMs) => void sentAtMs.set(String(id), atMs),
    async latencies() {
      isStopping = true;
      await watching;
      return latenciesMs;
    },
    async [Symbol.asyncDispose]() {
      isStopping = true;
      sentAtMs.clear();
      await watching.catch(() => {});
    },
  };
}
