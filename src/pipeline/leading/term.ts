import { setTimeout as sleep } from 'node:timers/promises';

import { asReplicatorError, ReplicatorError } from '../../failure/failure.ts';
import { withinMs } from '../../lib/within-ms.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type { Holding, Leases } from '../../staging/leases.ts';
import { askStaging } from './ask-staging.ts';

export interface TermOptions {
  readonly leases: Leases;
  readonly holding: Holding;
  readonly leaseMs: number;
  /** Who lost the lease to us without giving it back; empty: nobody did. */
  readonly predecessor: string;
  /** When the statement that took the lease was sent, by performance.now(). */
  readonly takenAtMs: number;
  /** Rejects when the target cannot be reached. */
  readonly pingTarget: (signal: AbortSignal) => Promise<void>;
  readonly onRaised: (epoch: number) => void;
  /** The lease is offered to others, or is so no more. */
  readonly onOffered: (isOffered: boolean) => void;
}

/** Why a term is over that nothing but its own end has ended. */
export const givenBack = 'the lease is given back';

/**
 * One time of leading: the lease is held, renewed, and given back.
 *
 *     held      the beat is raised every third of leaseMs.
 *     offered   the target has not answered for leaseMs: whoever reaches it
 *               may take over. Nothing is committed, and the target is asked
 *               on; when it answers, and nobody has come, it is held again.
 *     over      another daemon has taken the lease; or the last renewal that
 *               worked was sent longer ago than leaseMs, so that another
 *               daemon may have. `signal` aborts. There is no way back.
 *
 * Invariant: while `assertCurrent` does not throw, nobody else can have taken
 * the lease for being silent. What it lets pass just before may still arrive
 * at the target much later, as after a pause of the process: there the epoch
 * is what holds it back.
 */
export class Term {
  readonly #options: TermOptions;
  #holding: Holding;
  #isOffered = false;
  #validUntilMs: number;
  readonly #over = new AbortController();
  readonly #end = new AbortController();
  #expiry: NodeJS.Timeout | undefined;
  /** Settles when the epoch that is being raised is known. */
  #raising: Promise<unknown> = Promise.resolve();
  #lastFailure: ReplicatorError | null = null;
  readonly #keeping: Promise<unknown>;

  constructor(options: TermOptions) {
    this.#options = options;
    this.#holding = options.holding;
    this.#validUntilMs = options.takenAtMs + options.leaseMs;
    this.#armExpiry();
    this.#keeping = Promise.all([this.#keepRenewing(), this.#watchTarget()]);
  }

  /** Aborts when the term is over; its reason says why. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  get predecessor(): string {
    return this.#options.predecessor;
  }

  get epoch(): number {
    return this.#holding.epoch;
  }

  /** Asked right before every commit: throws E2011 where it must not be. */
  assertCurrent(): void {
    if (performance.now() >= this.#validUntilMs) {
      this.#expire();
    }
    if (this.signal.aborted || this.#isOffered) {
      throw new ReplicatorError('E2011');
    }
  }

  /** An epoch above `above` that nobody has had. E2011 when the term is over. */
  async raiseEpoch(above: number): Promise<number> {
    this.#throwIfOver();
    const raised = this.#options.leases.raiseEpoch(this.#holding, above);
    this.#raising = raised.catch(() => {});
    const epoch = await raised;
    if (epoch === null) {
      this.#lose('another daemon has taken the lease');
      throw new ReplicatorError('E2011');
    }
    this.#holding = { ...this.#holding, epoch };
    this.#options.onRaised(epoch);
    return epoch;
  }

