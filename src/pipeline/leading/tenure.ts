import type {
  SequencerContext,
  SequencerObserver,
} from '../../sequencer/sequencer.ts';
import type { StagingStore } from '../../staging/staging.ts';
import type { ReplicatorError } from '../../failure/failure.ts';
import type { Term } from './term.ts';

/** Rows and resolved timestamps that other daemons stage are followed so soon. */
const sharedPollMs = 50;

/** What the end of a term looks like to whoever works in it. */
const endCodes: readonly string[] = ['E4009', 'E4017', 'E2011'];

/**
 * By what right a sequencer works: within a term, where daemons share staging;
 * else for as long as it lives.
 */
export class Tenure {
  readonly #term: Term | null;
  /** Staging, whose `applied` only the leader moves. */
  readonly store: StagingStore;
  readonly raiseEpoch: ((above: number) => Promise<number>) | undefined;
  /** What the sequencer is told of it. */
  readonly limits: Pick<SequencerContext, 'assertLeading' | 'pollMs'>;

  constructor({ store }: { readonly store: StagingStore }, term: Term | null) {
    this.#term = term;
    this.store =
      term === null
        ? store
        : {
            ...store,
            commitApplied: (_schema, applied, inTarget) =>
              term.commitApplied(applied, inTarget),
          };
    this.raiseEpoch = term ? (above) => term.raiseEpoch(above) : undefined;
    this.limits =
      term === null
        ? {}
        : { assertLeading: () => term.assertCurrent(), pollMs: sharedPollMs };
  }

  /** A failure that is settled with the lease, not by trying again. */
  isOver(failure: ReplicatorError): boolean {
    return this.#term !== null && endCodes.includes(failure.code);
  }

  /** An end of the term is told as that, and not as a failure. */
  observer(observer: SequencerObserver): SequencerObserver {
    return {
      ...observer,
      attemptFailed: (failure, attempt, halted) => {
        if (!this.isOver(failure) || failure.code === 'E4017') {
          observer.attemptFailed(failure, attempt, halted);
        }
      },
    };
  }
}
