import {
  asReplicatorError,
  isAbort,
  ReplicatorError,
} from '../../failure/failure.ts';
import { orNullAfterMs } from '../../lib/within-ms.ts';
import type { Batch } from '../../mutation/mutation.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type {
  Applier,
  ApplyOrder,
  SchemaShape,
  Target,
  TargetTransaction,
  CommitMark,
} from '../../target/target.ts';
import { tablesInShape } from '../reading/batch-tables.ts';
import { HeldLocks, type Taken } from './held-locks.ts';
import {
  type Giant,
  giantOf,
  keptAlive,
  keptAliveUntil,
} from './kept-alive.ts';
import {
  emptiesTable,
  type LockGrain,
  lockNames,
  type LockSet,
} from './row-locks.ts';
import { type SplitBatch, splitBatch } from './split-batch.ts';

export interface OrderedApplyOptions {
  readonly target: Target;
  readonly applier: Applier;
  readonly order: ApplyOrder;
  readonly shape: SchemaShape;
  readonly parallelism: number;
  /** Where batches begin; after one has given way they become `coarse`. */
  readonly lockGrain: LockGrain;
  /** Characters of rows in open transactions, beyond which none is begun. */
  readonly budgetLength: number;
  /** The same of rows; absent, any number. */
  readonly budgetRows?: number;
  /** After this, disposal cancels what has not ended (`--taskGracePeriod`). */
  readonly taskGracePeriodMs: number;
  /** True: commits happen in the order of `submit`. */
  readonly commitInOrder: boolean;
  /**
   * Asked when a batch may be made ready while an elder that it waits for has
   * not ended: whether what it writes hangs on nothing but itself. Absent: never.
   */
  mayFollow?(): boolean;
  /** What a batch must not share with another one beside its rows. */
  moreLocksOf?(tables: Batch['tables']): readonly string[];
  /** Asked right before a commit; null writes no watermark into the target. */
  markFor(through: Timestamp): CommitMark | null;
  /**
   * Awaited before a commit, when all is written; rejects where there must be
   * none. Not asked about fragments.
   */
  mayCommit?(batch: Batch): Promise<void>;
  /** Called when all of a batch is written, and only its commit is to come. */
  onWritten?(batch: Batch): void;
  /** Called right after a commit, in commit order. */
  onCommitted(batch: Batch, durationMs: number): void;
  onOpenTransactions(count: number): void;
  /** A batch failed beside elder ones; it runs again when they have ended. */
  onGaveWay?(error: ReplicatorError): void;
  /** A part of one transaction is written, of which so many rows are by now. */
  onFragment?(rowCount: number): void;
}

/** One batch on its way, in the order of `submit`. */
interface Crossing {
  readonly index: number;
  readonly batch: Batch;
  /** Resolves when it has ended either way. */
  readonly ended: Promise<void>;
  /** Neither starts beside others nor lets others start. */
  readonly isAlone: boolean;
  /** It begins behind elders with which it shares a lock. */
  isBehind: boolean;
  /** Of its locks: those of another grain have other names. */
  readonly grain: LockGrain;
  /** Beginning: it waits for a connection. */
  state: 'waiting' | 'beginning' | 'open' | 'committing';
  /** The transaction while it is open. */
  transaction: TargetTransaction | null;
  /** Resolves when its statements may run: another one may get ready behind it. */
  readonly runs: PromiseWithResolvers<void>;
  hasCommitted: boolean;
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

/** A transaction behind that of another batch, on its connection. */
interface Followed {
  readonly leader: Crossing;
  readonly transaction: TargetTransaction;
}

/**
 * Where so many wait for elders, those behind them mostly do as well: their rows
 * would only lie in memory.
 */
const mostBehind = 4;

/** A commit that waits this long for its turn asks what it is waiting for. */
const stallMs = 1_000;

/**
 * So long where nobody can tell, for the target's account may not ask or there
 * is no connection to ask on; then it is taken for a lock.
 */
const unexplainedStallMs = 5_000;

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
 * What the locks cannot know is a row that the target writes by itself, a
 * counter kept by a trigger: a younger transaction may hold it and wait for
 * the commit of an elder, which waits for the row. No server sees that
 * deadlock. The younger one asks after a second, and gives way (E3007); from
 * then on batches go one after the other. The same where younger ones hold all
 * connections of the target, and the eldest waits for one.
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
  readonly #held = new HeldLocks<Crossing>();
  #grain: LockGrain;
  /** One has met an elder at a row that no lock tells of (E3007). */
  #isSerial = false;
  /** Wakes who waits for his turn to commit. */
  readonly #turns = new Set<() => void>();
  #giant: Giant | null = null;
  #lastCommit: Promise<void> = Promise.resolve();
  #failure: { error: unknown; index: number; through: Timestamp } | null = null;
  #submitCount = 0;

