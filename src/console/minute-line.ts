import type { Pipelines } from '../pipeline/pipelines.ts';
import type { Logger } from '../telemetry/logger.ts';

const everyMs = 60_000;

/** One line a minute for each pipeline: what moved, the lag, the backlog. */
export function logEveryMinute(
  pipelines: Pipelines,
  logger: Logger,
  signal: AbortSignal,
): void {
  const before = new Map<string, { staged: number; applied: number }>();
  const timer = setInterval(() => {
    for (const { schema, status, leader } of pipelines.all) {
      const last = before.get(schema) ?? { staged: 0, applied: 0 };
      before.set(schema, {
        staged: status.stagedRowCount,
        applied: status.appliedRowCount,
      });
      logger.info(
        {
          schema,
          mode: status.mode,
          stagedRows: status.stagedRowCount - last.staged,
          appliedRows: status.appliedRowCount - last.applied,
          backlogRows: status.backlogRowCount,
          lagMs: status.lastLagMs,
          ...(leader !== null && { leader }),
        },
        status.complaint ??
          (status.state === 'standby' ? 'standing by' : 'running'),
      );
    }
  }, everyMs);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
