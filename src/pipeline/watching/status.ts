/**
 * The state of one pipeline, as the operator sees it in /_/healthz, /_/diag
 * and the log. No secrets, no row data.
 */
import type { ReplicatorError } from '../../failure/failure.ts';
import { type Timestamp, zeroTimestamp } from '../../mutation/timestamp.ts';

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

/** Which mode is in force now (docs/04-sequencing.md). */
export type PipelineMode = 'consistent' | 'best-effort' | 'immediate';

/** For so long after the last sign of a second changefeed health is bad. */
const conflictMs = 300_000;

export class PipelineStatus {
  #mode: PipelineMode = 'consistent';
  #state: PipelineState = 'starting';
  /** Called behind each change of state or mode. */
  onChange: () => void = () => {};
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
  /** Rows with open dead letters, by table. */
  setAsideRows: ReadonlyMap<string, number> = new Map();
  /** Source commit to target commit of the newest applied transaction. */
  lastLagMs: number | null = null;

  lastConflict: ReplicatorError | null = null;
  lastConflictAtMs: number | null = null;

  get mode(): PipelineMode {
    return this.#mode;
  }

  set mode(mode: PipelineMode) {
    this.#mode = mode;
    this.onChange();
  }

  get state(): PipelineState {
    return this.#state;
  }

  set state(state: PipelineState) {
    this.#state = state;
    this.onChange();
  }

  /** There are signs of a second changefeed. False where that was known. */
  conflicted(conflict: ReplicatorError): boolean {
    const isKnown =
      this.feedComplaint !== null && this.lastConflict?.code === conflict.code;
    this.lastConflict = conflict;
    this.lastConflictAtMs = Date.now();
    return !isKnown;
  }

  failed(error: ReplicatorError, state: PipelineState): void {
    this.lastError = error;
    this.lastErrorAtMs = Date.now();
    this.state = state;
  }

  /** One line for the health check; null when one feed alone sends. */
  get feedComplaint(): string | null {
    return this.lastConflict === null ||
      Date.now() - this.lastConflictAtMs! > conflictMs
      ? null
      : this.lastConflict.line;
  }

  /** One line for whoever is to retry or discard rows; null when none wait. */
  get setAsideNote(): string | null {
    if (this.setAsideRows.size === 0) {
      return null;
    }
    const tables = [...this.setAsideRows].map(
      ([table, count]) => `${count} of ${table}`,
    );
    return `rows are set aside (${tables.join(', ')}): see them with replicator dlq list, then mend the cause and retry them, or discard them`;
  }

  /** One line for the health check; null when all is well. */
  get complaint(): string | null {
    return this.state === 'running' || this.lastError === null
      ? null
      : `${this.state}: ${this.lastError.line}`;
  }
}
