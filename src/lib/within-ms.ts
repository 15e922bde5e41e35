/**
 * Rejects when the work has not settled in time. The work itself goes on; what
 * becomes of it then is nobody's concern.
 */
export async function withinMs<T>(work: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`no answer within ${Math.ceil(ms)} ms`)),
    ms,
  );
  work.catch(() => {});
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
