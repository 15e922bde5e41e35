import type { WorkloadProgress } from '../../src/workload/workload.ts';

/** Only ends a hopeless wait. */
const patienceMs = 20_000;

/**
 * Ends the writing of a workload once its progress shows what is asked for, as
 * `isSeen` finds; give it `onProgress` and `signal`, and reports that come
 * often.
 */
export function endedWhen(isSeen: (progress: WorkloadProgress) => boolean): {
  readonly onProgress: (progress: WorkloadProgress) => void;
  readonly signal: AbortSignal;
} {
  const seen = new AbortController();
  return {
    onProgress(progress) {
      if (isSeen(progress)) {
        seen.abort();
      }
    },
    signal: AbortSignal.any([seen.signal, AbortSignal.timeout(patienceMs)]),
  };
}
