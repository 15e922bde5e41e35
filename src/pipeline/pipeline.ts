import { setTimeout as sleep } from 'node:timers/promises';

import type { Logger } from 'pino';

import { asReplicatorError, ReplicatorError } from '../failure/failure.ts';
import { backoffMs } from '../failure/backoff.ts';
import type { TableMutations } from '../mutation/mutation.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import { laterTimestamp, type Timestamp } from '../mutation/timestamp.ts';
import { ConsistentSequencer } from '../sequencer/consistent.ts';
import { ImmediateSequencer } from '../sequencer/immediate/immediate.ts';
import type { RunAhead } from '../sequencer/ahead/run-ahead.ts';
import type {
  ClaimedWatermark,
  SequencerContext,
  SequencerObserver,
} from '../sequencer/sequencer.ts';
import type { Feed, FeedKeyOrders, OrderTrust } from '../source/source.ts';
import type { Checkpoint } from '../staging/staging.ts';
import type { SchemaWatch } from '../target/schema-watch.ts';
import type { SchemaShape } from '../target/target.ts';
import { openAhead, refuseForeignKeys, runBeside } from './chosen-mode.ts';
import {
  claimWatermark,
  refuseForeignWatermark,
} from './leading/claim-watermark.ts';
import type { House } from './house.ts';
import { FeedConflicts } from './feed/feed-conflicts.ts';
import type { FeedMemory } from './feed/feed-memory.ts';
import { followStaging } from './leading/follow-staging.ts';
import { endSessionsOf } from './leading/left-sessions.ts';
import { openLeadership } from './leading/leadership-observer.ts';
import type { Leadership } from './leading/leadership.ts';
import { retireLoop } from './retirement.ts';
import { auditStatus } from './watching/audited-status.ts';
import { pipelineObserver } from './watching/observer.ts';
import { PacedLook } from './paced-look.ts';
import type { Sifted } from './feed/redelivery.ts';
import { RequestsUnderWay } from './feed/requests-under-way.ts';
import { stageRequest } from './feed/stage-rows.ts';
import { watchSetAside } from './watching/set-aside-rows.ts';
import { PipelineStatus } from './watching/status.ts';
import { Tenure } from './leading/tenure.ts';
import type { Term } from './leading/term.ts';

interface Parts {
  readonly schema: SchemaName;
  readonly watch: SchemaWatch;
  readonly memory: FeedMemory;
  readonly checkpoint: Checkpoint;
  /** Of a source of whole transactions that was read into this schema. */
  readonly position: string | null;
}

/**
 * One changefeed joined to one target schema: from the request that was
 * recognised to the watermark behind its commit.
 *
 *     accept ─ drop redeliveries ─ stage ─┬─ (consistent) "yes"
 *                                         └─ (immediate) apply ─ "yes"
 *     resolve ─ stage ─ wake the sequencer
 *     run ─ lead ─ claim the watermark ─ sequence and apply ─ …until aborted
 *     retire ─ what is applied and old enough leaves the log
 */
export class Pipeline implements Feed {
  readonly schema: SchemaName;
  readonly status = new PipelineStatus();
  readonly #house: House;
  readonly #watch: SchemaWatch;
  readonly #logger: Logger;
  #sequencer: ConsistentSequencer | ImmediateSequencer | null = null;
  #ahead: RunAhead | null = null;
  /** Ends what waits; the sequencer ends by its own stop(). */
  readonly #stop = new AbortController();
  /** Resolves when claiming the watermark was tried once, however it ended. */
  readonly #firstClaim = Promise.withResolvers<void>();
  /** Resolves when the watermark is claimed, or never will be. */
  readonly #started = Promise.withResolvers<void>();
  readonly #memory: FeedMemory;
  readonly #conflicts: FeedConflicts;
  readonly #underWay: RequestsUnderWay;
  #retireEnd = new AbortController();
  #retiring: Promise<void> | null = null;
  readonly #look: PacedLook;
  readonly #position: string | null;
  /** Null where this daemon has staging to itself. */
  readonly #leadership: Leadership | null;
  #hasAskedForeign = false;

