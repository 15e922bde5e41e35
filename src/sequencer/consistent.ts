import { setTimeout as sleep } from 'node:timers/promises';

import { backoffMs } from '../failure/backoff.ts';
import {
  asReplicatorError,
  isAbort,
  ReplicatorError,
} from '../failure/failure.ts';
import { Wakeup } from '../lib/wakeup.ts';
import type { Batch } from '../mutation/mutation.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import { createApplier } from '../target/applier.ts';
import type { SchemaShape, TargetCheckpoint } from '../target/target.ts';
import { AppliedWatermark } from './applied-watermark.ts';
import { attemptPlan, type Trouble } from './attempt-plan.ts';
import { SettingAside } from './dead-letter/setting-aside.ts';
import { Lookahead } from './reading/lookahead.ts';
import { mayBeMeeting, OrderedApply } from './ordering/ordered-apply.ts';
import { readBatches } from './reading/read-batches.ts';
import type { ClaimedWatermark, SequencerContext } from './sequencer.ts';

/** Where nobody else resolves. */
const defaultPollMs = 1_000;

/**
 * A sweep goes on to what has been resolved meanwhile, so that the target need
 * not wait for it to end and the next one to begin; no longer than this, for a
 * new one looks at letters and schema again.
 */
const longestSweepMs = 2_000;

/** How long more care is taken after batches have met at the target. */
const carefulForMs = 300_000;

/**
 * The consistent mode: a loop of sweeps over the staged log.
 *
 *     sweep     reads (applied, resolved], applies whole source transactions,
 *               commits in source order; each commit moves `applied`.
 *     wait      until a later resolved timestamp is staged.
 *     retry     after a failure: back off, ask the target how far it really
 *               is (a commit whose answer was lost may have happened), sweep
 *               again from there with a more careful plan.
 *     halted    after --maxRetries failures at one place, or one that cannot
 *               pass by itself: as retry, but only every --quiescentPeriod.
 *               The status says why; staging goes on.
 *
 * Invariant: everything at or before `applied` is committed at the target,
 * and nothing after it is, except inside the sweep's open transactions. So a
 * reader of the target only ever sees the source as it was at some instant.
 * Rows that go ahead (run-ahead.ts) are the exception that is asked for.
 */
export class ConsistentSequencer {
  readonly #context: SequencerContext;
  readonly #applied: AppliedWatermark;
  /** As this sequencer left it; null when it cannot be kept in the target. */
  #inTarget: TargetCheckpoint | null;
  /** A claim has failed, and may have raised the epoch at the target all the same. */
  #isClaiming = false;
  readonly #wakeup = new Wakeup();
  /** Where the sweep that has just failed stood; read by #standBack. */
  #failedThrough: Timestamp | null = null;
  /** Each of its batches was one source transaction, or of one row. */
  #isOneTransaction = false;
  #trouble: Trouble | null = null;
  readonly #stop = new AbortController();
  /** After transactions met at a row of the target's own (E3007). */
  #serialUntilMs = 0;
  /** After a batch failed beside elders, for a value that they held. */
  #coarseUntilMs = 0;
  readonly #lookahead: Lookahead;
  readonly #settingAside: SettingAside;

