/** One batch on its way into the target, and its transaction there. */
import type { Batch } from '../../mutation/mutation.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type {
  Applier,
  ApplyOrder,
  CommitMark,
  SchemaShape,
  Target,
  TargetTransaction,
} from '../../target/target.ts';
import { tablesInShape } from '../reading/batch-tables.ts';
import type { CommitOrder } from './commit-order.ts';
import { keptAliveUntil } from './kept-alive.ts';
import type { LockGrain } from './row-locks.ts';
import type { SplitBatch } from './split-batch.ts';

export interface CrossingOptions {
  readonly target: Target;
  readonly applier: Applier;
  readonly order: ApplyOrder;
  readonly shape: SchemaShape;
  /** True: commits happen in the order of `submit`. */
  readonly commitInOrder: boolean;
  /** Asked right before a commit; null writes no watermark into the target. */
  markFor(through: Timestamp): CommitMark | null;
  /**
   * Awaited before a commit, when all is written; rejects where there must be
   * none. Not asked about fragments.
   */
  mayCommit?(batch: Batch): Promise<void>;
  /** Called when the commit of a batch has been sent: it may be there from now on. */
  onCommitSent?(batch: Batch): void;
}

/** What those of one OrderedApply have in common. */
export interface CrossingContext {
  readonly options: CrossingOptions;
  readonly signal: AbortSignal;
  readonly commits: CommitOrder;
  /** A transaction is open, or is so no more. */
  readonly openChanged: () => void;
}

/** A transaction behind that of another batch, on its connection. */
export interface Followed {
  readonly leader: Crossing;
  readonly transaction: TargetTransaction;
}

export interface Attempt {
  /** When it has resolved, it is this one's turn to commit. */
  readonly lastCommit: Promise<void>;
  /** Null: in a transaction of its own. */
  readonly followed: Followed | null;
  /** Null: written as a whole. */
  readonly split: SplitBatch | null;
}

export class Crossing {
  readonly #context: CrossingContext;
  /** Its place in the order of `submit`. */
  readonly index: number;
  readonly batch: Batch;
  /** Neither starts beside others nor lets others start. */
  readonly isAlone: boolean;
  /** Of its locks: those of another grain have other names. */
  readonly grain: LockGrain;
  /** Resolves when it has ended either way, which `end` says. */
  readonly ended: Promise<void>;
  readonly end: () => void;
  /** It begins behind elders with which it shares a lock. */
  isBehind = false;
  /** Beginning: it waits for a connection. */
  state: 'waiting' | 'beginning' | 'open' | 'committing' = 'waiting';
  /** The transaction while it is open. */
  transaction: TargetTransaction | null = null;
  /** Resolves when its statements may run: another one may get ready behind it. */
  readonly runs = Promise.withResolvers<void>();
  hasCommitted = false;

  constructor(
    context: CrossingContext,
    {
      index,
      batch,
      isAlone,
      grain,
    }: Pick<Crossing, 'index' | 'batch' | 'isAlone' | 'grain'>,
  ) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#context = context;
    this.index = index;
    this.batch = batch;
    this.isAlone = isAlone;
    this.grain = grain;
    this.ended = promise;
    this.end = resolve;
  }

  /** One transaction, committed or undone. */
  async attempt({ lastCommit, followed, split }: Attempt): Promise<void> {
    const { batch } = this;
    const { options, signal, commits, openChanged } = this.#context;
    try {
      this.state = 'beginning';
      await using transaction =
        followed?.transaction ?? (await options.target.begin(signal));
      this.state = 'open';
      this.transaction = transaction;
      this.runs.resolve(followed?.leader.ended);
      openChanged();
      await this.#apply(split?.free ?? batch.tables, transaction);
      if (options.commitInOrder) {
        await commits.turn(this, transaction, lastCommit);
      }
      if (split) {
        await this.#apply(split.shared, transaction);
      }
      const mayCommit = options.mayCommit?.(batch);
      if (mayCommit) {
        await keptAliveUntil(mayCommit, transaction, signal);
      }
      this.state = 'committing';
      const committed = transaction.commit(options.markFor(batch.through));
      options.onCommitSent?.(batch);
      await committed;
      this.hasCommitted = true;
    } finally {
      this.transaction = null;
      if (this.state !== 'committing') {
        this.state = 'waiting';
        openChanged();
      }
    }
  }

  async #apply(
    tables: Batch['tables'],
    transaction: TargetTransaction,
  ): Promise<void> {
    const { options, signal } = this.#context;
    await options.applier.apply(
      tablesInShape(tables, options.shape),
      transaction,
      signal,
      options.order,
    );
  }
}
