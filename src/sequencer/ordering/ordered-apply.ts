import {
  asReplicatorError,
  isAbort,
  type ReplicatorError,
} from '../../failure/failure.ts';
import type { Batch } from '../../mutation/mutation.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type { ApplyOrder } from '../../target/target.ts';
import { tablesInShape } from '../reading/batch-tables.ts';
import { CommitOrder } from './commit-order.ts';
import {
  Crossing,
  type CrossingContext,
  type CrossingOptions,
  type Followed,
} from './crossing.ts';
import { HeldLocks, type Taken } from './held-locks.ts';
import { type Giant, giantOf } from './kept-alive.ts';
import {
  emptiesTable,
  type LockGrain,
  lockNames,
  type LockSet,
} from './row-locks.ts';
import { type SplitBatch, splitBatch } from './split-batch.ts';

export interface OrderedApplyOptions extends CrossingOptions {
  readonly parallelism: number;
  /** Where batches begin; after one has given way they become `coarse`. */
  readonly lockGrain: LockGrain;
  /** Characters of rows in open transactions, beyond which none is begun. */
  readonly budgetLength: number;
  /** The same of rows; absent, any number. */
  readonly budgetRows?: number;
  /** After this, disposal cancels what has not ended (`--taskGracePeriod`). */
  readonly taskGracePeriodMs: number;
  /**
   * Asked when a batch could begin while an elder that it waits for has not
   * ended, on its connection or with the rows that it does not share with it:
   * whether what it writes hangs on nothing but itself. Absent: never.
   */
  mayFollow?(): boolean;
  /** What a batch must not share with another one beside its rows. */
  moreLocksOf?(tables: Batch['tables']): readonly string[];
  /** Called right after a commit, in commit order. */
  onCommitted(batch: Batch, durationMs: number): void;
  onOpenTransactions(count: number): void;
  /** A batch failed beside elder ones; it runs again when they have ended. */
  onGaveWay?(error: ReplicatorError): void;
  /** A part of one transaction is written, of which so many rows are by now. */
  onFragment?(rowCount: number): void;
}

/** What a batch waits for: its begin for the first, its commit for the second. */
interface Elders {
  readonly blockers: readonly Promise<void>[];
  readonly lastCommit: Promise<void>;
  /** The youngest of the blockers; null where the batch must not follow it. */
  readonly leader: Crossing | null;
  /** Null: the batch waits as a whole. */
  readonly split: SplitBatch | null;
}

/**
 * Where so many wait for elders, those behind them mostly do as well: their rows
 * would only lie in memory.
 */
const mostBehind = 4;

/**
 * Applies batches in parallel transactions and commits them in source order. A
 * batch begins when no unfinished elder shares a lock with it
 * (row-locks.ts), so that statements of two open transactions hardly meet.
 * One that has to wait does not keep those behind it from beginning:
 *
 *     batch 1  begin ─ statements ─ commit
 *     batch 2  (shares a row with 1)       begin ─ statements ─ commit
 *     batch 3  begin ─ statements ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ commit
 *
 * Where the engine allows it, the batch that waits is made ready meanwhile, and
 * follows the youngest of those that it waits for on its connection: behind the
 * commit, whose answer need not come first. Its own commit waits for it.
 *
 *     batch 1  begin ─ statements ─ commit
 *     batch 2      (fold, bind)           begin ─ statements ─ commit
 *
 * Where it shares but a few rows, of tables that stand alone, it begins beside
 * the elder with the others (split-batch.ts), and writes those few when it is
 * its turn to commit:
 *
 *     batch 1  begin ─ statements ─ commit
 *     batch 2  begin ─ free rows ─ ─ ─ ─ ─ shared rows ─ commit
 *
 * Where they meet all the same, the younger one fails, or holds what an elder
 * waits for. It is rolled back and runs again as the eldest, beside no other:
 *
 *     batch 2  begin ─ statements ✗ ─ (elders commit) ─ begin ─ … ─ commit
 *
 * Only a failure without elders counts. As the elders' commits come first in
 * any case, the target ends as if all had been applied one after the other.
 *
 * What no lock tells of, a row that a trigger writes, shows when an elder waits
 * for long (commit-order.ts).
 *
 * Fragments of one giant transaction (`complete: false`) run alone, in one
 * transaction, until the fragment that completes it. A batch that empties a
 * table runs alone too.
 *
 * After a failure that counts nothing later commits: every younger crossing is
 * rolled back and `submit` and `drain` reject with the first error. The
 * instance is then of no more use; the caller goes back to its checkpoint.
 */
