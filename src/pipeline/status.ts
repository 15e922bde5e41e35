/**
 * The state of one pipeline, as the operator sees it in /_/healthz, /_/diag
 * and the log. No secrets, no row data.
 */
import type { ReplicatorError } from '../failure/failure.ts';
import { type Timestamp, zeroTimestamp } from '../mutation/timestamp.ts';

/**
 * - `starting`    the target has not been reached yet; staging accepts.
 * - `running`     all is well.
 * - `retrying`    the last attempt to apply failed; it is tried again.
 * - `halted`      it failed in a way that does not pass by itself, or too
 *                 often: a person should look. Staging accepts; it goes on
 *                 by itself when the cause is mended.
 * - `standby`     another daemon that shares staging applies; this one accepts
 *                 and takes over when its turn comes.
 * - `superseded`  another daemon writes to this target schema now.
 */
export type PipelineState =
  | 'starting'
  | 'running'
  | 'retrying'
  | 'halted'
  | 'standby'
  | 'superseded';

export class PipelineStatus {
  state: PipelineState = 'starting';
  lastError: ReplicatorError | null = null;
  lastErrorAtMs: number | null = null;
  resolved: Timestamp = zeroTimestamp;
  applied: Timestamp = zeroTimestamp;
  lastPostAtMs: number | null = null;
  lastResolvedAtMs: number | null = null;
  stagedRowCount = 0;
  appliedRowCount = 0;
  duplicateRowCount = 0;
  backlogRowCount = 0;
  openTransactionCount = 0;
  /** Source commit to target commit of the newest applied transaction. */
  lastLagMs: number | null = null;

  failed(error: ReplicatorError, state: PipelineState): void {
    this.state = state;
    this.lastError = error;
    this.lastErrorAtMs = Date.now();
  }

  /** One line for the health check; null when all is well. */
  get complaint(): string | null {
    return this.state === 'running' || this.lastError === null
      ? null
      : `${this.state}: ${this.lastError.line}`;
  }
}
