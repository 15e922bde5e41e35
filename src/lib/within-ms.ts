/** Nothing came in time. */
export class LateAnswer extends Error {
  override readonly name = 'LateAnswer';
}

/**
 * Rejects with LateAnswer when the work has not settled in time. The work
 * itself goes on; what becomes of it then is nobody's concern.
 */
export async function withinMs<T>(work: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new LateAnswer(`no answer within ${Math.ceil(ms)} ms`)),
    ms,
  );
  work.catch(() => {});
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Null when the work has not settled in time. */
export async function orNullAfterMs<T>(
  work: Promise<T>,
  ms: number,
): Promise<T | null> {
  try {
    return await withinMs(work, ms);
  } catch (error) {
    if (error instanceof LateAnswer) {
      return null;
    }
    throw error;
  }
}