export class OrderedApply {
  readonly #options: OrderedApplyOptions;
  readonly #signal: AbortSignal;
  readonly #cancel = new AbortController();
  readonly #crossings = new Set<Crossing>();
  readonly #commits: CommitOrder;
  readonly #context: CrossingContext;
  readonly #held = new HeldLocks<Crossing>();
  #grain: LockGrain;
  #giant: Giant | null = null;
  #lastCommit: Promise<void> = Promise.resolve();
  #submitCount = 0;

  constructor(options: OrderedApplyOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = AbortSignal.any([signal, this.#cancel.signal]);
    this.#grain = options.lockGrain;
    this.#commits = new CommitOrder(options.target, this.#crossings);
    this.#context = {
      options,
      signal: this.#signal,
      commits: this.#commits,
      openChanged: () => this.#tellOpen(),
    };
  }

  /**
   * Resolves when there is room for the batch (not when it is committed):
   * this is the back-pressure on the reader. `committed` of the answer tells
   * its end.
   */
  async submit(batch: Batch): Promise<{ committed: Promise<void> }> {
    if (this.#giant || !batch.complete) {
      await this.#applyFragment(batch);
      return { committed: Promise.resolve() };
    }
    while (this.#isFull(batch)) {
      await Promise.race(
        [...this.#crossings].map((crossing) => crossing.ended),
      );
    }
    this.#commits.throwIfFailed();
    const grain = this.#grain;
    const locks = lockNames(this.#options.shape, grain)(
      batch.tables,
      this.#options.moreLocksOf?.(batch.tables),
    );
    const crossing = new Crossing(this.#context, {
      index: this.#submitCount,
      batch,
      isAlone: emptiesTable(batch.tables),
      grain,
    });
    const elders = this.#eldersOf(
      crossing,
      locks,
      this.#held.take(locks, crossing),
    );
    crossing.isBehind = elders.blockers.length > 0;
    this.#submitCount += 1;
    this.#crossings.add(crossing);
    void crossing.ended.then(() => {
      this.#crossings.delete(crossing);
      this.#held.release(locks, crossing);
      this.#tellOpen();
    });
    if (this.#options.commitInOrder) {
      this.#lastCommit = crossing.ended;
    }
    const committed = this.#cross(crossing, elders);
    committed.then(crossing.end, crossing.end);
    return { committed };
  }

