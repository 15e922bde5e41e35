import type { PostgresAddress } from '../../../config/address/postgres.ts';
import { formatDuration } from '../../../lib/duration.ts';
import type { Logger } from '../../../telemetry/logger.ts';
import {
  estimateLossMs,
  readSlotHealth,
  type SlotHealth,
  type SlotSample,
} from './slot-health.ts';
import { openSourceSession } from './source-session.ts';

const everyMs = 10_000;
/** The slot's room shrinks and grows by leaps: look at this many minutes. */
const sampleSpanMs = 300_000;
/** Warned about when the slot would be lost within this. */
const dangerMs = 6 * 3_600_000;
const repeatWarningMs = 600_000;

export interface SlotWatchOptions {
  readonly address: PostgresAddress;
  readonly slotName: string;
  readonly logger: Logger;
  /** `lossMs` is null while the slot would not be lost. */
  onHealth(health: SlotHealth, lossMs: number | null): void;
}

/**
 * Looks at the slot every ten seconds until the signal aborts, and warns of
 * the hour when it would be lost. What cannot be asked now is asked later.
 */
export function watchSlot(
  options: SlotWatchOptions,
  signal: AbortSignal,
): void {
  let samples: SlotSample[] = [];
  let isLooking = false;
  let warnedAtMs = -Infinity;
  const look = async (): Promise<void> => {
    await using session = await openSourceSession(options.address, signal);
    const health = await readSlotHealth(session, options.slotName);
    if (health === null) {
      return;
    }
    const nowMs = performance.now();
    samples = samples.filter(({ atMs }) => nowMs - atMs < sampleSpanMs);
    samples.push({ atMs: nowMs, health });
    const lossMs = estimateLossMs(samples);
    options.onHealth(health, lossMs);
    if (
      lossMs !== null &&
      lossMs < dangerMs &&
      nowMs - warnedAtMs > repeatWarningMs
    ) {
      warnedAtMs = nowMs;
      options.logger.warn(
        { slot: options.slotName, walStatus: health.walStatus },
        lossMs === 0
          ? 'the slot may be lost at any checkpoint: the source has written more WAL than max_slot_wal_keep_size keeps'
          : `at this rate the slot is lost in ${formatDuration(Math.round(lossMs / 60_000) * 60_000)}: raise max_slot_wal_keep_size at the source, or find out why reading stands still`,
      );
    }
  };
  const tick = (): void => {
    if (!isLooking) {
      isLooking = true;
      look()
        .catch(() => {})
        .finally(() => {
          isLooking = false;
        });
    }
  };
  tick();
  const timer = setInterval(tick, everyMs);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
