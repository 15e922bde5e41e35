/**
 * The door of `sequencer/`: when mutations go, and behind whom.
 *
 * consistent.ts   applies staged mutations up to the resolved timestamp, whole
 *                 source transactions in source order (the default mode).
 * reading/        cuts the log into batches of whole source transactions.
 * ordering/       applies batches side by side, and commits them in order.
 * ahead/          the best effort: rows of tables that stand alone go ahead of
 *                 the consistent mode, which follows behind.
 * immediate/      applies mutations as they arrive, before the sender hears
 *                 "yes"; transactions of the source may be seen torn.
 * dead-letter/    finds rows that can never go, and sets them aside.
 */
import type { Backoff } from '../failure/backoff.ts';
import type { ReplicatorError } from '../failure/failure.ts';
import type { Batch } from '../mutation/mutation.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import type { StagingStore } from '../staging/staging.ts';
import type { NewDeadLetter } from '../target/dead-letters.ts';
import type {
  SchemaShape,
  Target,
  TargetCheckpoint,
} from '../target/target.ts';
import type { RunAhead } from './ahead/run-ahead.ts';

export interface SequencerOptions {
  /** Mutations aimed at in one target transaction (`--flushSize`). */
  readonly flushSize: number;
  /** Open target transactions (`--parallelism`). */
  readonly parallelism: number;
  /** Resolved timestamps in one sweep; 0 for all (`--limitLookahead`). */
  readonly limitLookahead: number;
  /** Source timestamps in one target transaction (`--timestampLimit`). */
  readonly timestampLimit: number;
  /** See {@link BatchLimits.isStatementOrder}; true behind a slot. */
  readonly isStatementOrder: boolean;
  /** Rows in one read of staging (`--scanSize`). */
  readonly scanSize: number;
  /** Bytes of mutations held while reading (a share of `--memoryLimit`). */
  readonly readBudgetBytes: number;
  readonly collapseMutations: boolean;
  /** Columns that are gone from the target are dropped (`--onUnknown ignore`). */
  readonly ignoreUnknownColumns: boolean;
  /** What becomes of a row that the target refuses for good (`--onRowError`). */
  readonly onRowError: 'halt' | 'deadLetter';
  readonly dlqTableName: string;
  /** Letters that may be open before that is no matter of rows (`--dlqLimit`). */
  readonly dlqLimit: number;
  readonly maxRetries: number;
  readonly backoff: Backoff;
  /** How long open transactions may take to end after one has failed. */
  readonly taskGracePeriodMs: number;
  /** How often a halted pipeline looks whether it may go on. */
  readonly quiescentPeriodMs: number;
}

/** How far the target is, and the right to move it on (claim-watermark.ts). */
export interface ClaimedWatermark {
  /** Everything at or before this is committed at the target. */
  readonly applied: Timestamp;
  /** The watermark row in the target; null where none can be kept there. */
  readonly inTarget: TargetCheckpoint | null;
}

/** What a sequencer works with; shared by both modes. */
export interface SequencerContext {
  readonly schema: SchemaName;
  readonly store: StagingStore;
  readonly target: Target;
  readonly options: SequencerOptions;
  readonly observer: SequencerObserver;
  /**
   * Where several daemons share staging: throws (E2011) when this one may not
   * lead any more. Called right before every commit.
   */
  readonly assertLeading?: () => void;
  /** How often the checkpoint is looked at when nobody has called. */
  readonly pollMs?: number;
  /** What goes ahead of the consistent mode, where anything does. */
  readonly ahead?: RunAhead | null;
  /** Compares staging with the target again, after the target fell back. */
  claim(signal: AbortSignal): Promise<ClaimedWatermark>;
  /** The target's tables as last read. */
  shape(): SchemaShape;
  /** Reads the catalog again, after the target said that it changed. */
  refreshShape(): Promise<void>;
}

/** What happened, for metrics, status and logs; never blocks the sequencer. */
export interface SequencerObserver {
  sweepStarted(): void;
  batchCommitted(batch: Batch, durationMs: number): void;
  appliedThrough(time: Timestamp): void;
  attemptFailed(error: ReplicatorError, attempt: number, halted: boolean): void;
  recovered(): void;
  /** A batch that failed beside elder ones is run again behind them. */
  gaveWay(error: ReplicatorError): void;
  /** Rows went to the dead letters, and that is committed. */
  setAside(letters: readonly NewDeadLetter[]): void;
  /** So many rows were refused again at the start; the first failure of them. */
  leftOut(table: string, rowCount: number, error: ReplicatorError): void;
  /** Rows of which letters were open at the start, by table. */
  foundSetAside(rows: ReadonlyMap<string, number>): void;
  openTransactions(count: number): void;
  /** One transaction that is written in parts has come to so many rows. */
  writing(rowCount: number): void;
}