  #eldersOf(
    crossing: Crossing,
    { exclusive, shared }: LockSet,
    taken: Taken<Crossing>,
  ): Elders {
    const { batch, isAlone, grain } = crossing;
    const blockers = this.#blockers(crossing, taken.blockers);
    const lastCommit = this.#lastCommit;
    const mayFollow =
      this.#options.commitInOrder &&
      !isAlone &&
      this.#options.mayFollow?.() === true;
    const sharesRowsOnly =
      exclusive.size === 0 &&
      shared.size === 0 &&
      blockers.every((elder) => !elder.isAlone && elder.grain === grain);
    const split =
      mayFollow &&
      sharesRowsOnly &&
      blockers.length > 0 &&
      this.#isRoomBesideElders()
        ? splitBatch(batch.tables, taken.sharedRows, this.#options.shape)
        : null;
    return split
      ? { blockers: [], lastCommit, leader: null, split }
      : {
          blockers: blockers.map(({ ended }) => ended),
          lastCommit,
          leader: mayFollow ? (blockers.at(-1) ?? null) : null,
          split,
        };
  }

  /**
   * A batch that begins beside elders keeps its connection until they have
   * committed: those that have not begun must find one.
   */
  #isRoomBesideElders(): boolean {
    let waitingCount = 0;
    for (const { state } of this.#crossings) {
      waitingCount += state === 'waiting' ? 1 : 0;
    }
    return this.#options.target.poolCounts().spare > waitingCount;
  }

  /** The end of the batch that failed first; null while none has. */
  get failedThrough(): Timestamp | null {
    return this.#commits.failedThrough;
  }

  /** Resolves when everything submitted is committed. */
  async drain(): Promise<void> {
    await Promise.all([...this.#crossings].map((crossing) => crossing.ended));
    this.#commits.throwIfFailed();
  }

  /** Rolls an open giant transaction back; waits for all others to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    const late = setTimeout(
      () => this.#cancel.abort(),
      this.#options.taskGracePeriodMs,
    );
    await Promise.all([...this.#crossings].map((crossing) => crossing.ended));
    await this.#giant?.[Symbol.asyncDispose]();
    this.#giant = null;
    clearTimeout(late);
  }

  async #cross(crossing: Crossing, elders: Elders): Promise<void> {
    const { blockers, leader, lastCommit } = elders;
    const startedAtMs = performance.now();
    try {
      const unblocked = Promise.all(blockers);
      await (leader
        ? Promise.race([leader.runs.promise, unblocked])
        : unblocked);
      this.#commits.throwIfFailedBefore(crossing.index);
      const begun = leader?.transaction?.follow?.() ?? null;
      if (begun === null) {
        await unblocked;
      }
      const followed = begun && { leader: leader!, transaction: begun };
      if (!(await this.#wentThroughBesideElders(crossing, elders, followed))) {
        await lastCommit;
        this.#commits.throwIfFailedBefore(crossing.index);
        await crossing.attempt({ lastCommit, followed: null, split: null });
      }
      this.#options.onCommitted(
        crossing.batch,
        performance.now() - startedAtMs,
      );
    } catch (error) {
      this.#fail(error, crossing.index, crossing.batch.through);
      throw error;
    }
  }

  /** False: it failed in a way that may be due to elders, and is undone. */
  async #wentThroughBesideElders(
    crossing: Crossing,
    { lastCommit, split }: Elders,
    followed: Followed | null,
  ): Promise<boolean> {
    const [eldest] = this.#crossings;
    const hasElders = this.#options.commitInOrder && eldest !== crossing;
    try {
      this.#commits.throwIfFailedBefore(crossing.index);
      await crossing.attempt({ lastCommit, followed, split });
      return true;
    } catch (error) {
      if (
        !hasElders ||
        this.#commits.hasFailedBefore(crossing.index) ||
        crossing.state === 'committing' ||
        this.#signal.aborted ||
        isAbort(error)
      ) {
        throw error;
      }
      // Behind a leader that is undone it has only become ready too early.
      if (followed === null || followed.leader.hasCommitted) {
        this.#gaveWay(asReplicatorError(error));
      }
      return false;
    }
  }

  /** Batches that met once meet again: those that come take more care. */
  #gaveWay(error: ReplicatorError): void {
    if (error.code === 'E3007') {
      this.#commits.becomeSerial();
    } else if (mayBeMeeting(error)) {
      this.#grain = 'coarse';
    }
    this.#options.onGaveWay?.(error);
  }

  #tellOpen(): void {
    let count = 0;
    for (const { state } of this.#crossings) {
      count += state === 'open' || state === 'committing' ? 1 : 0;
    }
    this.#options.onOpenTransactions(count);
  }

  #fail(error: unknown, index: number, through: Timestamp): void {
    if (this.#options.commitInOrder) {
      this.#commits.fail(error, index, through);
    }
  }

  async #applyFragment(batch: Batch): Promise<void> {
    await this.drain();
    try {
      this.#giant ??= giantOf(await this.#options.target.begin(this.#signal));
      const giant = this.#giant;
      const { transaction, startedAtMs } = giant;
      await this.#options.applier.apply(
        tablesInShape(batch.tables, this.#options.shape),
        transaction,
        this.#signal,
        partOrder(batch, this.#options.order),
      );
      if (batch.parking !== 'only') {
        this.#giant.rowCount += batch.rowCount;
      }
      const { rowCount } = this.#giant;
      if (batch.complete) {
        await transaction.commit(this.#options.markFor(batch.through));
        this.#giant = null;
        await giant[Symbol.asyncDispose]();
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

  /** No room for another transaction, or for the rows of this one. */
  #isFull(batch: Batch): boolean {
    const { budgetLength, budgetRows = Infinity } = this.#options;
    let heldLength = batch.textLength;
    let heldRows = batch.rowCount;
    let behindCount = 0;
    for (const crossing of this.#crossings) {
      heldLength += crossing.batch.textLength;
      heldRows += crossing.batch.rowCount;
      behindCount += crossing.isBehind && crossing.state === 'waiting' ? 1 : 0;
    }
    return (
      behindCount >= mostBehind ||
      this.#crossings.size >=
        (this.#commits.isSerial ? 1 : this.#options.parallelism) ||
      (this.#crossings.size > 0 &&
        (heldLength > budgetLength || heldRows > budgetRows))
    );
  }

  /** Those that must have ended before the batch begins. */
  #blockers(
    { isAlone, grain }: Pick<Crossing, 'isAlone' | 'grain'>,
    holders: ReadonlySet<Crossing>,
  ): readonly Crossing[] {
    return [...this.#crossings].filter(
      (elder) =>
        isAlone || elder.isAlone || elder.grain !== grain || holders.has(elder),
    );
  }
}

function partOrder(
  { parking, onlyUnlinks }: Batch,
  order: ApplyOrder,
): ApplyOrder {
  if (onlyUnlinks) {
    return 'unlinks';
  }
  if (parking) {
    return parking === 'only' ? 'park' : 'parked';
  }
  return order === 'upserts-first' ? 'part' : order;
}

/**
 * Whether batches side by side may be the cause: a value that another holds,
 * or a deadlock (E4003), of which the server may choose the eldest to undo.
 */
export function mayBeMeeting({ code, disposition }: ReplicatorError): boolean {
  return disposition !== 'retry' || code === 'E4003';
}
