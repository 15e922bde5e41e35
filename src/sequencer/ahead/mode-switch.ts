import { type Timestamp, wallTimeMs } from '../../mutation/timestamp.ts';

export interface BestEffortOptions {
  /** `--bestEffortOnly`. */
  readonly only: boolean;
  /** `--bestEffortWindow`; 0 never leaves consistent mode. */
  readonly windowMs: number;
  /** Rows that may have gone ahead and not been passed by the watermark. */
  readonly maxKeys: number;
  /** So many of them a recovery brings back to mind; all, where it is not given. */
  readonly maxRecoveredKeys?: number;
  /** The clock that lag is measured by. */
  readonly nowMs: () => number;
}

/**
 * Whether rows of free tables go ahead now:
 *
 *     lag >= window        they do
 *     lag <= window / 4    they do not
 *     between              as it was
 *
 * The lag is the age of the watermark; nothing lags while nothing waits.
 */
export async function choosesBestEffort(
  { only, windowMs, nowMs }: BestEffortOptions,
  isOn: boolean,
  applied: Timestamp,
  hasBacklog: () => Promise<boolean>,
): Promise<boolean> {
  if (only || windowMs <= 0) {
    return only;
  }
  const lagMs = nowMs() - wallTimeMs(applied);
  if (lagMs >= windowMs) {
    return isOn || (await hasBacklog());
  }
  return lagMs > windowMs / 4 && isOn;
}
