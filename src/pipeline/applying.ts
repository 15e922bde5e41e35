import { setTimeout as sleep } from 'node:timers/promises';

import { backoffMs } from '../failure/backoff.ts';
import { asReplicatorError, ReplicatorError } from '../failure/failure.ts';
import type { TableMutations } from '../mutation/mutation.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import type { Timestamp } from '../mutation/timestamp.ts';
import type { RunAhead } from '../sequencer/ahead/run-ahead.ts';
import { ConsistentSequencer } from '../sequencer/consistent.ts';
import { ImmediateSequencer } from '../sequencer/immediate/immediate.ts';
import type {
  ClaimedWatermark,
  SequencerContext,
  SequencerObserver,
} from '../sequencer/sequencer.ts';
import type { SchemaWatch } from '../target/schema-watch.ts';
import type { SchemaShape } from '../target/target.ts';
import type { Logger } from '../telemetry/logger.ts';
import { openAhead, refuseForeignKeys, runBeside } from './chosen-mode.ts';
import type { House } from './house.ts';
import {
  claimWatermark,
  refuseForeignWatermark,
} from './leading/claim-watermark.ts';
import { followStaging } from './leading/follow-staging.ts';
import { openLeadership } from './leading/leadership-observer.ts';
import type { Leadership } from './leading/leadership.ts';
import { endSessionsOf } from './leading/left-sessions.ts';
import { Tenure } from './leading/tenure.ts';
import type { Term } from './leading/term.ts';
import { retireLoop } from './retirement.ts';
import { pipelineObserver } from './watching/observer.ts';
import { watchSetAside } from './watching/set-aside-rows.ts';
import type { PipelineStatus } from './watching/status.ts';

export interface ApplyingParts {
  readonly schema: SchemaName;
  readonly watch: SchemaWatch;
  readonly status: PipelineStatus;
  readonly logger: Logger;
  /** Called when it is seen that another daemon has resolved so far. */
  readonly onResolved: (resolved: Timestamp) => Promise<void>;
}

/**
 * The half of a pipeline behind staging: what is staged reaches the target.
 *
 *     run ─ lead ─ claim the watermark ─ sequence and apply ─ …until aborted
 *     retire ─ what is applied and old enough leaves the log
 */
export class Applying {
  readonly #house: House;
  readonly #schema: SchemaName;
  readonly #status: PipelineStatus;
  readonly #watch: SchemaWatch;
  readonly #logger: Logger;
  readonly #onResolved: ApplyingParts['onResolved'];
  /** Null where this daemon has staging to itself. */
  readonly #leadership: Leadership | null;
  #sequencer: ConsistentSequencer | ImmediateSequencer | null = null;
  #ahead: RunAhead | null = null;
  /** Ends what waits; the sequencer ends by its own stop(). */
  readonly #stop = new AbortController();
  /** Resolves when claiming the watermark was tried once, however it ended. */
  readonly #firstClaim = Promise.withResolvers<void>();
  /** Resolves when the watermark is claimed, or never will be. */
  readonly #started = Promise.withResolvers<void>();
  #retireEnd = new AbortController();
  #retiring: Promise<void> | null = null;
  #hasAskedForeign = false;

