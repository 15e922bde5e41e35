import { setTimeout as sleep } from 'node:timers/promises';

import { backoffMs } from '../failure/backoff.ts';
import {
  asReplicatorError,
  isAbort,
  ReplicatorError,
} from '../failure/failure.ts';
import { Wakeup } from '../lib/wakeup.ts';
import type { Batch, Mutation, TableMutations } from '../mutation/mutation.ts';
import { maxTimestamp, type Timestamp } from '../mutation/timestamp.ts';
import { createApplier } from '../target/applier.ts';
import { AppliedWatermark } from './applied-watermark.ts';
import { OrderedApply } from './ordered-apply.ts';
import { readBatches } from './read-batches.ts';
import type { SequencerContext } from './sequencer.ts';
import { VersionGuard } from './version-guard.ts';

/** How many transactions are opened for less than a full batch. */
const eagerTransactions = 2;

/** One request whose sender waits for its rows to reach the target. */
interface Waiting {
  readonly tables: readonly TableMutations[];
  readonly rowCount: number;
  readonly settle: PromiseWithResolvers<void>;
  /** It was in a batch that failed: now it stands or falls by itself. */
  alone: boolean;
}

/**
 * The immediate mode: a request is applied when it arrives, and its sender
 * hears "yes" once it is committed at the target.
 *
 * Requests that wait together share a transaction of up to flushSize rows;
 * transactions that share no row run side by side. Rows stay in per-key
 * order; source transactions may be seen torn, which is the price of the mode.
 *
 * The rows are in staging before they are applied (the pipeline sees to it).
 * That is what makes the guard survive a kill: at start `recover` reads what
 * is staged beyond the watermark, notes the newest version of every row and
 * applies exactly that one again.
 */
export class ImmediateSequencer {
  readonly #context: SequencerContext;
  readonly #guard: VersionGuard;
  readonly #applied: AppliedWatermark;
  readonly #wakeup = new Wakeup();
  #queue: Waiting[] = [];
  /** Transactions begun and not ended. */
  #openCount = 0;
  #failureCount = 0;
  #ready = false;
  #stopping = false;

  constructor(
    context: SequencerContext,
    applied: Timestamp,
    maxGuardKeys: number,
  ) {
    this.#context = context;
    this.#guard = new VersionGuard(maxGuardKeys);
    this.#applied = new AppliedWatermark(context, applied, false);
  }

  get applied(): Timestamp {
    return this.#applied.value;
  }

  get guardKeyCount(): number {
    return this.#guard.keyCount;
  }

  /**
   * Resolves when the rows are committed; rejects when the sender must repeat.
   * While `recover` is at work the request waits behind it.
   */
  async accept(tables: readonly TableMutations[]): Promise<void> {
    const settle = Promise.withResolvers<void>();
    const rowCount = tables.reduce(
      (sum, part) => sum + part.mutations.length,
      0,
    );
    this.#queue.push({ tables, rowCount, settle, alone: false });
    this.#wakeup.notify();
    await settle.promise;
  }

  /** Everything at or before the time has been acknowledged, hence applied. */
  async resolve(time: Timestamp): Promise<void> {
    await this.#applied.advanceTo(time);
    this.#guard.forgetThrough(time);
  }

  /** Ends `run` once everything that waits has ended. */
  stop(): void {
    this.#stopping = true;
    this.#wakeup.notify();
  }

