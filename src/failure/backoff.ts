/** The shape of exponential back-off (`--retryInitialBackoff` and its kin). */
export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
}

/**
 * How long to wait before attempt `attempt` (1 = the first repetition), with
 * up to 20 % taken off at random so that several loops do not march in step.
 */
export function backoffMs(attempt: number, backoff: Backoff): number {
  const full = Math.min(
    backoff.maxMs,
    backoff.initialMs * backoff.multiplier ** (attempt - 1),
  );
  return full * (1 - Math.random() * 0.2);
}