  constructor(house: House, parts: ApplyingParts) {
    this.#house = house;
    this.#schema = parts.schema;
    this.#status = parts.status;
    this.#watch = parts.watch;
    this.#logger = parts.logger;
    this.#onResolved = parts.onResolved;
    this.#leadership = openLeadership(house, {
      schema: parts.schema,
      status: parts.status,
      logger: parts.logger,
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

  get appliedThrough(): Timestamp {
    return this.#sequencer?.applied ?? this.#status.applied;
  }

  get guardKeyCount(): number {
    return this.#sequencer instanceof ImmediateSequencer
      ? this.#sequencer.guardKeyCount
      : (this.#ahead?.guardKeyCount ?? 0);
  }

  /** Aborts when the pipeline is told to stop. */
  get stopSignal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Resolves when the target has been asked once. While it is not known where the feed must begin again (E4016) nothing is
   * acknowledged: what was acknowledged could not be asked for any more.
   */
  async refuseForeignWatermark(): Promise<void> {
    await this.#firstClaim.promise;
    const { lastError } = this.#status;
    if (lastError?.code === 'E4016') {
      throw lastError;
    }
  }

  /** Rows that were just staged, for whoever applies before they are resolved. */
  offer(staged: readonly TableMutations[]): void {
    this.#ahead?.offer(staged);
  }

  /**
   * The source has resolved `time`, and staging has recorded that, or more. In
   * immediate mode it resolves when all before that is applied.
   */
  async resolved(time: Timestamp, recorded: Timestamp): Promise<void> {
    this.wake(recorded);
    if (this.#sequencer instanceof ImmediateSequencer) {
      await this.#sequencer.resolve(time);
    }
  }

  /** There is more to apply, where a mode waits for that. */
  wake(through: Timestamp): void {
    if (this.#sequencer instanceof ConsistentSequencer) {
      this.#sequencer.wake(through);
    }
  }

  /**
   * Who applies before a row is acknowledged; null in other modes. Waits for a
   * start that is under way; a target that is down is told.
   */
  async immediate(): Promise<ImmediateSequencer | null> {
    if (this.#house.options.mode !== 'immediate') {
      return null;
    }
    refuseForeignKeys(this.#house.options, this.#shape());
    if (this.#sequencer === null && this.#status.complaint === null) {
      await this.#started.promise;
    }
    if (this.#sequencer === null && this.#status.state === 'standby') {
      throw new ReplicatorError('E3008');
    }
    if (this.#sequencer instanceof ImmediateSequencer) {
      await this.#sequencer.ready();
      return this.#sequencer;
    }
    throw new ReplicatorError('E3004', {
      detail:
        this.#status.complaint ??
        (this.#stop.signal.aborted
          ? 'the daemon is stopping'
          : 'this daemon has just begun to lead it'),
    });
  }

  /** Runs until stopped or aborted. Never rejects. */
  async run(abort: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([abort, this.#stop.signal]);
    const following = this.#leadership && this.#follow(signal);
    const watching = this.#watchSetAside(signal);
    while (!signal.aborted && this.#status.state !== 'superseded') {
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
    this.#status.state = 'starting';
    this.#status.lastError = null;
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
      this.#status.state = 'standby';
      this.#status.lastError = null;
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
        schema: this.#schema,
        budget,
        isRetiring: () => this.#retiring !== null,
        onCheckpoint: async ({ resolved, applied }) => {
          this.#status.resolved = resolved;
          await this.#onResolved(resolved);
          if (this.#sequencer instanceof ConsistentSequencer) {
            this.#sequencer.wake(resolved);
          } else if (this.#sequencer && resolved > this.#sequencer.applied) {
            await this.#sequencer.resolve(resolved);
          } else if (this.#status.state === 'standby') {
            this.#status.applied = applied;
            await this.#lookForForeign(signal);
          }
        },
      },
      signal,
    );
  }

  /** Whether the target belongs to other staging: a leader hears it by claiming. */
  async #lookForForeign(signal: AbortSignal): Promise<void> {
    const isForeign = this.#status.lastError?.code === 'E4016';
    if (this.#hasAskedForeign && !isForeign) {
      return;
    }
    this.#hasAskedForeign = true;
    try {
      await refuseForeignWatermark(this.#house, this.#schema, signal);
      this.#status.lastError = null;
    } catch (error) {
      const failure = asReplicatorError(error);
      if (failure.code === 'E4016') {
        this.#status.failed(failure, 'standby');
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
    refuseForeignKeys(this.#house.options, this.#shape());
    this.#sequencer = await this.#startSequencer(signal, term);
    this.#status.state = 'running';
    this.#status.lastError = null;
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
    this.#status.failed(
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

  async #retire(signal: AbortSignal): Promise<void> {
    await retireLoop(
      {
        store: this.#house.store,
        schema: this.#schema,
        budget: this.#house.budget,
        retireOffsetMs: this.#house.options.retireOffsetMs,
        applied: () => this.appliedThrough,
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
        schema: this.#schema,
        target,
        dlqTableName: options.sequencer.dlqTableName,
        status: this.#status,
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
      this.#schema,
      this.#status,
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
          status: this.#status,
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
    const shape = this.#shape();
    const logger = this.#logger;
    return claimWatermark({ store, target, shape, logger, raiseEpoch }, signal);
  }

  #contextFor(observer: SequencerObserver, tenure: Tenure): SequencerContext {
    const { target, options } = this.#house;
    return {
      schema: this.#schema,
      store: tenure.store,
      target,
      options: options.sequencer,
      observer,
      ...tenure.limits,
      claim: (signal) => this.#claim(tenure, signal),
      shape: () => this.#shape(),
      refreshShape: async () => {
        await this.#watch.refresh();
      },
    };
  }

  #shape(): SchemaShape {
    // Every pipeline is opened with a shape (pipelines.ts).
    return this.#watch.current!;
  }
}
