import type { Timestamp } from '../mutation/timestamp.ts';

/** The source's hybrid logical clock: every tick is later than the last. */
export interface Clock {
  tick(): Timestamp;
}

export function createClock(nowMs: () => number = Date.now): Clock {
  let lastMs = 0;
  let logical = 0;
  return {
    tick() {
      const currentMs = Math.trunc(nowMs());
      if (currentMs > lastMs) {
        lastMs = currentMs;
        logical = 0;
      } else {
        // The wall clock stands still or went back: the logical part moves.
        logical += 1;
      }
      const nanos = `${lastMs}`.padStart(13, '0');
      return `${nanos}000000.${`${logical}`.padStart(10, '0')}` as Timestamp;
    },
  };
}
