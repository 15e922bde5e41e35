import { backoffMs } from '../failure/backoff.ts';
import { asReplicatorError, isAbort } from '../failure/failure.ts';
import { Wakeup } from '../lib/wakeup.ts';
import {
  type Batch,
  isTruncation,
  type Mutation,
  type TableMutations,
} from '../mutation/mutation.ts';
import { type Timestamp, zeroTimestamp } from '../mutation/timestamp.ts';
import { createApplier } from '../target/applier.ts';
import { wholeRowTest } from '../target/row-shape.ts';
import type {
  Applier,
  EpochFence,
  SchemaShape,
  TargetTransaction,
} from '../target/target.ts';
import { AheadCeiling } from './ahead-ceiling.ts';
import { AheadClaims, type AheadCrossing } from './ahead-claims.ts';
import { AheadPending, type PendingRow } from './ahead-pending.ts';
import { applyNewest, recoverAhead } from './ahead-recovery.ts';
import { AheadScan } from './ahead-scan.ts';
import { tablesInShape } from './batch-tables.ts';
import { freeTables, rekeyedTables } from './free-tables.ts';
import { batchOf } from './immediate-recovery.ts';
import { alignKeys } from './key-alignment.ts';
import { type BestEffortOptions, choosesBestEffort } from './mode-switch.ts';
import type { SequencerContext } from './sequencer.ts';

/** How many transactions are opened for less than a full batch. */
const eagerTransactions = 2;
/** The longest that rows wait for others to share a transaction. */
const gatherMs = 20;
/** How often the mode is chosen, and the log looked at. */
const tickMs = 500;

export interface RunAheadParts extends BestEffortOptions {
  /** Rows go ahead from now on, or no longer. */
  onSwitch(isOn: boolean): void;
}

/** Where a sweep begins. */
export interface SweepStart {
  readonly applied: Timestamp;
  /** Ours at the target; null where it keeps none. */
  readonly epoch: number | null;
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
 * The best effort: rows of free tables (free-tables.ts) go to the target as
 * they arrive, ahead of the sweep of the consistent mode, which follows behind
 * and leaves out what it finds done.
 *
 *     arrive       t1   t2   t3   t4   t5
 *     resolved               t2
 *     the sweep    ────────► t2                   all tables, in source order
 *     ahead        ──────────────────────► t5     free tables, newest first come
 *     guard                      t3 t4 t5         what the sweep leaves out
 *
 * Invariants:
 *  - A row goes ahead only after it is staged. Whatever stands in its way (the
 *    guard is full, the row is refused or sparse, the target is down), it is
 *    let be: the sweep comes to it.
 *  - No version overwrites a newer one. A row is written by the sweep or by
 *    one transaction that goes ahead, never both (ahead-claims.ts), and both
 *    ask the guard once they have claimed it.
 *  - Nothing goes ahead beyond the ceiling, which is durable: from it the next
 *    start knows what may be at the target (ahead-recovery.ts). A commit of
 *    which nobody knows whether it happened is settled in the same way.
 *
 * A sparse row is never sent ahead and needs no order: of versions older than
 * a whole row nothing is left, and on newer ones the sweep writes it in turn.
 */
export class RunAhead {
  readonly #context: SequencerContext;
  readonly #parts: RunAheadParts;
  readonly #ceiling: AheadCeiling;
  readonly #claims = new AheadClaims();
  readonly #pending = new AheadPending();
  /** Refused together: each half goes by itself. */
  #groups: (readonly PendingRow[])[] = [];
  readonly #crossings = new Set<Crossing>();
  #doubtful: Crossing[] = [];
  readonly #scan: AheadScan;
  readonly #wakeup = new Wakeup();
  readonly #stop = new AbortController();
  readonly #applier: Applier;
  /** As the last sweep began with it; nothing goes ahead under another one. */
  #shape: SchemaShape | null = null;
  #free: ReadonlySet<string> = new Set();
  #isWhole = new Map<string, (after: string) => boolean>();
  #applied: Timestamp;
  /** What every commit is held to, so that it is nobody else's turn. */
  #fence: EpochFence | null = null;
  #isOn = false;
  #isRecovered = false;
  #isSettling = false;
  #failureCount = 0;
  #waitsUntilMs = 0;
  /** What a sweep left out, by the end of the batch. */
  readonly #skipped = new Map<Timestamp, number>();

  /** Null where nothing goes ahead, nor ever has. */
  static async open(
    context: SequencerContext,
    parts: RunAheadParts,
    applied: Timestamp,
  ): Promise<RunAhead | null> {
    const ceiling = await AheadCeiling.load(context.store, context.schema);
    return ceiling.isUsed || parts.only || parts.windowMs > 0
      ? new RunAhead(context, parts, ceiling, applied)
      : null;
  }

