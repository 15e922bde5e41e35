import { ReplicatorError } from '../failure/failure.ts';
import type { Batch } from '../mutation/mutation.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import type {
  Applier,
  ApplyOrder,
  SchemaShape,
  Target,
  TargetTransaction,
  WatermarkMove,
} from '../target/target.ts';
import { tablesInShape } from './batch-tables.ts';
import { emptiesTable, type LockNames, lockNames } from './row-locks.ts';

export interface OrderedApplyOptions {
  readonly target: Target;
  readonly applier: Applier;
  readonly order: ApplyOrder;
  readonly shape: SchemaShape;
  readonly parallelism: number;
  /** Characters of rows in open transactions, beyond which none is begun. */
  readonly budgetLength: number;
  /** After this, disposal cancels what has not ended (`--taskGracePeriod`). */
  readonly taskGracePeriodMs: number;
  /** True: commits happen in the order of `submit`. */
  readonly commitInOrder: boolean;
  /** Asked right before a commit; null writes no watermark into the target. */
  markFor(through: Timestamp): WatermarkMove | null;
  /** Called right after a commit, in commit order. */
  onCommitted(batch: Batch, durationMs: number): void;
  onOpenTransactions(count: number): void;
  /** A part of one transaction is written, of which so many rows are by now. */
  onFragment?(rowCount: number): void;
}

/** One target transaction at work, in the order of `submit`. */
interface Crossing {
  readonly index: number;
  readonly batch: Batch;
  /** Resolves when it has ended either way. */
  readonly ended: Promise<void>;
  /** Neither starts beside others nor lets others start. */
  readonly isAlone: boolean;
  /** The transaction while its statements run; null before and after. */
  executing: TargetTransaction | null;
}

/** A commit that waits this long for its turn asks what it is waiting for. */
const stallMs = 1_000;

/** So long where the target's account may not ask; then it is taken for a lock. */
const unexplainedStallMs = 5_000;

/**
 * Applies batches in parallel transactions and commits them in source order
 * (design D5). A batch starts when no unfinished one shares a lock with it
 * (row-locks.ts), so that statements of two open transactions do not meet:
 *
 *     batch 1  begin ─ statements ─ commit
 *     batch 2  begin ─ statements ─ ─ ─ ─ ─ commit      (waits for 1)
 *     batch 3            (shares a row with 1) begin ─ …
 *
 * Fragments of one giant transaction (`complete: false`) run alone, in one
 * transaction, until the fragment that completes it. A batch that empties a
 * table runs alone too.
 *
 * What the locks cannot know is a row that the target writes by itself, a
 * counter kept by a trigger: a younger transaction may hold it and wait for
 * the commit of an elder, which waits for the row. No server sees that
 * deadlock. The younger one asks after a second, and gives way (E3007).
 *
 * After a failure nothing later commits: every younger crossing is rolled
 * back and `submit` and `drain` reject with the first error. The
 * instance is then of no more use; the caller goes back to its checkpoint.
 */
