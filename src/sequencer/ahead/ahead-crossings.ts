import { backoffMs } from '../../failure/backoff.ts';
import { asReplicatorError, isAbort } from '../../failure/failure.ts';
import { createApplier } from '../../target/applier.ts';
import type { Applier, TargetTransaction } from '../../target/target.ts';
import type { AheadCeiling } from './ahead-ceiling.ts';
import type { AheadClaims, AheadCrossing } from './ahead-claims.ts';
import type { AheadPending, PendingRow } from './ahead-pending.ts';
import { type AheadTerms, applyNewest } from './ahead-recovery.ts';
import { joinedBatch, tablesInShape } from '../reading/batch-tables.ts';
import type { SequencerContext } from '../sequencer.ts';

/** How many transactions are opened for less than a full batch. */
const eagerTransactions = 2;
/** The longest that rows wait for others to share a transaction. */
export const gatherMs = 20;

export interface AheadCrossingsParts {
  readonly claims: AheadClaims;
  readonly ceiling: AheadCeiling;
  readonly pending: AheadPending;
  /** Null while nothing may go ahead. */
  terms(): AheadTerms | null;
  /** Neither this version nor a later one is known to be at the target. */
  isNews(row: PendingRow): boolean;
  /** Rows were let be that may go ahead another time. */
  missed(): void;
  /** A transaction has ended. */
  wake(): void;
}

/** A transaction at work, or one of which nobody knows how it ended. */
class Crossing implements AheadCrossing {
  readonly rows: readonly PendingRow[];
  readonly #settle = Promise.withResolvers<void>();
  readonly #cancel: AbortController;
  isCommitting = false;
  doubt: unknown = null;

  constructor(rows: readonly PendingRow[], cancel: AbortController) {
    this.rows = rows;
    this.#cancel = cancel;
  }

  get ended(): Promise<void> {
    return this.#settle.promise;
  }

  end(): void {
    this.#settle.resolve();
  }

  get hasGivenWay(): boolean {
    return this.#cancel.signal.aborted;
  }

  giveWay(): void {
    if (!this.isCommitting) {
      this.#cancel.abort();
    }
  }
}

/**
 * The transactions that go ahead of the sweep, several at once:
 *
 *     ceiling covers what waits ─ begin ─ claim ─ statements ─ commit ─ noted
 *
 *     refused       each half by itself, until the row is found that is let be
 *     gave way      the rows wait again
 *     failed        all that waits is let be, and nothing begins for a while
 *     in doubt      the commit may have happened: its rows stay claimed until
 *                   they are applied again, before the next sweep
 */
export class AheadCrossings {
  readonly #context: SequencerContext;
  readonly #parts: AheadCrossingsParts;
  readonly #applier: Applier;
  readonly #open = new Set<Crossing>();
  #doubtful: Crossing[] = [];
  /** Refused together: each half goes by itself. */
  #groups: (readonly PendingRow[])[] = [];
  #failureCount = 0;
  #waitsUntilMs = 0;

