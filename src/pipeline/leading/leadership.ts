import { setTimeout as sleep } from 'node:timers/promises';

import {
  asReplicatorError,
  type ReplicatorError,
} from '../../failure/failure.ts';
import { withinMs } from '../../lib/within-ms.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Lease, Leases } from '../../staging/leases.ts';
import type { AuditedAct } from '../../telemetry/audit.ts';
import { askStaging } from './ask-staging.ts';
import { hasDied } from './holder-name.ts';
import { Term, type TermOptions } from './term.ts';

/** Daemons on one staging store: one leads a target schema, the others stand by. */
export interface Election {
  readonly leases: Leases;
  /** This daemon's name: host, process, and something that no other has. */
  readonly holder: string;
  /** A holder that is silent for so long has lost the lease. */
  readonly leaseMs: number;
}

export const defaultLeaseMs = 5_000;
/** How often a daemon that stands by looks. */
const longestPollMs = 500;

/**
 * Why a lease could be taken: nobody held it; it was left from this process
 * itself; its holder's process has ended; its holder was silent; its holder
 * could not reach the target.
 */
export type TakeoverCause = 'free' | 'own' | 'dead' | 'silent' | 'offered';

export interface LeadershipObserver {
  /** The lease as just read, while another daemon holds it. */
  standsBy(lease: Lease): void;
  /** Staging does not say who leads. */
  cannotLook(error: ReplicatorError): void;
  /**
   * The lease is about to be taken; it is left where this throws. What it
   * returns hears how that went.
   */
  takes(cause: TakeoverCause, from: string): AuditedAct;
  leads(epoch: number, cause: TakeoverCause, from: string): void;
  /** The term goes on under this epoch, above all that the target has seen. */
  raised(epoch: number): void;
  /** `reason`: how the term ended. */
  leadsNoMore(reason: string): void;
  offers(isOffered: boolean): void;
}

interface LeadershipOptions extends Election {
  readonly schema: SchemaName;
  readonly pingTarget: (signal: AbortSignal) => Promise<void>;
  readonly observer: LeadershipObserver;
}

/**
 * The election of one target schema's leader, as one daemon sees it:
 *
 *     stand by ─ the lease is free, or its holder silent or offering ─ take it
 *        ▲                                                               │
 *        └──────────── the term is over, or what it served ended ◄── serve
 */
export class Leadership {
  readonly #options: LeadershipOptions;
  #seen: Lease | null = null;
  /** When `#seen` was first read as it is. */
  #seenSinceMs = 0;
  #leads = false;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  get leads(): boolean {
    return this.#leads;
  }

  /** Who leads, as far as is known here; empty where nobody does. */
  get leader(): string {
    return this.#leads ? this.#options.holder : (this.#seen?.holder ?? '');
  }

  /** Stands by, and serves one term. Rejects as `serve` does, or on abort. */
  async lead(
    signal: AbortSignal,
    serve: (term: Term) => Promise<void>,
  ): Promise<void> {
    const term = await this.#takeLease(signal);
    this.#leads = true;
    try {
      await serve(term);
    } finally {
      this.#leads = false;
      await term.end();
      this.#seenSinceMs = performance.now();
      this.#options.observer.leadsNoMore(
        (term.signal.reason as DOMException).message,
      );
    }
  }

  async #takeLease(signal: AbortSignal): Promise<Term> {
    const { leases, schema, leaseMs, observer } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      try {
        // Cut in the end: else they would pile up while staging is silent.
        const stop = AbortSignal.any([
          signal,
          AbortSignal.timeout(2 * leaseMs),
        ]);
        const lease = await askStaging(leases.read(schema, stop), leaseMs);
        this.#note(lease);
        const cause = await this.#causeToTake(lease, signal);
        const takenAtMs = performance.now();
        const taken = cause && (await this.#take(cause, lease));
        if (cause && taken) {
          this.#note(taken);
          observer.leads(taken.epoch, cause, lease?.holder ?? '');
          const predecessor = cause === 'own' ? '' : (lease?.holder ?? '');
          return this.#termOf(taken, { takenAtMs, predecessor });
        }
        if (lease !== null && cause === null) {
          observer.standsBy(lease);
        }
      } catch (error) {
        signal.throwIfAborted();
        observer.cannotLook(asReplicatorError(error));
      }
      const pollMs = Math.min(longestPollMs, leaseMs / 4);
      // Not all of them at the same moment.
      const waitMs = pollMs * (0.6 + 0.4 * Math.random());
      await sleep(waitMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Null where another daemon was faster. */
  async #take(
    cause: TakeoverCause,
    lease: Lease | null,
  ): Promise<Lease | null> {
    const { leases, schema, holder, leaseMs, observer } = this.#options;
    using act = observer.takes(cause, lease?.holder ?? '');
    const taken = await askStaging(leases.take(schema, holder, lease), leaseMs);
    if (taken !== null) {
      act.done({ epoch: taken.epoch });
    }
    return taken;
  }

  #termOf(
    taken: Lease,
    taking: Pick<TermOptions, 'takenAtMs' | 'predecessor'>,
  ): Term {
    const { leases, schema, holder, leaseMs, pingTarget, observer } =
      this.#options;
    return new Term({
      leases,
      holding: { schema, holder, epoch: taken.epoch },
      leaseMs,
      ...taking,
      pingTarget,
      onRaised: (epoch) => observer.raised(epoch),
      onOffered: (isOffered) => observer.offers(isOffered),
    });
  }

  #note(lease: Lease | null): void {
    const seen = this.#seen;
    if (
      lease?.holder !== seen?.holder ||
      lease?.epoch !== seen?.epoch ||
      lease?.beat !== seen?.beat
    ) {
      this.#seenSinceMs = performance.now();
    }
    this.#seen = lease;
  }

  async #causeToTake(
    lease: Lease | null,
    signal: AbortSignal,
  ): Promise<TakeoverCause | null> {
    const { holder, leaseMs } = this.#options;
    if (lease === null || lease.holder === '') {
      return 'free';
    }
    if (lease.holder === holder) {
      return 'own';
    }
    if (hasDied(lease.holder)) {
      return 'dead';
    }
    if (performance.now() - this.#seenSinceMs >= leaseMs) {
      return 'silent';
    }
    return lease.offered && (await this.#reachesTarget(signal))
      ? 'offered'
      : null;
  }

  async #reachesTarget(signal: AbortSignal): Promise<boolean> {
    const { pingTarget, leaseMs } = this.#options;
    const stop = AbortSignal.any([signal, AbortSignal.timeout(leaseMs / 2)]);
    return await withinMs(pingTarget(stop), leaseMs / 2).then(
      () => true,
      () => false,
    );
  }
}