export class OrderedApply {
  readonly #options: OrderedApplyOptions;
  readonly #signal: AbortSignal;
  readonly #cancel = new AbortController();
  readonly #locks: LockNames;
  readonly #crossings = new Set<Crossing>();
  readonly #holders = new Map<string, Crossing>();
  #giant: {
    readonly transaction: TargetTransaction;
    readonly startedAtMs: number;
    rowCount: number;
  } | null = null;
  #lastCommit: Promise<void> = Promise.resolve();
  #failure: { error: unknown; index: number; through: Timestamp } | null = null;
  #submitCount = 0;

  constructor(options: OrderedApplyOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = AbortSignal.any([signal, this.#cancel.signal]);
    this.#locks = lockNames(options.shape);
  }

  /**
   * Resolves when the batch has been started (not when it is committed): this
   * is the back-pressure on the reader. `committed` of the answer tells its end.
   */
  async submit(batch: Batch): Promise<{ committed: Promise<void> }> {
    if (this.#giant || !batch.complete) {
      await this.#applyFragment(batch);
      return { committed: Promise.resolve() };
    }
    const locks = this.#locks(batch.tables);
    const isAlone = emptiesTable(batch.tables);
    while (this.#isFull(batch)) {
      await Promise.race(
        [...this.#crossings].map((crossing) => crossing.ended),
      );
    }
    for (;;) {
      const holder = this.#holderOf(locks, isAlone);
      if (!holder) {
        break;
      }
      await holder.ended;
    }
    this.#throwIfFailed();
    const previousCommit = this.#lastCommit;
    const settle = Promise.withResolvers<void>();
    const crossing: Crossing = {
      index: this.#submitCount,
      batch,
      ended: settle.promise,
      isAlone,
      executing: null,
    };
    this.#submitCount += 1;
    this.#start(crossing, locks);
    if (this.#options.commitInOrder) {
      this.#lastCommit = crossing.ended;
    }
    const committed = this.#cross(crossing, previousCommit);
    committed.then(settle.resolve, settle.resolve);
    return { committed };
  }

  /** The end of the batch that failed first; null while none has. */
  get failedThrough(): Timestamp | null {
    return this.#failure?.through ?? null;
  }

  /** Resolves when everything submitted is committed. */
  async drain(): Promise<void> {
    await Promise.all([...this.#crossings].map((crossing) => crossing.ended));
    this.#throwIfFailed();
  }

  /** Rolls an open giant transaction back; waits for all others to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    const late = setTimeout(
      () => this.#cancel.abort(),
      this.#options.taskGracePeriodMs,
    );
    await Promise.all([...this.#crossings].map((crossing) => crossing.ended));
    await this.#giant?.transaction[Symbol.asyncDispose]();
    this.#giant = null;
    clearTimeout(late);
  }

  async #cross(
    crossing: Crossing,
    previousCommit: Promise<void>,
  ): Promise<void> {
    const { batch } = crossing;
    const startedAtMs = performance.now();
    try {
      await using transaction = await this.#options.target.begin(this.#signal);
      crossing.executing = transaction;
      await this.#options.applier.apply(
        tablesInShape(batch.tables, this.#options.shape),
        transaction,
        this.#signal,
        this.#options.order,
      );
      crossing.executing = null;
      if (this.#options.commitInOrder) {
        await this.#turn(crossing, previousCommit);
      }
      await transaction.commit(this.#options.markFor(batch.through));
      this.#options.onCommitted(batch, performance.now() - startedAtMs);
    } catch (error) {
      crossing.executing = null;
      this.#fail(error, crossing.index, batch.through);
      throw error;
    }
  }

  /** Resolves when every elder has committed. */
  async #turn(
    crossing: Crossing,
    previousCommit: Promise<void>,
  ): Promise<void> {
    let eldest: Crossing | undefined;
    let stalledMs = 0;
    while (!(await settlesWithin(previousCommit, stallMs))) {
      this.#throwIfFailedBefore(crossing.index);
      const [oldest] = this.#crossings;
      stalledMs = oldest === eldest ? stalledMs + stallMs : stallMs;
      eldest = oldest;
      const waits = await eldest?.executing?.waitsForLock();
      if (waits || (waits === null && stalledMs >= unexplainedStallMs)) {
        throw new ReplicatorError('E3007');
      }
    }
    this.#throwIfFailedBefore(crossing.index);
  }

  /** Elders of what failed still commit; of several failures the eldest counts. */
  #fail(error: unknown, index: number, through: Timestamp): void {
    if (
      this.#options.commitInOrder &&
      (this.#failure === null || index < this.#failure.index)
    ) {
      this.#failure = { error, index, through };
    }
  }

  async #applyFragment(batch: Batch): Promise<void> {
    await this.drain();
    const { order } = this.#options;
    try {
      this.#giant ??= {
        transaction: await this.#options.target.begin(this.#signal),
        startedAtMs: performance.now(),
        rowCount: 0,
      };
      const { transaction, startedAtMs } = this.#giant;
      await this.#options.applier.apply(
        tablesInShape(batch.tables, this.#options.shape),
        transaction,
        this.#signal,
        order === 'upserts-first' ? 'part' : order,
      );
      this.#giant.rowCount += batch.rowCount;
      const { rowCount } = this.#giant;
      if (batch.complete) {
        await transaction.commit(this.#options.markFor(batch.through));
        this.#giant = null;
        await transaction[Symbol.asyncDispose]();
        this.#options.onCommitted(
          { ...batch, rowCount },
          performance.now() - startedAtMs,
        );
      } else {
        this.#options.onFragment?.(rowCount);
      }
    } catch (error) {
      this.#fail(error, this.#submitCount, batch.through);
      throw error;
    }
  }

  #start(crossing: Crossing, locks: ReadonlySet<string>): void {
    this.#crossings.add(crossing);
    for (const name of locks) {
      this.#holders.set(name, crossing);
    }
    this.#options.onOpenTransactions(this.#crossings.size);
    void crossing.ended.then(() => {
      this.#crossings.delete(crossing);
      for (const name of locks) {
        if (this.#holders.get(name) === crossing) {
          this.#holders.delete(name);
        }
      }
      this.#options.onOpenTransactions(this.#crossings.size);
    });
  }

  /** No room for another transaction, or for the rows of this one. */
  #isFull(batch: Batch): boolean {
    let heldLength = batch.textLength;
    for (const crossing of this.#crossings) {
      heldLength += crossing.batch.textLength;
    }
    return (
      this.#crossings.size >= this.#options.parallelism ||
      (this.#crossings.size > 0 && heldLength > this.#options.budgetLength)
    );
  }

  #holderOf(locks: ReadonlySet<string>, isAlone: boolean): Crossing | null {
    for (const crossing of this.#crossings) {
      if (isAlone || crossing.isAlone) {
        return crossing;
      }
    }
    if (this.#holders.size === 0) {
      return null;
    }
    for (const name of locks) {
      const holder = this.#holders.get(name);
      if (holder) {
        return holder;
      }
    }
    return null;
  }

  #throwIfFailed(): void {
    this.#throwIfFailedBefore(Number.POSITIVE_INFINITY);
  }

  #throwIfFailedBefore(index: number): void {
    if (this.#failure && this.#failure.index < index) {
      throw this.#failure.error;
    }
  }
}

async function settlesWithin(
  promise: Promise<void>,
  timeMs: number,
): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), timeMs);
  try {
    return await Promise.race([promise.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