  constructor(house: House, parts: Parts) {
    this.#house = house;
    this.schema = parts.schema;
    this.#memory = parts.memory;
    this.#position = parts.position;
    this.#watch = parts.watch;
    this.#look = new PacedLook(parts.watch, this.#stop.signal);
    this.#logger = house.logger.child({ schema: parts.schema });
    this.status.mode = house.options.mode;
    auditStatus(this.status, parts.schema, house.audit);
    this.status.applied = parts.checkpoint.applied;
    this.status.resolved = parts.checkpoint.resolved;
    this.#conflicts = new FeedConflicts(parts.schema, this.status, {
      shared: house.store.leases && house.store,
      metrics: house.metrics,
      logger: this.#logger,
    });
    this.#underWay = new RequestsUnderWay(parts.checkpoint.resolved);
    this.#leadership = openLeadership(house, {
      schema: this.schema,
      status: this.status,
      logger: this.#logger,
      onCannotLook: () => {
        this.#firstClaim.resolve();
        this.#started.resolve();
      },
    });
  }

  /** Who applies: the name of a daemon, empty where nobody does; null where it can only be this one. */
  get leader(): string | null {
    return this.#leadership?.leader ?? null;
  }

  get keyOrders(): FeedKeyOrders {
    return this.#memory.keyOrders;
  }

  /** See {@link Feed.confirmOrders}. */
  async confirmOrders(trust: OrderTrust): Promise<boolean> {
    return await this.#memory.confirmOrders(trust);
  }

  shape(): SchemaShape {
    // Every pipeline is opened with a shape (pipelines.ts).
    return this.#watch.current!;
  }

  /** See {@link Feed.refreshShape}. */
  async refreshShape(): Promise<SchemaShape> {
    return await this.#look.look();
  }

  /** See {@link Feed.accept}. */
  async accept(tables: readonly TableMutations[]): Promise<void> {
    this.#refuseOtherSource();
    await this.readyToAccept();
    this.#house.budget.admit();
    using _underWay = this.#underWay.enter(tables);
    const [staged, immediate] = await stageRequest(this.#house, {
      schema: this.schema,
      status: this.status,
      sift: (resolved) => this.#sift(tables, resolved),
      ready: () => this.#immediate(),
    });
    if (staged.length > 0) {
      this.#ahead?.offer(staged);
      await immediate?.accept(staged);
    }
  }

  async #sift(
    tables: readonly TableMutations[],
    resolved: Timestamp,
  ): Promise<Sifted> {
    this.status.resolved = laterTimestamp(this.status.resolved, resolved);
    const local = {
      resolved: laterTimestamp(this.status.resolved, this.#underWay.promised),
      applied: this.#appliedThrough(),
    };
    try {
      return await this.#memory.sift(tables, local);
    } catch (error) {
      this.#conflicts.refused(error);
      throw error;
    }
  }

  /** See {@link Feed.resolve}. */
  async resolve(time: Timestamp): Promise<void> {
    const cameAtMs = performance.now();
    this.#refuseOtherSource();
    await this.#refuseForeignWatermark();
    this.status.lastResolvedAtMs = Date.now();
    await this.#underWay.passed(time);
    const recorded = await this.#house.store.resolve(this.schema, time);
    const { accepted, checkpoint } = recorded;
    this.status.resolved = checkpoint.resolved;
    await this.#conflicts.heard(time, recorded, performance.now() - cameAtMs);
    if (!accepted) {
      this.#house.metrics.checkpoint_proposed_going_backwards_errors_total.inc({
        schema: this.schema,
      });
      this.#logger.warn(
        { resolved: checkpoint.resolved, received: time },
        'a resolved timestamp went backwards and is ignored: the changefeed was restarted, or a second one sends to this schema',
      );
      return;
    }
    await this.#memory.resolved(checkpoint.resolved);
    if (this.#sequencer instanceof ConsistentSequencer) {
      this.#sequencer.wake(checkpoint.resolved);
    } else {
      await this.#sequencer?.resolve(time);
    }
  }

  /** A source of whole transactions has made a step (transaction-feed.ts). */
  advanced({ resolved }: Checkpoint, rowCount: number): void {
    const nowMs = Date.now();
    this.status.lastPostAtMs = nowMs;
    this.status.lastResolvedAtMs = nowMs;
    this.status.stagedRowCount += rowCount;
    this.status.resolved = resolved;
    if (this.#sequencer instanceof ConsistentSequencer) {
      this.#sequencer.wake(resolved);
    }
  }

  /**
   * Resolves when the target has been asked once; rejects while what is
   * staged could be applied by nobody.
   */
  async readyToAccept(): Promise<void> {
    await this.#refuseForeignWatermark();
    // Shared staging is read by whoever has taken over; ours alone by nobody.
    if (
      this.status.state === 'superseded' &&
      this.#house.store.kind === 'sqlite'
    ) {
      throw new ReplicatorError('E4009');
    }
  }

  /** Runs the pipeline until stopped or aborted. Never rejects. */
  async run(abort: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([abort, this.#stop.signal]);
    const following = this.#leadership && this.#follow(signal);
    const watching = this.#watchSetAside(signal);
    while (!signal.aborted && this.status.state !== 'superseded') {
      try {
        await (this.#leadership
          ? this.#leadership.lead(signal, (term) => this.#serve(term, abort))
          : this.#runOnce(abort, signal, null));
      } catch (error) {
        if (!signal.aborted) {
          await this.#failed(asReplicatorError(error), signal);
        }
      }
    }
    this.#firstClaim.resolve();
    this.#started.resolve();
    await this.#endRetiring();
    await following;
    await watching;
  }

  /** One term of leading, from claiming the watermark to its end. */
  async #serve(term: Term, abort: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([abort, term.signal]);
    const signal = AbortSignal.any([ended, this.#stop.signal]);
    this.status.state = 'starting';
    this.status.lastError = null;
    try {
      await endSessionsOf(term.predecessor, this.#house, signal);
      // Its catalog may be old: nobody needed it here until now.
      await this.#watch.refresh().catch(() => {});
      while (!signal.aborted) {
        try {
          await this.#runOnce(ended, signal, term);
        } catch (error) {
          const { code } = asReplicatorError(error);
          // Somebody has claimed late, or the target is an older state of
          // itself: while the lease is ours it is claimed again.
          if (code !== 'E4009' && code !== 'E4017' && code !== 'E2011') {
            throw error;
          }
          this.#sequencer = null;
          if (!signal.aborted && (await term.confirm())) {
            this.#logger.warn({ code }, 'claiming the target schema again');
            const waitMs = this.#house.options.sequencer.backoff.initialMs;
            await sleep(waitMs, undefined, { signal }).catch(() => {});
          }
        }
      }
      this.status.state = 'standby';
      this.status.lastError = null;
    } catch (error) {
      if (!signal.aborted) {
        throw error;
      }
    } finally {
      this.#sequencer = null;
      await this.#endRetiring();
    }
  }

  /** What daemons beside this one do to staging. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { store, budget } = this.#house;
    await followStaging(
      {
        store,
        schema: this.schema,
        budget,
        isRetiring: () => this.#retiring !== null,
        onCheckpoint: async ({ resolved, applied }) => {
          this.status.resolved = resolved;
          await this.#memory.resolved(resolved);
          if (this.#sequencer instanceof ConsistentSequencer) {
            this.#sequencer.wake(resolved);
          } else if (this.#sequencer && resolved > this.#sequencer.applied) {
            await this.#sequencer.resolve(resolved);
          } else if (this.status.state === 'standby') {
            this.status.applied = applied;
            await this.#lookForForeign(signal);
          }
        },
      },
      signal,
    );
  }

  /** Whether the target belongs to other staging: a leader hears it by claiming. */
  async #lookForForeign(signal: AbortSignal): Promise<void> {
    const isForeign = this.status.lastError?.code === 'E4016';
    if (this.#hasAskedForeign && !isForeign) {
      return;
    }
    this.#hasAskedForeign = true;
    try {
      await refuseForeignWatermark(this.#house, this.schema, signal);
      this.status.lastError = null;
    } catch (error) {
      const failure = asReplicatorError(error);
      if (failure.code === 'E4016') {
        this.status.failed(failure, 'standby');
      }
    }
    this.#firstClaim.resolve();
    this.#started.resolve();
  }

  async #endRetiring(): Promise<void> {
    this.#retireEnd.abort();
    await this.#retiring;
    this.#retiring = null;
    this.#retireEnd = new AbortController();
  }

  async #runOnce(
    abort: AbortSignal,
    signal: AbortSignal,
    term: Term | null,
  ): Promise<void> {
    refuseForeignKeys(this.#house.options, this.shape());
    this.#sequencer = await this.#startSequencer(signal, term);
    this.status.state = 'running';
    this.status.lastError = null;
    this.#logger.info(
      { mode: this.#house.options.mode, applied: this.#sequencer.applied },
      'target schema opened',
    );
    this.#started.resolve();
    // Not before the watermark is claimed: a target that was restored may
    // need again what staging believes to be applied.
    this.#retiring ??= this.#retire(
      AbortSignal.any([signal, this.#retireEnd.signal]),
    );
    const ahead = this.#ahead;
    if (signal.aborted) {
      this.#sequencer.stop();
      ahead?.stop();
    }
    try {
      await runBeside(ahead, this.#sequencer, abort);
    } finally {
      this.#ahead = null;
    }
  }

  async #failed(failure: ReplicatorError, signal: AbortSignal): Promise<void> {
    const { sequencer } = this.#house.options;
    this.#firstClaim.resolve();
    this.status.failed(
      failure,
      failure.code === 'E4009' ? 'superseded' : 'halted',
    );
    const { code, cause: err } = failure;
    this.#logger.error({ code, err }, failure.line);
    // A target that has fallen back is claimed again at once.
    const waitMs =
      failure.code === 'E4017'
        ? sequencer.backoff.initialMs
        : sequencer.quiescentPeriodMs;
    await sleep(waitMs, undefined, { signal }).catch(() => {});
  }

  /** Ends `run` after the transactions that are open have ended. */
  stop(): void {
    this.#stop.abort();
    this.#sequencer?.stop();
    this.#ahead?.stop();
  }

  get guardKeyCount(): number {
    return this.#sequencer instanceof ImmediateSequencer
      ? this.#sequencer.guardKeyCount
      : (this.#ahead?.guardKeyCount ?? 0);
  }

  async #retire(signal: AbortSignal): Promise<void> {
    await retireLoop(
      {
        store: this.#house.store,
        schema: this.schema,
        budget: this.#house.budget,
        retireOffsetMs: this.#house.options.retireOffsetMs,
        applied: () => this.#appliedThrough(),
        metrics: this.#house.metrics,
        logger: this.#logger,
      },
      signal,
    );
  }

  async #watchSetAside(signal: AbortSignal): Promise<void> {
    const { target, metrics, options } = this.#house;
    await watchSetAside(
      {
        schema: this.schema,
        target,
        dlqTableName: options.sequencer.dlqTableName,
        status: this.status,
        metrics,
      },
      signal,
    );
  }

  /** Claims the watermark, as often as it takes for the target to answer. */
  async #startSequencer(
    signal: AbortSignal,
    term: Term | null,
  ): Promise<ConsistentSequencer | ImmediateSequencer> {
    const { options } = this.#house;
    const tenure = new Tenure(this.#house, term);
    const observer = pipelineObserver(
      this.schema,
      this.status,
      this.#house.metrics,
      this.#logger,
      options.sequencer.flushSize,
    );
    for (let attempt = 1; ; attempt += 1) {
      try {
        const claimed = await this.#claim(tenure, signal);
        this.#firstClaim.resolve();
        observer.appliedThrough(claimed.applied);
        const context = this.#contextFor(tenure.observer(observer), tenure);
        if (options.mode === 'immediate') {
          return new ImmediateSequencer(context, claimed, options.maxGuardKeys);
        }
        this.#ahead = await openAhead(context, claimed.applied, {
          options,
          status: this.status,
          logger: this.#logger,
        });
        return new ConsistentSequencer(
          { ...context, ahead: this.#ahead },
          claimed,
        );
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ReplicatorError) || tenure.isOver(error)) {
          throw error;
        }
        const halted = error.disposition === 'halt';
        observer.attemptFailed(error, attempt, halted);
        this.#firstClaim.resolve();
        const waitMs = halted
          ? options.sequencer.quiescentPeriodMs
          : backoffMs(attempt, options.sequencer.backoff);
        await sleep(waitMs, undefined, { signal });
      }
    }
  }

  #claim(
    { raiseEpoch }: Tenure,
    signal: AbortSignal,
  ): Promise<ClaimedWatermark> {
    const { store, target } = this.#house;
    const shape = this.shape();
    const logger = this.#logger;
    return claimWatermark({ store, target, shape, logger, raiseEpoch }, signal);
  }

  #contextFor(observer: SequencerObserver, tenure: Tenure): SequencerContext {
    const { target, options } = this.#house;
    return {
      schema: this.schema,
      store: tenure.store,
      target,
      options: options.sequencer,
      observer,
      ...tenure.limits,
      claim: (signal) => this.#claim(tenure, signal),
      shape: () => this.shape(),
      refreshShape: async () => {
        await this.#watch.refresh();
      },
    };
  }

  /**
   * Who applies before a row is acknowledged; null in other modes. Waits for a
   * start that is under way; a target that is down is told.
   */
  async #immediate(): Promise<ImmediateSequencer | null> {
    if (this.#house.options.mode !== 'immediate') {
      return null;
    }
    refuseForeignKeys(this.#house.options, this.shape());
    if (this.#sequencer === null && this.status.complaint === null) {
      await this.#started.promise;
    }
    if (this.#sequencer === null && this.status.state === 'standby') {
      throw new ReplicatorError('E3008');
    }
    if (this.#sequencer instanceof ImmediateSequencer) {
      await this.#sequencer.ready();
      return this.#sequencer;
    }
    throw new ReplicatorError('E3004', {
      detail:
        this.status.complaint ??
        (this.#stop.signal.aborted
          ? 'the daemon is stopping'
          : 'this daemon has just begun to lead it'),
    });
  }

  /**
   * While it is not known where the feed must begin again (E4016) nothing is
   * acknowledged: what was acknowledged could not be asked for any more.
   */
  async #refuseForeignWatermark(): Promise<void> {
    await this.#firstClaim.promise;
    const { lastError } = this.status;
    if (lastError?.code === 'E4016') {
      throw lastError;
    }
  }

  /**
   * Behind a slot's last resolved time there may be the beginning of a
   * transaction whose end was never seen: a changefeed would resolve it.
   */
  #refuseOtherSource(): void {
    if (this.#position !== null) {
      throw new ReplicatorError('E6008', {
        detail: `staging holds what was read from a slot into ${this.schema}: ${this.#position}`,
      });
    }
  }

  #appliedThrough(): Timestamp {
    return this.#sequencer?.applied ?? this.status.applied;
  }
}

export function shapeMemo(schema: SchemaName): string {
  return `shape:${schema}`;
}