  constructor(context: SequencerContext, parts: AheadCrossingsParts) {
    this.#context = context;
    this.#parts = parts;
    this.#applier = createApplier({
      collapse: true,
      ignoreUnknownColumns: context.options.ignoreUnknownColumns,
    });
  }

  get isWaiting(): boolean {
    return this.#groups.length > 0 || this.#parts.pending.count > 0;
  }

  /** After a failure. */
  get standsBack(): boolean {
    return performance.now() < this.#waitsUntilMs;
  }

  get isInDoubt(): boolean {
    return this.#doubtful.length > 0;
  }

  /** There are rows to go, room for a transaction, and reason to begin one. */
  mayBegin(): boolean {
    const { pending, claims } = this.#parts;
    const { flushSize, parallelism } = this.#context.options;
    if (
      !this.isWaiting ||
      this.#parts.terms() === null ||
      this.isInDoubt ||
      this.#open.size >= parallelism
    ) {
      return false;
    }
    return (
      this.#groups.length > 0 ||
      ((pending.count >= flushSize ||
        this.#open.size < eagerTransactions ||
        performance.now() - pending.waitsSinceMs >= gatherMs) &&
        pending.has(({ table, mutation }) =>
          claims.isFree(table, mutation.key),
        ))
    );
  }

  /** Resolves when a transaction has been begun, not when it has ended. */
  async begin(signal: AbortSignal): Promise<void> {
    const { pending, ceiling, claims } = this.#parts;
    if (pending.count > 0) {
      await ceiling.cover(pending.tables, pending.newest, signal);
    }
    const cancel = new AbortController();
    const both = AbortSignal.any([signal, cancel.signal]);
    const transaction = await this.#context.target.begin(both);
    // Nothing is awaited between the look at the claims and the claim.
    const now = this.#parts.terms();
    const rows = now === null ? [] : this.#take();
    if (now === null || rows.length === 0) {
      await transaction[Symbol.asyncDispose]();
      return;
    }
    const crossing = new Crossing(rows, cancel);
    for (const { table, mutation } of rows) {
      claims.claimAhead(table, mutation.key, crossing);
    }
    this.#open.add(crossing);
    void this.#cross(crossing, transaction, now, both);
  }

  /** Ends what is open at once, but for commits under way. */
  async giveWay(): Promise<void> {
    for (const crossing of this.#open) {
      crossing.giveWay();
    }
    await this.drain();
  }

  /** Resolves when none is open. */
  async drain(): Promise<void> {
    await Promise.all([...this.#open].map(({ ended }) => ended));
  }

  /** Applies again what may have been committed. None must be open. */
  async settleDoubts(terms: AheadTerms, signal: AbortSignal): Promise<void> {
    for (const crossing of this.#doubtful) {
      const rows = crossing.rows.map(({ table, mutation }) => ({
        table,
        versions: [mutation],
      }));
      const { guard } = this.#parts.claims;
      await applyNewest(this.#context, guard, rows, terms, signal);
      this.#release(crossing);
      this.#doubtful = this.#doubtful.filter((other) => other !== crossing);
    }
  }

  /** Whatever may have been committed is settled in another way. */
  forgetDoubts(): void {
    this.#doubtful = [];
  }

  /** The log has what waits. */
  forgetWaiting(): void {
    if (this.isWaiting) {
      this.#parts.missed();
    }
    this.#parts.pending.clear();
    this.#groups = [];
  }

  standBack(error: unknown): void {
    const { options } = this.#context;
    this.#failureCount += 1;
    this.#waitsUntilMs =
      performance.now() +
      (asReplicatorError(error).disposition === 'halt'
        ? options.quiescentPeriodMs
        : backoffMs(this.#failureCount, options.backoff));
    this.forgetWaiting();
  }

  #take(): readonly PendingRow[] {
    const { pending, claims, ceiling } = this.#parts;
    const mayGo = ({ table, mutation }: PendingRow): boolean =>
      claims.isFree(table, mutation.key) &&
      ceiling.covers(table, mutation.time);
    const group = this.#groups.pop();
    if (group) {
      const going = group.filter((row) => mayGo(row) && this.#isNews(row));
      if (going.length < group.length) {
        this.#parts.missed();
      }
      return going;
    }
    const { flushSize, readBudgetBytes, parallelism } = this.#context.options;
    const limits = {
      maxRows: flushSize,
      maxBytes: readBudgetBytes / parallelism,
    };
    return pending.take(limits, mayGo).filter((row) => this.#isNews(row));
  }

  #isNews(row: PendingRow): boolean {
    return this.#parts.isNews(row);
  }

  async #cross(
    crossing: Crossing,
    transaction: TargetTransaction,
    { shape, fence }: AheadTerms,
    signal: AbortSignal,
  ): Promise<void> {
    const { guard } = this.#parts.claims;
    const startedAtMs = performance.now();
    const batch = joinedBatch(
      crossing.rows.map(({ table, mutation }) => ({
        table,
        mutations: [mutation],
      })),
    );
    try {
      await using held = transaction;
      const tables = tablesInShape(batch.tables, shape);
      await this.#applier.apply(tables, held, signal);
      this.#context.assertLeading?.();
      crossing.isCommitting = true;
      await held.commit(fence);
      guard.note(batch.tables);
      this.#failureCount = 0;
      const durationMs = performance.now() - startedAtMs;
      this.#context.observer.batchCommitted(batch, durationMs);
    } catch (error) {
      this.#failed(crossing, error);
    } finally {
      this.#open.delete(crossing);
      if (crossing.doubt === null) {
        this.#release(crossing);
      }
      crossing.end();
      this.#parts.wake();
    }
  }

  #release({ rows }: Crossing): void {
    for (const { table, mutation } of rows) {
      this.#parts.claims.releaseAhead(table, mutation.key);
    }
  }

  #failed(crossing: Crossing, error: unknown): void {
    const { disposition } = asReplicatorError(error);
    const { rows } = crossing;
    if (crossing.isCommitting && (disposition === 'retry' || isAbort(error))) {
      crossing.doubt = error;
      this.#doubtful.push(crossing);
    } else if (crossing.hasGivenWay) {
      for (const row of rows) {
        this.#parts.pending.add(row);
      }
    } else if (disposition === 'defer' || disposition === 'set-aside') {
      if (rows.length > 1) {
        const middle = Math.ceil(rows.length / 2);
        this.#groups.push(rows.slice(0, middle), rows.slice(middle));
      }
    } else {
      this.#parts.missed();
      this.standBack(error);
    }
  }
}