  /** See {@link Leases.commitApplied}. E2011 when the term is over. */
  async commitApplied(applied: Timestamp, inTarget: boolean): Promise<void> {
    const isHeld = await this.#asHolder((holding) =>
      this.#options.leases.commitApplied(holding, applied, inTarget),
    );
    if (!isHeld) {
      throw new ReplicatorError('E2011');
    }
  }

  /** Whether the lease is still ours, as staging has it now. */
  async confirm(): Promise<boolean> {
    await this.#renew();
    return !this.signal.aborted;
  }

  /** Gives the lease back, if it is still ours. Never rejects. */
  async end(): Promise<void> {
    this.#end.abort();
    await this.#keeping;
    clearTimeout(this.#expiry);
    if (!this.signal.aborted) {
      this.#lose(givenBack);
      const { leases, leaseMs } = this.#options;
      await withinMs(leases.release(this.#holding), leaseMs).catch(() => {});
    }
  }

  async #keepRenewing(): Promise<void> {
    const { leaseMs } = this.#options;
    while (await this.#pause(leaseMs / 3)) {
      while (!(await this.#renew()) && (await this.#pause(leaseMs / 20))) {
        // Every answer in time counts.
      }
    }
  }

  /** False where staging did not answer. */
  async #renew(): Promise<boolean> {
    const { leases, leaseMs } = this.#options;
    const sentAtMs = performance.now();
    const offered = this.#isOffered;
    try {
      const isHeld = await askStaging(
        this.#asHolder((holding) => leases.renew(holding, offered)),
        leaseMs / 3,
      );
      if (isHeld && !this.signal.aborted) {
        this.#lastFailure = null;
        this.#validUntilMs = Math.max(this.#validUntilMs, sentAtMs + leaseMs);
        this.#armExpiry();
      }
      return true;
    } catch (error) {
      this.#lastFailure = asReplicatorError(error);
      return false;
    }
  }

  /**
   * Runs what only the holder may. A refusal under an epoch that we have left
   * ourselves meanwhile says nothing; any other one ends the term.
   */
  async #asHolder(
    work: (holding: Holding) => Promise<boolean>,
  ): Promise<boolean> {
    for (;;) {
      const holding = this.#holding;
      if (await work(holding)) {
        return true;
      }
      await this.#raising;
      if (holding.epoch === this.epoch) {
        this.#lose('another daemon has taken the lease');
        return false;
      }
    }
  }

  async #watchTarget(): Promise<void> {
    const { leaseMs, onOffered } = this.#options;
    let reachedAtMs = performance.now();
    while (await this.#pause(leaseMs / 3)) {
      if (await this.#reachesTarget()) {
        reachedAtMs = performance.now();
        if (this.#isOffered) {
          await this.#takeBack();
        }
      } else if (
        !this.#isOffered &&
        performance.now() - reachedAtMs > leaseMs
      ) {
        // First nothing is committed any more, then others may.
        this.#isOffered = true;
        onOffered(true);
        await this.#renew();
      }
    }
  }

  async #reachesTarget(): Promise<boolean> {
    const { pingTarget, leaseMs } = this.#options;
    const stop = AbortSignal.any([
      this.#end.signal,
      this.signal,
      AbortSignal.timeout(leaseMs),
    ]);
    return await withinMs(pingTarget(stop), leaseMs).then(
      () => true,
      () => this.#end.signal.aborted,
    );
  }

  async #takeBack(): Promise<void> {
    const { leases, leaseMs, onOffered } = this.#options;
    try {
      const isHeld = await askStaging(
        this.#asHolder((holding) => leases.renew(holding, false)),
        leaseMs / 3,
      );
      if (isHeld) {
        this.#isOffered = false;
        onOffered(false);
      }
    } catch {
      // Asked again with the next answer of the target.
    }
  }

  #armExpiry(): void {
    clearTimeout(this.#expiry);
    this.#expiry = setTimeout(
      () => this.#expire(),
      Math.max(0, this.#validUntilMs - performance.now()),
    );
  }

  #expire(): void {
    const why = this.#lastFailure?.message ?? 'staging did not answer in time';
    this.#lose(`the lease could not be renewed: ${why}`);
  }

  #lose(why: string): void {
    clearTimeout(this.#expiry);
    this.#over.abort(new DOMException(why, 'AbortError'));
  }

  #throwIfOver(): void {
    if (this.signal.aborted) {
      throw new ReplicatorError('E2011');
    }
  }

  /** False when there is nothing to keep any more. */
  async #pause(ms: number): Promise<boolean> {
    const signal = AbortSignal.any([this.#end.signal, this.signal]);
    await sleep(ms, undefined, { signal }).catch(() => {});
    return !signal.aborted;
  }
}