  constructor(options: OrderedApplyOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = AbortSignal.any([signal, this.#cancel.signal]);
    this.#grain = options.lockGrain;
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
    this.#throwIfFailed();
    const grain = this.#grain;
    const locks = lockNames(this.#options.shape, grain)(
      batch.tables,
      this.#options.moreLocksOf?.(batch.tables),
    );
    const isAlone = emptiesTable(batch.tables);
    const settle = Promise.withResolvers<void>();
    const crossing: Crossing = {
      index: this.#submitCount,
      batch,
      ended: settle.promise,
      isAlone,
      isBehind: false,
      grain,
      state: 'waiting',
      transaction: null,
      runs: Promise.withResolvers(),
      hasCommitted: false,
    };
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
    committed.then(settle.resolve, settle.resolve);
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
      this.#throwIfFailedBefore(crossing.index);
      const begun = leader?.transaction?.follow?.() ?? null;
      if (begun === null) {
        await unblocked;
      }
      const followed = begun && { leader: leader!, transaction: begun };
      if (!(await this.#wentThroughBesideElders(crossing, elders, followed))) {
        await lastCommit;
        this.#throwIfFailedBefore(crossing.index);
        await this.#attempt(crossing, lastCommit);
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
      this.#throwIfFailedBefore(crossing.index);
      await this.#attempt(crossing, lastCommit, { followed, split });
      return true;
    } catch (error) {
      const hasElderFailed =
        this.#failure !== null && this.#failure.index < crossing.index;
      if (
        !hasElders ||
        hasElderFailed ||
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
      this.#isSerial = true;
      for (const wake of this.#turns) {
        wake();
      }
    } else if (mayBeMeeting(error)) {
      this.#grain = 'coarse';
    }
    this.#options.onGaveWay?.(error);
  }

  /** One transaction, committed or undone. */
  async #attempt(
    crossing: Crossing,
    lastCommit: Promise<void>,
    {
      followed,
      split,
    }: { readonly followed: Followed | null } & Pick<Elders, 'split'> = {
      followed: null,
      split: null,
    },
  ): Promise<void> {
    const { batch } = crossing;
    try {
      crossing.state = 'beginning';
      await using transaction =
        followed?.transaction ??
        (await this.#options.target.begin(this.#signal));
      crossing.state = 'open';
      crossing.transaction = transaction;
      crossing.runs.resolve(followed?.leader.ended);
      this.#tellOpen();
      await this.#apply(split?.free ?? batch.tables, transaction);
      if (this.#options.commitInOrder) {
        await this.#turn(crossing, transaction, lastCommit);
      }
      if (split) {
        await this.#apply(split.shared, transaction);
      }
      const mayCommit = this.#options.mayCommit?.(batch);
      if (mayCommit) {
        await keptAliveUntil(mayCommit, transaction, this.#signal);
      }
      crossing.state = 'committing';
      const committed = transaction.commit(
        this.#options.markFor(batch.through),
      );
      this.#options.onWritten?.(batch);
      await committed;
      crossing.hasCommitted = true;
    } finally {
      crossing.transaction = null;
      if (crossing.state !== 'committing') {
        crossing.state = 'waiting';
        this.#tellOpen();
      }
    }
  }

  async #apply(
    tables: Batch['tables'],
    transaction: TargetTransaction,
  ): Promise<void> {
    await this.#options.applier.apply(
      tablesInShape(tables, this.#options.shape),
      transaction,
      this.#signal,
      this.#options.order,
    );
  }

  #tellOpen(): void {
    let count = 0;
    for (const { state } of this.#crossings) {
      count += state === 'open' || state === 'committing' ? 1 : 0;
    }
    this.#options.onOpenTransactions(count);
  }

  /**
   * Resolves when every elder has committed. Once one has met an elder (E3007)
   * all who wait give way: whatever they hold, the elders may want it too.
   */
  async #turn(
    crossing: Crossing,
    transaction: TargetTransaction,
    lastCommit: Promise<void>,
  ): Promise<void> {
    const news = Promise.withResolvers<void>();
    let isOver = false;
    void lastCommit.then(() => {
      isOver = true;
      news.resolve();
    });
    this.#turns.add(news.resolve);
    using alive = keptAlive(transaction);
    try {
      let eldest: Crossing | undefined;
      let sinceMs = 0;
      for (;;) {
        await orNullAfterMs(news.promise, stallMs);
        this.#throwIfFailedBefore(crossing.index);
        alive.throwIfLost();
        if (isOver) {
          return;
        }
        const [oldest] = this.#crossings;
        if (oldest !== eldest) {
          eldest = oldest;
          sinceMs = performance.now() - stallMs;
        }
        const waits = this.#isSerial || (eldest && (await this.#waits(eldest)));
        const stalledMs = performance.now() - sinceMs;
        if (waits || (waits === null && stalledMs >= unexplainedStallMs)) {
          throw eldest?.state === 'beginning'
            ? new ReplicatorError('E3007', {
                detail:
                  'younger transactions hold all connections of the target, and the eldest waits for one',
                remedy:
                  'nothing is lost: for some minutes they are applied one after the other; if it comes again, raise --targetMaxPoolSize or lower --parallelism',
              })
            : new ReplicatorError('E3007');
        }
      }
    } finally {
      this.#turns.delete(news.resolve);
    }
  }

  /** Whether an elder waits for what younger ones may hold; null: nobody knows. */
  async #waits({ state, transaction }: Crossing): Promise<boolean | null> {
    if (
      state === 'beginning' &&
      this.#options.target.poolCounts().waiting > 0
    ) {
      return null;
    }
    return transaction
      ? await orNullAfterMs(transaction.waitsForLock(), unexplainedStallMs)
      : false;
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
        (this.#isSerial ? 1 : this.#options.parallelism) ||
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

  #throwIfFailed(): void {
    this.#throwIfFailedBefore(Number.POSITIVE_INFINITY);
  }

  #throwIfFailedBefore(index: number): void {
    if (this.#failure && this.#failure.index < index) {
      throw this.#failure.error;
    }
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
