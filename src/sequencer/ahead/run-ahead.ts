import { Wakeup } from '../../lib/wakeup.ts';
import {
  type Batch,
  isTruncation,
  type JsonText,
  type Mutation,
  type TableMutations,
} from '../../mutation/mutation.ts';
import { type Timestamp, zeroTimestamp } from '../../mutation/timestamp.ts';
import { wholeRowTest } from '../../target/row-shape.ts';
import type { Applier, EpochFence, SchemaShape } from '../../target/target.ts';
import { AheadCeiling } from './ahead-ceiling.ts';
import { AheadClaims } from './ahead-claims.ts';
import { AheadCrossings, gatherMs } from './ahead-crossings.ts';
import { AheadPending, type PendingRow } from './ahead-pending.ts';
import { type AheadTerms, recoverAhead } from './ahead-recovery.ts';
import { AheadScan } from './ahead-scan.ts';
import { freeTables, rekeyedTables } from './free-tables.ts';
import { alignKeys } from '../reading/key-alignment.ts';
import { nameInShape } from '../reading/shape-names.ts';
import { type BestEffortOptions, choosesBestEffort } from './mode-switch.ts';
import type { SequencerContext } from '../sequencer.ts';

/** How often the mode is chosen, and the log looked at. */
const tickMs = 500;
/** Between two looks whether anything waits in staging. */
const backlogPauseMs = 100;

export interface RunAheadParts extends BestEffortOptions {
  /** Rows go ahead from now on, or no longer. */
  onSwitch(isOn: boolean): void;
}

