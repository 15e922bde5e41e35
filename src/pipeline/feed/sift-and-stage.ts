import { type Timestamp, zeroTimestamp } from '../../mutation/timestamp.ts';
import type { Sifted } from './redelivery.ts';

/** The steps of a request into staging. */
export interface StagingSteps {
  /** By what is known here to be resolved, and no less than the time given. */
  readonly sift: (resolved: Timestamp) => Promise<Sifted>;
  /** False where more is resolved than was known when it was sifted. */
  readonly stage: (sifted: Sifted) => Promise<boolean>;
  /** As staging says it now. */
  readonly resolved: () => Promise<Timestamp>;
}

/**
 * What a row counts as is told by what is resolved, of which a daemon may know
 * less than others have recorded: a row that it takes for new may lie where
 * nobody looks any more. So it is staged on condition that no more is resolved
 * than was known, and else sifted again by what is.
 *
 *     sift (resolved 10) ─ row 15 is new ─ stage, if resolved < 15 ─┬─ "yes"
 *       another daemon: resolve 20 ── row 15 is at or below it ─────┘ no: sift
 *     sift (resolved 20) ─ the log knows it: a redelivery; or not: E1029
 *
 * Each round finds at least one more row resolved, so that there is an end.
 */
export async function siftAndStage(steps: StagingSteps): Promise<Sifted> {
  let resolved = zeroTimestamp;
  for (;;) {
    const sifted = await steps.sift(resolved);
    if (sifted.freshCount === 0 || (await steps.stage(sifted))) {
      return sifted;
    }
    resolved = await steps.resolved();
  }
}
