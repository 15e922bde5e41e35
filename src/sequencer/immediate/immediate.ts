import {
  asReplicatorError,
  isAbort,
  ReplicatorError,
} from '../../failure/failure.ts';
import { Wakeup } from '../../lib/wakeup.ts';
import {
  type Batch,
  rowCountOf,
  type TableMutations,
} from '../../mutation/mutation.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import { createApplier } from '../../target/applier.ts';
import { wholeRowTest } from '../../target/row-shape.ts';
import type {
  EpochFence,
  SchemaShape,
  TableRows,
} from '../../target/target.ts';
import { AppliedWatermark } from '../applied-watermark.ts';
import { DeadLetterDesk } from '../dead-letter/desk.ts';
import { takeRowsApart } from '../dead-letter/lone-rows.ts';
import { rekeyedTables } from '../ahead/free-tables.ts';
import { isFencedOff, recoverUntilDone } from './recovery.ts';
import { decodedTables, joinedBatch } from '../reading/batch-tables.ts';
import {
  gatherMs,
  type OpenBatch,
  type WaitingRequest,
  WaitingRequests,
} from './waiting-requests.ts';
import { alignKeys } from '../reading/key-alignment.ts';
import { nameInShape } from '../reading/shape-names.ts';
import { OrderedApply } from '../ordering/ordered-apply.ts';
import type { ClaimedWatermark, SequencerContext } from '../sequencer.ts';
import { VersionGuard } from '../version-guard.ts';

/** A request that fails so often after its rows were found is refused. */
const maxSearches = 3;

/**
 * The immediate mode: a request is applied when it arrives, and its sender
 * hears "yes" once it is committed at the target.
 *
 * Requests that wait together share a transaction of up to flushSize rows;
 * transactions that share no row run side by side. Rows stay in per-key
 * order; source transactions may be seen torn, which is the price of the mode.
 *
 * The rows are in staging before they are committed at the target. That is
 * what makes the guard survive a kill: at start recovery.ts reads what is
 * staged beyond the watermark. So the two commits are never under way side by
 * side: of a row committed at the target alone a kill would leave no memory,
 * and the redelivery of an older version would go over it. They are written
 * side by side:
 *
 *     staging  write ─ sync ───────┐
 *     target         begin ─ write ┴ commit ─ "yes"
 */
export class ImmediateSequencer {
  readonly #context: SequencerContext;
  readonly #guard: VersionGuard;
  readonly #desk: DeadLetterDesk;
  readonly #applied: AppliedWatermark;
  readonly #wakeup = new Wakeup();
  readonly #waiting: WaitingRequests;
  readonly #open = new Map<
    Batch,
    OpenBatch & { readonly requests: readonly WaitingRequest[] }
  >();
  /** Requests that are taken apart, and will be queued again. */
  #searchingCount = 0;
  #failureCount = 0;
  #isReady = false;
  /** Under which commits are fenced; null where the target keeps none. */
  readonly #epoch: number | null;
  /** Another daemon has claimed the schema, or the target has fallen back. */
  #fencedOff: ReplicatorError | null = null;
  readonly #ready = Promise.withResolvers<void>();
  readonly #stop = new AbortController();

  constructor(
    context: SequencerContext,
    { applied, inTarget }: ClaimedWatermark,
    maxGuardKeys: number,
  ) {
    this.#context = context;
    this.#epoch = inTarget?.epoch ?? null;
    this.#guard = new VersionGuard(maxGuardKeys);
    this.#desk = new DeadLetterDesk(context, false);
    this.#waiting = new WaitingRequests(context.options.flushSize);
    this.#applied = new AppliedWatermark(context, applied, false);
  }

  get applied(): Timestamp {
    return this.#applied.value;
  }

  get guardKeyCount(): number {
    return this.#guard.keyCount;
  }

  /**
   * Resolves when recovery is over. Asked before rows are staged: while it
   * fails (E3004) nothing more must be put on the heap.
   */
  async ready(): Promise<void> {
    if (!this.#isReady && this.#failureCount === 0) {
      await this.#ready.promise;
    }
    if (!this.#isReady) {
      throw new ReplicatorError('E3004', {
        detail: 'what is staged could not be applied yet',
      });
    }
  }

  /**
   * Resolves when the rows are committed, at the earliest when they are
   * `durable` in staging; rejects when the sender must repeat.
   */
  async accept(
    tables: readonly TableMutations[],
    durable: Promise<void>,
  ): Promise<void> {
    durable.catch(() => {});
    const { settle } = this.#waiting.add(tables, durable);
    this.#wakeup.notify();
    await settle.promise;
  }

  /**
   * Everything at or before the time has been acknowledged, hence applied;
   * but for what recovery has still to apply, which comes to the same end.
   */
  async resolve(time: Timestamp): Promise<void> {
    if (!this.#isReady) {
      return;
    }
    await this.#applied.advanceTo(time);
    this.#guard.forgetThrough(time);
  }

  /** Ends `run` once everything that waits has ended. */
  stop(): void {
    this.#stop.abort();
    this.#wakeup.notify();
  }