/** Where a sweep begins. */
export interface SweepStart {
  readonly applied: Timestamp;
  /** Ours at the target; null where it keeps none. */
  readonly epoch: number | null;
  /** Rows with dead letters wait for the sweep, which knows what to do. */
  readonly isSetAside: (table: string, key: JsonText) => boolean;
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
  readonly #claims = new AheadClaims((table) =>
    nameInShape(table, this.#shape ?? this.#context.shape()),
  );
  readonly #pending = new AheadPending();
  readonly #crossings: AheadCrossings;
  readonly #scan: AheadScan;
  readonly #wakeup = new Wakeup();
  readonly #stop = new AbortController();
  /** As the last sweep began with it; nothing goes ahead under another one. */
  #shape: SchemaShape | null = null;
  #free: ReadonlySet<string> = new Set();
  #isWhole = new Map<string, (after: JsonText) => boolean>();
  #applied: Timestamp;
  /** What every commit is held to, so that it is nobody else's turn. */
  #fence: EpochFence | null = null;
  #isSetAside: SweepStart['isSetAside'] = () => false;
  #isOn = false;
  #isRecovered = false;
  #isSettling = false;
  #backlogDueAtMs = 0;
  /** Until the watermark has passed it rows may be at the target unknown to the guard. */
  #unknownThrough = zeroTimestamp;
  /** What a recovery must reach, though it fails and is begun again. */
  #recoverThrough = zeroTimestamp;
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
    this.#crossings = new AheadCrossings(context, {
      claims: this.#claims,
      ceiling,
      pending: this.#pending,
      terms: () => (this.#mayAdmit() ? this.#terms() : null),
      isNews: (row) => this.#isNews(row),
      missed: () => this.#scan.missed(),
      wake: () => this.#wakeup.notify(),
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

  /**
   * Whether a sweep that has been settled must go `behind` it. No longer where
   * rows went ahead once and the watermark has passed them; again when the
   * target falls back.
   */
  get isNeeded(): boolean {
    return (
      this.#parts.only ||
      this.#parts.windowMs > 0 ||
      this.#applied < this.#ceiling.through
    );
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
  async settle(start: SweepStart, signal: AbortSignal): Promise<SchemaShape> {
    const { applied, epoch, isSetAside } = start;
    const { schema } = this.#context;
    this.#fence = epoch === null ? null : { schema, epoch };
    this.#isSetAside = isSetAside;
    this.#advance(applied);
    this.#skipped.clear();
    this.#takeShape();
    if (!this.#isRecovered || this.#crossings.isInDoubt) {
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
      return await this.settle(start, signal);
    }
    this.#wakeup.notify();
    return this.#shape!;
  }

  /**
   * The sweep's applier: claims its rows, then has `wrap` see all of them, and
   * leaves out what is done before `inner` writes the rest.
   */
  behind(
    inner: Applier,
    wrap: (skipping: Applier) => Applier = (skipping) => skipping,
  ): Applier {
    const skipping: Applier = {
      apply: async (tables, ...rest) => {
        const { fresh, skippedCount } = this.#claims.withoutDone(tables);
        this.#noteSkipped(skippedCount, tables);
        return inner.apply(fresh, ...rest);
      },
    };
    const wrapped = wrap(skipping);
    return {
      apply: async (tables, transaction, signal, order) => {
        const isFree = (table: string): boolean => this.#free.has(table);
        await this.#claims.claimForSweep(tables, isFree, signal);
        return wrapped.apply(tables, transaction, signal, order);
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
    const free = freeTables(shape);
    if (
      this.#ceiling.through > this.#applied &&
      [...free].some(
        (table) => !this.#free.has(table) && this.#ceiling.tables.has(table),
      )
    ) {
      // Behind immediate mode its rows may be at the target already.
      this.#isRecovered = false;
    }
    this.#shape = shape;
    this.#free = free;
    this.#isWhole.clear();
    this.#crossings.forgetWaiting();
  }

  async #settleDoubts(signal: AbortSignal): Promise<void> {
    await this.#crossings.giveWay();
    if (!this.#isRecovered) {
      await this.#recover(signal);
    }
    await this.#crossings.settleDoubts(this.#terms(), signal);
  }

  async #recover(signal: AbortSignal): Promise<void> {
    this.#crossings.forgetWaiting();
    this.#crossings.forgetDoubts();
    // A sweep of which the end is not known may have written later ones.
    this.#recoverThrough = latest(
      this.#recoverThrough,
      latest(this.#ceiling.through, this.#claims.newestSwept),
    );
    this.#claims.clear();
    if (this.#recoverThrough > this.#applied) {
      this.#unknownThrough = await recoverAhead(
        this.#context,
        this.#claims.guard,
        {
          ...this.#terms(),
          after: this.#applied,
          through: this.#recoverThrough,
          // Others have an order to keep.
          tables: this.#ceiling.tables.intersection(this.#free),
          maxKeys: this.#parts.maxRecoveredKeys ?? Number.POSITIVE_INFINITY,
          isSetAside: this.#isSetAside,
        },
        signal,
      );
    }
    this.#recoverThrough = zeroTimestamp;
    this.#isRecovered = true;
  }

  #terms(): AheadTerms {
    return { shape: this.#shape!, fence: this.#fence };
  }

  // — What goes ahead —

  /** Runs until stopped or aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const end = AbortSignal.any([signal, this.#stop.signal]);
    const scanning = this.#runScan(end);
    while (!end.aborted) {
      try {
        await this.#chooseMode();
        while (!end.aborted && this.#crossings.mayBegin()) {
          await this.#crossings.begin(signal);
        }
        const waitMs = this.#crossings.isWaiting ? gatherMs : tickMs;
        await this.#wakeup.wait(end, waitMs);
      } catch (error) {
        if (!end.aborted) {
          this.#crossings.standBack(error);
          await this.#wakeup.wait(end, gatherMs).catch(() => {});
        }
      }
    }
    await scanning;
    await this.#crossings.drain();
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
      async () => {
        if (performance.now() < this.#backlogDueAtMs) {
          return false;
        }
        this.#backlogDueAtMs = performance.now() + backlogPauseMs;
        return (await store.backlog(schema, this.#applied)).rowCount > 0;
      },
    );
    if (isOn !== this.#isOn) {
      this.#isOn = isOn;
      this.#parts.onSwitch(isOn);
      if (isOn) {
        this.#scan.missed();
      } else {
        this.#crossings.forgetWaiting();
      }
    }
  }

  #mayAdmit(): boolean {
    return (
      this.#isOn &&
      this.#isRecovered &&
      !this.#isSettling &&
      this.#applied >= this.#unknownThrough &&
      this.#context.shape() === this.#shape &&
      !this.#crossings.standsBack
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

  #carriesAll(table: string, after: JsonText): boolean {
    let isWhole = this.#isWhole.get(table);
    if (!isWhole) {
      isWhole = wholeRowTest(this.#shape!.tables.get(table)!);
      this.#isWhole.set(table, isWhole);
    }
    return isWhole(after);
  }

  #isNews({ table, mutation }: PendingRow): boolean {
    return (
      !this.#isSetAside(table, mutation.key) &&
      this.#claims.guard.fresh(table, [mutation], this.#applied).length > 0
    );
  }
}

function latest(left: Timestamp, right: Timestamp): Timestamp {
  return left > right ? left : right;
}
