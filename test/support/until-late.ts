/**
 * A property that does nothing any more once its time is over. Fast-check's
 * own limit abandons a run that is under way, which goes on while the test
 * clears away what it works on.
 */
export function untilLate<T extends unknown[]>(
  limitMs: number,
  run: (...values: T) => Promise<void>,
): (...values: T) => Promise<void> {
  const endsAtMs = Date.now() + limitMs;
  return async (...values) => {
    if (Date.now() < endsAtMs) {
      await run(...values);
    }
  };
}
