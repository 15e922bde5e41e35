import { ReplicatorError } from '../../failure/failure.ts';
import { LateAnswer, withinMs } from '../../lib/within-ms.ts';

/** The answer of staging; E2001 when it does not come in time. */
export async function askStaging<T>(
  asking: Promise<T>,
  ms: number,
): Promise<T> {
  try {
    return await withinMs(asking, ms);
  } catch (error) {
    if (error instanceof LateAnswer) {
      throw new ReplicatorError('E2001', { detail: error.message });
    }
    throw error;
  }
}