  /** Runs until stopped or aborted. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      const shape = await this.#recover(signal);
      await this.#serve(shape, signal);
    } catch (error) {
      if (!signal.aborted && !isAbort(error)) {
        throw error;
      }
    } finally {
      this.#isReady = false;
      this.#ready.resolve();
      this.#waiting.end();
    }
  }

  /** From the shape on by which the guard has its keys. */
  async #serve(recovered: SchemaShape, signal: AbortSignal): Promise<void> {
    let shape = recovered;
    let apply = this.#openApply(signal);
    try {
      for (;;) {
        if (this.#fencedOff) {
          throw this.#fencedOff;
        }
        while (this.#waiting.mayBegin([...this.#open.values()])) {
          let unread: unknown = null;
          if (this.#context.shape() !== shape || !this.#desk.isLoaded) {
            await apply[Symbol.asyncDispose]();
            for (const table of rekeyedTables(shape, this.#context.shape())) {
              this.#guard.forgetTable(table);
            }
            shape = this.#context.shape();
            apply = this.#openApply(signal);
            // No transaction is open now.
            unread = await this.#desk.load(signal).then(
              () => null,
              (error: unknown) => error,
            );
            signal.throwIfAborted();
          }
          const requests = this.#waiting.take();
          if (unread === null) {
            await this.#submit(apply, requests, signal);
          } else {
            this.#failed(requests, unread, signal);
          }
        }
        if (
          this.#stop.signal.aborted &&
          this.#waiting.isEmpty &&
          this.#searchingCount === 0
        ) {
          return;
        }
        await this.#wakeup.wait(
          signal,
          this.#waiting.isEmpty ? undefined : gatherMs,
        );
      }
    } finally {
      await apply[Symbol.asyncDispose]();
    }
  }

  async #submit(
    apply: OrderedApply,
    requests: readonly WaitingRequest[],
    signal: AbortSignal,
  ): Promise<void> {
    const hasFailed = (error: unknown): void => {
      this.#failed(requests, error, signal);
    };
    let batch: Batch;
    try {
      batch = this.#batchOf(requests);
    } catch (error) {
      hasFailed(error);
      return;
    }
    const { rowCount } = batch;
    this.#open.set(batch, { rowCount, isCommitting: false, requests });
    try {
      const { committed } = await apply.submit(batch);
      committed.then(
        () => {
          this.#ended(batch);
          this.#succeeded();
          for (const request of requests) {
            request.settle.resolve();
          }
        },
        (error: unknown) => {
          // Of rows whose commit was never sent there is no doubt.
          const mayBeThere = this.#open.get(batch)!.isCommitting;
          if (
            mayBeThere &&
            error instanceof ReplicatorError &&
            error.code === 'E4002'
          ) {
            this.#guard.noteUncertain(
              wholeRows(batch.tables, this.#context.shape()),
            );
          }
          this.#ended(batch);
          hasFailed(error);
        },
      );
    } catch (error) {
      this.#ended(batch);
      hasFailed(error);
      signal.throwIfAborted();
    }
  }

  #batchOf(requests: readonly WaitingRequest[]): Batch {
    const shape = this.#context.shape();
    return joinedBatch(
      requests.flatMap(({ tables }) =>
        tables.map((part) => alignKeys(part, shape)),
      ),
    );
  }

  #ended(batch: Batch): void {
    this.#open.delete(batch);
    this.#wakeup.notify();
  }

  #committing(batch: Batch): void {
    this.#open.get(batch)!.isCommitting = true;
    this.#wakeup.notify();
  }

  #openApply(signal: AbortSignal): OrderedApply {
    const { target, options, observer } = this.#context;
    const shape = this.#context.shape();
    const applier = this.#desk.applier(
      createApplier({
        collapse: options.collapseMutations,
        ignoreUnknownColumns: options.ignoreUnknownColumns,
      }),
    );
    return new OrderedApply(
      {
        target,
        // The guard is asked when the batch starts: by then every earlier
        // batch that shares a row with it has ended and is noted.
        applier: {
          apply: async (tables, transaction, applySignal, order) => {
            this.#desk.beginAnew(tables);
            const fresh = tables.map((rows) => this.#fresh(rows, shape));
            return applier.apply(
              fresh.filter((rows) => rowCountOf(rows) > 0),
              transaction,
              applySignal,
              order,
            );
          },
        },
        order: 'upserts-first',
        shape,
        parallelism: options.parallelism,
        lockGrain: 'coarse',
        commitInOrder: false,
        moreLocksOf: (tables) => this.#desk.locksOf(tables),
        budgetLength: options.readBudgetBytes,
        taskGracePeriodMs: options.taskGracePeriodMs,
        markFor: () => this.#mark(),
        mayCommit: async (batch) => {
          const { requests } = this.#open.get(batch)!;
          await Promise.all(requests.map(({ durable }) => durable));
        },
        onCommitSent: (batch) => this.#committing(batch),
        onCommitted: (batch, durationMs) => {
          this.#guard.note(batch.tables);
          this.#desk.committed(batch);
          observer.batchCommitted(batch, durationMs);
        },
        onOpenTransactions: (count) => observer.openTransactions(count),
      },
      signal,
    );
  }

  /** The rows that are newer than what has reached the target. */
  #fresh(rows: TableRows, shape: SchemaShape): TableRows {
    const { table, encoded } = rows;
    const name = nameInShape(table, shape);
    const { applied } = this;
    if (encoded && this.#guard.areFresh(name, encoded, applied)) {
      return rows;
    }
    const { mutations } = rows;
    return { table, mutations: this.#guard.fresh(name, mutations, applied) };
  }

  #mark(): EpochFence | null {
    const { schema, assertLeading } = this.#context;
    assertLeading?.();
    return this.#epoch === null ? null : { schema, epoch: this.#epoch };
  }

  #succeeded(): void {
    if (this.#failureCount > 0) {
      this.#failureCount = 0;
      this.#context.observer.recovered();
    }
  }

  #failed(
    requests: readonly WaitingRequest[],
    error: unknown,
    signal: AbortSignal,
  ): void {
    const [request] = requests;
    if (
      requests.length === 1 &&
      this.#context.options.onRowError === 'deadLetter' &&
      error instanceof ReplicatorError &&
      error.disposition === 'set-aside' &&
      request!.searchCount < maxSearches
    ) {
      void this.#takeApart(request!, signal);
    } else {
      this.#refuse(requests, error);
    }
  }

  #takeAgain(requests: readonly WaitingRequest[]): void {
    this.#waiting.addAgain(requests);
    this.#wakeup.notify();
  }

  /** The rows that can never go are set aside when it comes again. */
  async #takeApart(
    request: WaitingRequest,
    signal: AbortSignal,
  ): Promise<void> {
    request.searchCount += 1;
    request.alone = true;
    this.#searchingCount += 1;
    const { tables, durable, settle } = request;
    try {
      await durable;
      const shape = this.#context.shape();
      const aligned = decodedTables(
        tables.map((part) => alignKeys(part, shape)),
      );
      const dropFindings = (): void => this.#desk.dropAll(aligned);
      const mayWait = true;
      await takeRowsApart(
        this.#context,
        this.#desk,
        aligned,
        { mayWait },
        signal,
      );
      settle.promise.then(dropFindings, dropFindings);
      this.#takeAgain([request]);
    } catch (error) {
      this.#refuse([request], error);
    } finally {
      this.#searchingCount -= 1;
      this.#wakeup.notify();
    }
  }

  #refuse(requests: readonly WaitingRequest[], error: unknown): void {
    const failure = isAbort(error)
      ? new ReplicatorError('E3005')
      : asReplicatorError(error);
    if (requests.length > 1 && failure.disposition !== 'retry') {
      for (const request of requests) {
        request.alone = true;
      }
      this.#takeAgain(requests);
      return;
    }
    for (const request of requests) {
      request.settle.reject(failure);
    }
    if (isFencedOff(failure)) {
      this.#fencedOff ??= failure;
      this.#wakeup.notify();
      return;
    }
    if (failure.disposition !== 'retry' || failure.code === 'E4011') {
      // The sender repeats; by then what was mended in the catalog is known.
      this.#context.refreshShape().catch(() => {});
    }
    if (failure.code === 'E3013') {
      // Some may have been retried or discarded since they were counted.
      this.#desk.room(this.#stop.signal).catch(() => {});
    }
    if (failure.code !== 'E3005') {
      this.#failureCount += 1;
      this.#attemptFailed(failure);
    }
  }

  #attemptFailed(failure: ReplicatorError): void {
    const { observer, options } = this.#context;
    observer.attemptFailed(
      failure,
      this.#failureCount,
      this.#failureCount > options.maxRetries,
    );
  }

  /** What was resolved while this was not ready; the next one says it too. */
  async #resolveUnheard(): Promise<void> {
    const { store, schema } = this.#context;
    const { resolved } = await store.checkpoint(schema);
    await this.resolve(resolved);
  }

  async #recover(signal: AbortSignal): Promise<SchemaShape> {
    const shape = await recoverUntilDone(
      this.#context,
      { guard: this.#guard, desk: this.#desk, applied: this.#applied },
      {
        mark: () => this.#mark(),
        stop: this.#stop.signal,
        failed: (failure, attempt) => {
          this.#failureCount = attempt;
          this.#attemptFailed(failure);
        },
      },
      signal,
    );
    if (shape === null) {
      return this.#context.shape();
    }
    this.#isReady = true;
    this.#ready.resolve();
    this.#succeeded();
    await this.#resolveUnheard().catch(() => {});
    return shape;
  }
}

/** Those that make older versions of their rows needless. */
function wholeRows(
  tables: readonly TableMutations[],
  shape: SchemaShape,
): TableMutations[] {
  return tables.map((part) => {
    const table = shape.tables.get(part.table);
    const isWhole = table ? wholeRowTest(table) : () => false;
    return {
      table: part.table,
      mutations: part.mutations.filter(
        ({ after }) => after === null || isWhole(after),
      ),
    };
  });
}