  /** Runs until stopped or aborted. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#recoverUntilDone(signal);
      await this.#serve(signal);
    } catch (error) {
      if (!signal.aborted && !isAbort(error)) {
        throw error;
      }
    } finally {
      this.#ready = false;
      for (const waiting of this.#queue.splice(0)) {
        waiting.settle.reject(new ReplicatorError('E3005'));
      }
    }
  }

  async #serve(signal: AbortSignal): Promise<void> {
    let shape = this.#context.shape();
    let apply = this.#openApply(signal);
    try {
      for (;;) {
        while (this.#mayBegin()) {
          if (this.#context.shape() !== shape) {
            await apply[Symbol.asyncDispose]();
            shape = this.#context.shape();
            apply = this.#openApply(signal);
          }
          await this.#submit(apply, this.#takeBatch(), signal);
        }
        if (this.#stopping && this.#queue.length === 0) {
          return;
        }
        await this.#wakeup.wait(signal);
      }
    } finally {
      await apply[Symbol.asyncDispose]();
    }
  }

  /**
   * A transaction costs the target as much as some hundred rows, so beyond a
   * few open ones requests gather until a full one can be made of them or an
   * open one ends.
   */
  #mayBegin(): boolean {
    if (this.#queue.length === 0) {
      return false;
    }
    const { flushSize } = this.#context.options;
    let rowCount = 0;
    for (const waiting of this.#queue) {
      rowCount += waiting.rowCount;
      if (waiting.alone || rowCount >= flushSize) {
        return true;
      }
    }
    return this.#openCount < eagerTransactions;
  }

  /** As many waiting requests as fit into one transaction, at least one. */
  #takeBatch(): Waiting[] {
    let rowCount = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      const fits =
        rowCount + waiting.rowCount <= this.#context.options.flushSize;
      if (count > 0 && (!fits || waiting.alone)) {
        break;
      }
      rowCount += waiting.rowCount;
      count += 1;
      if (waiting.alone) {
        break;
      }
    }
    return this.#queue.splice(0, count);
  }

  async #submit(
    apply: OrderedApply,
    requests: readonly Waiting[],
    signal: AbortSignal,
  ): Promise<void> {
    this.#openCount += 1;
    try {
      const { committed } = await apply.submit(
        batchOf(requests.flatMap((request) => request.tables)),
      );
      committed.then(
        () => {
          this.#ended();
          this.#succeeded();
          for (const request of requests) {
            request.settle.resolve();
          }
        },
        (error: unknown) => {
          this.#ended();
          this.#refuse(requests, error);
        },
      );
    } catch (error) {
      this.#ended();
      this.#refuse(requests, error);
      signal.throwIfAborted();
    }
  }

  #ended(): void {
    this.#openCount -= 1;
    this.#wakeup.notify();
  }

  #openApply(signal: AbortSignal): OrderedApply {
    const { target, options, observer } = this.#context;
    const applier = createApplier({
      collapse: options.collapseMutations,
      ignoreUnknownColumns: options.ignoreUnknownColumns,
    });
    return new OrderedApply(
      {
        target,
        // The guard is asked when the batch starts: by then every earlier
        // batch that shares a row with it has ended and is noted.
        applier: {
          apply: async (tables, transaction, applySignal, order) => {
            const fresh = tables.flatMap((part) => {
              const [kept] = this.#guard.fresh(
                [{ table: part.table.name, mutations: part.mutations }],
                this.applied,
              );
              return kept
                ? [{ table: part.table, mutations: kept.mutations }]
                : [];
            });
            return applier.apply(fresh, transaction, applySignal, order);
          },
        },
        order: 'upserts-first',
        shape: this.#context.shape(),
        parallelism: options.parallelism,
        commitInOrder: false,
        taskGracePeriodMs: options.taskGracePeriodMs,
        markFor: () => null,
        appliedNow: () => this.applied,
        onCommitted: (batch, durationMs) => {
          this.#guard.note(batch.tables);
          observer.batchCommitted(batch, durationMs);
        },
        onOpenTransactions: (count) => observer.openTransactions(count),
      },
      signal,
    );
  }

  #succeeded(): void {
    if (this.#failureCount > 0) {
      this.#failureCount = 0;
      this.#context.observer.recovered();
    }
  }

  #refuse(requests: readonly Waiting[], error: unknown): void {
    const failure = isAbort(error)
      ? new ReplicatorError('E3005')
      : asReplicatorError(error);
    if (requests.length > 1 && failure.disposition !== 'retry') {
      for (const request of requests) {
        request.alone = true;
      }
      this.#queue.unshift(...requests);
      this.#wakeup.notify();
      return;
    }
    for (const request of requests) {
      request.settle.reject(failure);
    }
    if (failure.code === 'E4011' || failure.code === 'E4012') {
      // The sender repeats; by then the statements fit the catalog again.
      this.#context.refreshShape().catch(() => {});
    }
    if (failure.code !== 'E3005') {
      this.#failureCount += 1;
      this.#context.observer.attemptFailed(
        failure,
        this.#failureCount,
        this.#failureCount > this.#context.options.maxRetries,
      );
    }
  }

  async #recoverUntilDone(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !this.#ready && !this.#stopping; attempt += 1) {
      try {
        await this.#recover(signal);
        this.#ready = true;
        this.#succeeded();
      } catch (error) {
        signal.throwIfAborted();
        const { options, observer } = this.#context;
        this.#failureCount = attempt;
        observer.attemptFailed(
          asReplicatorError(error),
          attempt,
          attempt > options.maxRetries,
        );
        await sleep(backoffMs(attempt, options.backoff), undefined, { signal });
        await this.#context.refreshShape().catch(() => {});
      }
    }
  }

  /** Applies the newest staged version of every row beyond the watermark. */
  async #recover(signal: AbortSignal): Promise<void> {
    for await (const batch of this.#stagedBatches(signal)) {
      this.#guard.note(batch.tables);
    }
    await using apply = new OrderedApply(
      {
        target: this.#context.target,
        applier: createApplier({
          collapse: true,
          ignoreUnknownColumns: this.#context.options.ignoreUnknownColumns,
        }),
        order: 'upserts-first',
        shape: this.#context.shape(),
        parallelism: 1,
        commitInOrder: true,
        taskGracePeriodMs: this.#context.options.taskGracePeriodMs,
        markFor: () => null,
        appliedNow: () => this.applied,
        onCommitted: (batch, durationMs) =>
          this.#context.observer.batchCommitted(batch, durationMs),
        onOpenTransactions: () => {},
      },
      signal,
    );
    for await (const batch of this.#stagedBatches(signal)) {
      const newest = batch.tables
        .map(({ table, mutations }) => ({
          table,
          mutations: mutations.filter((mutation) =>
            this.#guard.isNewest(table, mutation),
          ),
        }))
        .filter(({ mutations }) => mutations.length > 0);
      if (newest.length > 0) {
        await apply.submit(batchOf(newest));
      }
    }
    await apply.drain();
  }

  #stagedBatches(signal: AbortSignal): AsyncGenerator<Batch> {
    const { store, schema, options } = this.#context;
    return readBatches(
      store,
      schema,
      this.applied,
      maxTimestamp,
      options,
      signal,
    );
  }
}

/** Joins the tables of several requests; arrival order is kept per table. */
function batchOf(parts: readonly TableMutations[]): Batch {
  const byTable = new Map<string, Mutation[]>();
  let rowCount = 0;
  let through = parts[0]!.mutations[0]!.time;
  for (const { table, mutations } of parts) {
    const joined = byTable.get(table) ?? [];
    byTable.set(table, joined);
    for (const mutation of mutations) {
      joined.push(mutation);
      rowCount += 1;
      if (mutation.time > through) {
        through = mutation.time;
      }
    }
  }
  return {
    through,
    complete: true,
    tables: [...byTable].map(([table, mutations]) => ({ table, mutations })),
    rowCount,
  };
}