  constructor(context: SequencerContext, claimed: ClaimedWatermark) {
    this.#context = context;
    this.#inTarget = claimed.inTarget;
    this.#settingAside = new SettingAside(context);
    this.#lookahead = new Lookahead(context.options.limitLookahead);
    this.#applied = new AppliedWatermark(
      context,
      claimed.applied,
      claimed.inTarget !== null,
    );
  }

  /** Mutations at or before this are committed: redeliveries of them can go. */
  get applied(): Timestamp {
    return this.#applied.value;
  }

  /** A resolved timestamp has been staged. */
  wake(resolved: Timestamp): void {
    this.#lookahead.add(resolved);
    this.#wakeup.notify();
  }

  /** Ends `run` once the transactions that are open have ended. */
  stop(): void {
    this.#stop.abort();
    this.#wakeup.notify();
  }

  /** Runs until stopped or aborted, or another daemon has taken over (E4009). */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#stop.signal.aborted) {
      try {
        if (this.#trouble) {
          await this.#askTarget(signal);
        }
        if ((await this.#sweep(signal)) === 'idle') {
          await this.#wakeup.wait(
            signal,
            this.#context.pollMs ?? defaultPollMs,
          );
        }
      } catch (error) {
        if (signal.aborted || isAbort(error)) {
          return;
        }
        let failure = asReplicatorError(error);
        if (failure.code === 'E4009') {
          this.#context.observer.attemptFailed(failure, 0, true);
          throw failure;
        }
        try {
          const found = await this.#setAside(failure, signal);
          if (found === null) {
            continue;
          }
          failure = found;
        } catch (trouble) {
          if (signal.aborted || isAbort(trouble)) {
            return;
          }
          failure = asReplicatorError(trouble);
        }
        await this.#standBack(failure, signal);
      }
    }
  }

  /** One pass over what is resolved and not applied. */
  async #sweep(signal: AbortSignal): Promise<'idle' | 'moved'> {
    const { store, schema, target, options, observer } = this.#context;
    const { desk } = this.#settingAside;
    const careful = await this.#settingAside.begin(this.applied, signal);
    // Before the shape: rows that are resolved may need one that came with them.
    const checkpoint = await store.checkpoint(schema, signal);
    const shape =
      (await this.#context.ahead?.settle(
        {
          applied: this.applied,
          epoch: this.#inTarget?.epoch ?? null,
          isSetAside: (table, key) => desk.isSetAside(table, key),
        },
        signal,
      )) ?? this.#context.shape();
    const ahead = this.#context.ahead?.isNeeded ? this.#context.ahead : null;
    let resolved =
      careful?.through ??
      this.#lookahead.endBehind(this.applied, checkpoint.resolved);
    if (resolved <= this.applied) {
      this.#endTrouble();
      return 'idle';
    }
    observer.sweepStarted();
    const plan =
      careful ??
      attemptPlan(this.#trouble, {
        timestampLimit: options.timestampLimit,
        parallelism:
          performance.now() < this.#serialUntilMs ? 1 : options.parallelism,
      });
    this.#isOneTransaction = plan.timestampLimit === 1;
    const applier = createApplier({
      collapse: options.collapseMutations,
      ignoreUnknownColumns: options.ignoreUnknownColumns,
    });
    let hasCommitted = false;
    await using apply = new OrderedApply(
      {
        target,
        applier: ahead
          ? ahead.behind(applier, (inner) => desk.applier(inner))
          : desk.applier(applier),
        order: plan.order,
        shape,
        parallelism: plan.parallelism,
        lockGrain: performance.now() < this.#coarseUntilMs ? 'coarse' : 'fine',
        commitInOrder: true,
        // What goes to the letters, and what went ahead, hangs on commits before.
        mayFollow: () =>
          !ahead && desk.isIdle && plan.order === 'upserts-first',
        moreLocksOf: (tables) => desk.locksOf(tables),
        budgetLength: options.readBudgetBytes,
        // Of a backlog batches are larger (read-batches.ts), but not more is held.
        budgetRows: plan.parallelism * Math.max(options.flushSize, 1_000),
        taskGracePeriodMs: options.taskGracePeriodMs,
        markFor: (through) => {
          this.#context.assertLeading?.();
          return (
            this.#inTarget && {
              schema,
              checkpoint: { ...this.#inTarget, applied: through },
              previous: this.#inTarget.applied,
            }
          );
        },
        onCommitted: (batch, durationMs) => {
          hasCommitted = true;
          this.#inTarget &&= { ...this.#inTarget, applied: batch.through };
          this.#applied.committed(batch.through);
          this.#settingAside.committed(batch);
          observer.batchCommitted(ahead?.committed(batch) ?? batch, durationMs);
        },
        onOpenTransactions: (count) => observer.openTransactions(count),
        onFragment: (rowCount) => observer.writing(rowCount),
        onGaveWay: (error) => this.#gaveWay(error),
      },
      signal,
    );
    const endsAtMs = performance.now() + longestSweepMs;
    const mayGoOn = (): boolean =>
      careful === null &&
      !ahead &&
      // It remembers what lies behind the watermark only.
      options.limitLookahead === 0 &&
      this.#trouble === null &&
      !this.#stop.signal.aborted &&
      performance.now() < endsAtMs;
    let after = this.applied;
    let cutShort = false;
    try {
      for (;;) {
        const batches = readBatches(
          store,
          schema,
          after,
          resolved,
          {
            ...options,
            timestampLimit: plan.timestampLimit,
            scanSize: careful?.scanSize ?? options.scanSize,
            giantOrder: plan.order,
          },
          shape,
          signal,
        );
        cutShort = await this.#submitEach(batches, apply, shape);
        if (cutShort || !mayGoOn()) {
          break;
        }
        const next = (await store.checkpoint(schema, signal)).resolved;
        // What is resolved by now may need the shape of now.
        if (next <= resolved || this.#context.shape() !== shape) {
          break;
        }
        after = resolved;
        resolved = next;
      }
      await apply.drain();
    } catch (error) {
      this.#failedThrough = apply.failedThrough;
      // The next sweep records it again; the failure is the news here.
      await this.#applied.record().catch(() => {});
      throw error;
    }
    await this.#applied.record();
    if (!cutShort) {
      // Between the last row and the resolved timestamp there is nothing.
      if (!hasCommitted) {
        await this.#checkStillOurs(signal);
      }
      await this.#applied.advanceTo(resolved);
    }
    if (this.#isPastTrouble()) {
      this.#endTrouble();
    }
    return 'moved';
  }

  /** True: not all of them, for the rest needs another sweep. */
  async #submitEach(
    batches: AsyncIterable<Batch>,
    apply: OrderedApply,
    shape: SchemaShape,
  ): Promise<boolean> {
    for await (const batch of batches) {
      this.#settingAside.submitting(batch);
      await apply.submit(batch);
      // A changed schema needs other statements and other locks; after
      // trouble has passed the usual plan is the faster one.
      const isCutShort =
        batch.complete &&
        (this.#stop.signal.aborted ||
          this.#context.shape() !== shape ||
          this.#settingAside.isPast(this.applied) ||
          this.#isPastTrouble());
      if (isCutShort) {
        return true;
      }
    }
    return false;
  }

  /**
   * A commit finds out by itself that the watermark was moved by another
   * daemon or fell back. A sweep without rows must ask before it moves on.
   */
  async #checkStillOurs(signal: AbortSignal): Promise<void> {
    if (this.#inTarget === null) {
      return;
    }
    const { target, schema } = this.#context;
    const there = await target.checkpoint(schema, signal);
    if (there === null || there.epoch > this.#inTarget.epoch) {
      throw new ReplicatorError('E4009');
    }
    // An earlier epoch is that of an older state of the target.
    if (
      there.epoch !== this.#inTarget.epoch ||
      there.applied !== this.#inTarget.applied
    ) {
      throw new ReplicatorError('E4017');
    }
  }

  #gaveWay(error: ReplicatorError): void {
    const untilMs = performance.now() + carefulForMs;
    if (error.code === 'E3007') {
      this.#serialUntilMs = untilMs;
    } else if (mayBeMeeting(error)) {
      this.#coarseUntilMs = untilMs;
    }
    this.#context.observer.gaveWay(error);
  }

  #isPastTrouble(): boolean {
    return this.#trouble !== null && this.applied >= this.#trouble.through;
  }

  #endTrouble(): void {
    if (this.#trouble) {
      this.#trouble = null;
      this.#context.observer.recovered();
    }
  }

  /** Null: the next sweep goes on with what was found out of this one. */
  async #setAside(
    failure: ReplicatorError,
    signal: AbortSignal,
  ): Promise<ReplicatorError | null> {
    const trouble = this.#trouble;
    const isSamePlace = trouble !== null && this.applied <= trouble.applied;
    const place = {
      applied: this.applied,
      through: this.#failedThrough,
      failureCount: isSamePlace ? trouble.failureCount + 1 : 1,
      isOneTransaction: this.#isOneTransaction,
    };
    if (await this.#settingAside.handle(failure, place, signal)) {
      this.#failedThrough = null;
      return null;
    }
    return await this.#settingAside.named(failure, place, signal);
  }

  /** Takes note of a failure and waits as long as it deserves. */
  async #standBack(
    failure: ReplicatorError,
    signal: AbortSignal,
  ): Promise<void> {
    const { options, observer } = this.#context;
    const isNewPlace = !this.#trouble || this.applied > this.#trouble.applied;
    const count = isNewPlace ? 1 : this.#trouble!.failureCount + 1;
    this.#trouble = {
      error: failure,
      failureCount: count,
      applied: this.applied,
      through: this.#failedThrough ?? this.#trouble?.through ?? this.applied,
    };
    this.#failedThrough = null;
    if (failure.code === 'E4003') {
      this.#coarseUntilMs = performance.now() + carefulForMs;
    }
    const halted = failure.disposition === 'halt' || count > options.maxRetries;
    observer.attemptFailed(failure, count, halted);
    // What can pass by itself is tried at the usual pace for ever: a target
    // that was down for an hour must not wait for another quiescent period.
    const waitMs =
      halted && failure.disposition !== 'retry'
        ? options.quiescentPeriodMs
        : backoffMs(count, options.backoff);
    await sleep(waitMs, undefined, {
      signal: AbortSignal.any([signal, this.#stop.signal]),
    }).catch(() => {});
    if (failure.disposition !== 'retry' || failure.code === 'E4011') {
      // Whoever mends the cause often does so in the catalog.
      await this.#context.refreshShape().catch(() => {});
    }
  }

  /**
   * After a failure only the target knows how far it is: a commit whose
   * answer was lost may have happened, and a server that took its place may
   * lie behind.
   */
  async #askTarget(signal: AbortSignal): Promise<void> {
    if (this.#inTarget === null) {
      return;
    }
    if (
      !this.#isClaiming &&
      (await this.#isStillOurs(this.#inTarget, signal))
    ) {
      return;
    }
    this.#isClaiming = true;
    const claimed = await this.#context.claim(signal);
    this.#isClaiming = false;
    this.#inTarget = claimed.inTarget;
    this.#applied.fallBackTo(claimed.applied);
    this.#settingAside.desk.forget();
    this.#context.ahead?.startOver(claimed.applied);
  }

  /** Goes on from the target's watermark, unless that has fallen back. */
  async #isStillOurs(
    known: TargetCheckpoint,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { target, schema } = this.#context;
    const there = await target.checkpoint(schema, signal);
    if (there && there.epoch > known.epoch) {
      throw new ReplicatorError('E4009');
    }
    if (there?.epoch !== known.epoch || there.applied < known.applied) {
      return false;
    }
    this.#inTarget = there;
    if (there.applied > this.applied) {
      this.#applied.committed(there.applied);
      await this.#applied.record();
      // What that commit did to the letters was not noted.
      this.#settingAside.desk.forget();
    }
    return true;
  }
}