  private constructor(
    context: SequencerContext,
    parts: RunAheadParts,
    ceiling: AheadCeiling,
    applied: Timestamp,
  ) {
    this.#context = context;
    this.#parts = parts;
    this.#ceiling = ceiling;
    this.#applied = applied;
    this.#applier = createApplier({
      collapse: true,
      ignoreUnknownColumns: context.options.ignoreUnknownColumns,
    });
    this.#scan = new AheadScan(context, {
      admit: (tables) => this.#admit(tables),
      mayGoOn: () => this.#mayAdmit() && this.#room() > parts.maxKeys / 2,
      isFull: () =>
        this.#pending.heldBytes > context.options.readBudgetBytes / 2,
    });
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  get guardKeyCount(): number {
    return this.#claims.guard.keyCount;
  }

  // — The pipeline's side —

  /** Rows that are staged. What cannot go ahead now is left to the sweep. */
  offer(tables: readonly TableMutations[]): void {
    try {
      if (!this.#mayAdmit() || !this.#admit(tables)) {
        this.#scan.missed();
      }
    } catch {
      // Their keys fit the table no more: the sweep says so.
      this.#scan.missed();
    }
    this.#wakeup.notify();
  }

  /** Ends `run` once the transactions that are open have ended. */
  stop(): void {
    this.#stop.abort();
    this.#wakeup.notify();
  }

  // — The sweep's side —

  /**
   * Before each sweep: settles what may be at the target, or rejects. Resolves
   * to the schema under which this sweep must run.
   */
  async settle(
    { applied, epoch }: SweepStart,
    signal: AbortSignal,
  ): Promise<SchemaShape> {
    const { schema } = this.#context;
    this.#fence = epoch === null ? null : { schema, epoch };
    this.#advance(applied);
    this.#skipped.clear();
    this.#takeShape();
    if (!this.#isRecovered || this.#doubtful.length > 0) {
      this.#isSettling = true;
      try {
        await this.#settleDoubts(signal);
      } finally {
        this.#isSettling = false;
      }
    }
    // While this waited the catalog may have been read again.
    this.#takeShape();
    if (!this.#isRecovered) {
      return await this.settle({ applied, epoch }, signal);
    }
    this.#wakeup.notify();
    return this.#shape!;
  }

  /** The sweep's applier: claims its rows, and leaves out what is done. */
  behind(applier: Applier): Applier {
    return {
      apply: async (tables, transaction, signal, order) => {
        const claimed = await this.#claims.claimForSweep(
          tables,
          (table) => this.#free.has(table),
          signal,
        );
        this.#noteSkipped(claimed.skippedCount, tables);
        return applier.apply(claimed.tables, transaction, signal, order);
      },
    };
  }

  #noteSkipped(
    count: number,
    tables: readonly { readonly mutations: readonly Mutation[] }[],
  ): void {
    if (count > 0) {
      let newest = zeroTimestamp;
      for (const { time } of tables.flatMap(({ mutations }) => mutations)) {
        newest = time > newest ? time : newest;
      }
      this.#skipped.set(newest, count);
    }
  }

  /** A sweep has committed it. Resolves to what it has really written. */
  committed(batch: Batch): Batch {
    let skippedCount = 0;
    for (const [time, count] of this.#skipped) {
      if (time <= batch.through) {
        skippedCount += count;
        this.#skipped.delete(time);
      }
    }
    this.#advance(batch.through);
    return skippedCount === 0
      ? batch
      : { ...batch, rowCount: Math.max(0, batch.rowCount - skippedCount) };
  }

  /** The target fell back: what is there is to be found out again. */
  startOver(applied: Timestamp): void {
    this.#applied = applied;
    this.#isRecovered = false;
    this.#shape = null;
  }

  #advance(applied: Timestamp): void {
    if (applied > this.#applied) {
      this.#applied = applied;
    }
    this.#claims.passed(applied);
    this.#claims.guard.forgetThrough(applied);
    this.#wakeup.notify();
  }

  #takeShape(): void {
    const shape = this.#context.shape();
    if (shape === this.#shape) {
      return;
    }
    if (this.#shape === null || rekeyedTables(this.#shape, shape).length > 0) {
      // Keys in the guard are no longer those of the rows.
      this.#isRecovered = false;
    }
    this.#shape = shape;
    this.#free = freeTables(shape);
    this.#isWhole.clear();
    this.#forgetWaiting();
  }

  async #settleDoubts(signal: AbortSignal): Promise<void> {
    for (const crossing of this.#crossings) {
      crossing.giveWay();
    }
    await Promise.all([...this.#crossings].map(({ ended }) => ended));
    const { guard } = this.#claims;
    const shape = this.#shape!;
    if (!this.#isRecovered) {
      this.#forgetWaiting();
      this.#doubtful = [];
      const { tables } = this.#ceiling;
      // A sweep of which the end is not known may have written later ones.
      const through = latest(this.#ceiling.through, this.#claims.newestSwept);
      this.#claims.clear();
      if (through > this.#applied) {
        await recoverAhead(
          this.#context,
          guard,
          {
            after: this.#applied,
            through,
            tables,
            shape,
            fence: this.#fence,
          },
          signal,
        );
      }
      this.#isRecovered = true;
    }
    for (const crossing of [...this.#doubtful]) {
      const rows = crossing.rows.map(({ table, mutation }) => ({
        table,
        versions: [mutation],
      }));
      await applyNewest(
        this.#context,
        guard,
        rows,
        { shape, fence: this.#fence },
        signal,
      );
      this.#release(crossing);
      this.#doubtful = this.#doubtful.filter((other) => other !== crossing);
    }
  }

  // — What goes ahead —

  /** Runs until stopped or aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const end = AbortSignal.any([signal, this.#stop.signal]);
    const scanning = this.#runScan(end);
    while (!end.aborted) {
      try {
        await this.#chooseMode();
        while (this.#mayBegin()) {
          await this.#begin(signal);
        }
        const waits = this.#groups.length > 0 || this.#pending.count > 0;
        await this.#wakeup.wait(end, waits ? gatherMs : tickMs);
      } catch (error) {
        if (!end.aborted) {
          this.#standBack(error);
          await this.#wakeup.wait(end, gatherMs).catch(() => {});
        }
      }
    }
    await scanning;
    await Promise.all([...this.#crossings].map(({ ended }) => ended));
  }

  async #runScan(end: AbortSignal): Promise<void> {
    while (!end.aborted) {
      await this.#scan.run(this.#applied, tickMs, end);
    }
  }

  async #chooseMode(): Promise<void> {
    const { store, schema } = this.#context;
    const isOn = await choosesBestEffort(
      this.#parts,
      this.#isOn,
      this.#applied,
      async () => (await store.backlog(schema, this.#applied)).rowCount > 0,
    );
    if (isOn !== this.#isOn) {
      this.#isOn = isOn;
      this.#parts.onSwitch(isOn);
      if (isOn) {
        this.#scan.missed();
      } else {
        this.#forgetWaiting();
      }
    }
  }

  #mayAdmit(): boolean {
    return (
      this.#isOn &&
      this.#isRecovered &&
      !this.#isSettling &&
      this.#context.shape() === this.#shape &&
      performance.now() >= this.#waitsUntilMs
    );
  }

  /** How many keys the guard has room for. */
  #room(): number {
    return (
      this.#parts.maxKeys -
      this.#claims.guard.keyCount -
      this.#claims.aheadCount -
      this.#pending.count
    );
  }

  /** False when a row had to be let be that may go ahead another time. */
  #admit(tables: readonly TableMutations[]): boolean {
    let hasAll = true;
    for (const part of tables) {
      if (!this.#free.has(part.table)) {
        continue;
      }
      const { table, mutations } = alignKeys(part, this.#shape!);
      for (const mutation of mutations) {
        if (
          mutation.movedFrom !== undefined ||
          isTruncation(mutation) ||
          (mutation.after !== null && !this.#carriesAll(table, mutation.after))
        ) {
          continue;
        }
        if (
          this.#room() <= 0 ||
          this.#pending.heldBytes >= this.#context.options.readBudgetBytes
        ) {
          hasAll = false;
        } else if (this.#isNews({ table, mutation })) {
          this.#pending.add({ table, mutation });
        }
      }
    }
    return hasAll;
  }

  #carriesAll(table: string, after: string): boolean {
    let isWhole = this.#isWhole.get(table);
    if (!isWhole) {
      isWhole = wholeRowTest(this.#shape!.tables.get(table)!) as (
        after: string,
      ) => boolean;
      this.#isWhole.set(table, isWhole);
    }
    return isWhole(after);
  }

  #isNews({ table, mutation }: PendingRow): boolean {
    return (
      this.#claims.guard.fresh(table, [mutation], this.#applied).length > 0
    );
  }

  /** It may be claimed now, and there is reason to. */
  #mayGo(row: PendingRow): boolean {
    const { table, mutation } = row;
    return (
      this.#claims.isFree(table, mutation.key) &&
      this.#ceiling.covers(table, mutation.time)
    );
  }

  #mayBegin(): boolean {
    const waitingCount = this.#pending.count + this.#groups.length;
    const { flushSize, parallelism } = this.#context.options;
    return (
      waitingCount > 0 &&
      this.#mayAdmit() &&
      this.#doubtful.length === 0 &&
      this.#crossings.size < parallelism &&
      (this.#groups.length > 0 ||
        this.#pending.count >= flushSize ||
        this.#crossings.size < eagerTransactions ||
        performance.now() - this.#pending.waitsSinceMs >= gatherMs) &&
      (this.#groups.length > 0 ||
        this.#pending.has(({ table, mutation }) =>
          this.#claims.isFree(table, mutation.key),
        ))
    );
  }

  /** Resolves when a transaction has been begun, not when it has ended. */
  async #begin(signal: AbortSignal): Promise<void> {
    if (this.#pending.count > 0) {
      const { tables, newest } = this.#pending;
      await this.#ceiling.cover(tables, newest, signal);
    }
    const cancel = new AbortController();
    const both = AbortSignal.any([signal, cancel.signal]);
    const transaction = await this.#context.target.begin(both);
    // Nothing is awaited between the look at the claims and the claim.
    const rows = this.#mayAdmit() ? this.#take() : [];
    if (rows.length === 0) {
      await transaction[Symbol.asyncDispose]();
      return;
    }
    const crossing = new Crossing(rows, cancel);
    for (const { table, mutation } of rows) {
      this.#claims.claimAhead(table, mutation.key, crossing);
    }
    this.#crossings.add(crossing);
    void this.#cross(crossing, transaction, both);
  }

  #take(): readonly PendingRow[] {
    const group = this.#groups.pop();
    if (group) {
      const going = group.filter(
        (row) => this.#mayGo(row) && this.#isNews(row),
      );
      if (going.length < group.length) {
        this.#scan.missed();
      }
      return going;
    }
    const { flushSize, readBudgetBytes, parallelism } = this.#context.options;
    return this.#pending
      .take(
        { maxRows: flushSize, maxBytes: readBudgetBytes / parallelism },
        (row) => this.#mayGo(row),
      )
      .filter((row) => this.#isNews(row));
  }

  async #cross(
    crossing: Crossing,
    transaction: TargetTransaction,
    signal: AbortSignal,
  ): Promise<void> {
    const startedAtMs = performance.now();
    const batch = batchOf(
      crossing.rows.map(({ table, mutation }) => ({
        table,
        mutations: [mutation],
      })),
    );
    try {
      await using held = transaction;
      await this.#applier.apply(
        tablesInShape(batch.tables, this.#shape!),
        held,
        signal,
      );
      crossing.isCommitting = true;
      await held.commit(this.#fence);
      this.#claims.guard.note(batch.tables);
      this.#failureCount = 0;
      this.#context.observer.batchCommitted(
        batch,
        performance.now() - startedAtMs,
      );
    } catch (error) {
      this.#failed(crossing, error);
    } finally {
      this.#crossings.delete(crossing);
      if (crossing.doubt === null) {
        this.#release(crossing);
      }
      crossing.end();
      this.#wakeup.notify();
    }
  }

  #release({ rows }: Crossing): void {
    for (const { table, mutation } of rows) {
      this.#claims.releaseAhead(table, mutation.key);
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
        this.#pending.add(row);
      }
    } else if (disposition === 'defer' || disposition === 'set-aside') {
      if (rows.length > 1) {
        const middle = Math.ceil(rows.length / 2);
        this.#groups.push(rows.slice(0, middle), rows.slice(middle));
      }
    } else {
      this.#scan.missed();
      this.#standBack(error);
    }
  }

  #standBack(error: unknown): void {
    const { options } = this.#context;
    this.#failureCount += 1;
    this.#waitsUntilMs =
      performance.now() +
      (asReplicatorError(error).disposition === 'halt'
        ? options.quiescentPeriodMs
        : backoffMs(this.#failureCount, options.backoff));
    this.#forgetWaiting();
  }

  /** The log has them. */
  #forgetWaiting(): void {
    if (this.#pending.count > 0 || this.#groups.length > 0) {
      this.#scan.missed();
    }
    this.#pending.clear();
    this.#groups = [];
  }
}

function latest(left: Timestamp, right: Timestamp): Timestamp {
  return left > right ? left : right;
}
