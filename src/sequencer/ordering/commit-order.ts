/** Commits in the order of `submit`, and none after a failure that counts. */
import { ReplicatorError } from '../../failure/failure.ts';
import { orNullAfterMs } from '../../lib/within-ms.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type { Target, TargetTransaction } from '../../target/target.ts';
import type { Crossing } from './crossing.ts';
import { keptAlive } from './kept-alive.ts';

/** A commit that waits this long for its turn asks what it is waiting for. */
const stallMs = 1_000;

/**
 * So long where nobody can tell, for the target's account may not ask or there
 * is no connection to ask on; then it is taken for a lock.
 */
const unexplainedStallMs = 5_000;

/**
 * What the locks cannot know is a row that the target writes by itself, a
 * counter kept by a trigger: a younger transaction may hold it and wait for
 * the commit of an elder, which waits for the row. No server sees that
 * deadlock. The younger one asks after a second, and gives way (E3007); from
 * then on batches go one after the other. The same where younger ones hold all
 * connections of the target, and the eldest waits for one.
 */
export class CommitOrder {
  readonly #target: Target;
  /** Those on their way, the eldest first. */
  readonly #crossings: ReadonlySet<Crossing>;
  /** One has met an elder at a row that no lock tells of (E3007). */
  #isSerial = false;
  /** Wakes who waits for his turn to commit. */
  readonly #turns = new Set<() => void>();
  #failure: { error: unknown; index: number; through: Timestamp } | null = null;

  constructor(target: Target, crossings: ReadonlySet<Crossing>) {
    this.#target = target;
    this.#crossings = crossings;
  }

  get isSerial(): boolean {
    return this.#isSerial;
  }

  /** One after the other from here on; all who wait for their turn give way. */
  becomeSerial(): void {
    this.#isSerial = true;
    for (const wake of this.#turns) {
      wake();
    }
  }

  /** The end of the batch that failed first; null while none has. */
  get failedThrough(): Timestamp | null {
    return this.#failure?.through ?? null;
  }

  /** Elders of what failed still commit; of several failures the eldest counts. */
  fail(error: unknown, index: number, through: Timestamp): void {
    if (this.#failure === null || index < this.#failure.index) {
      this.#failure = { error, index, through };
    }
  }

  hasFailedBefore(index: number): boolean {
    return this.#failure !== null && this.#failure.index < index;
  }

  throwIfFailedBefore(index: number): void {
    if (this.hasFailedBefore(index)) {
      throw this.#failure!.error;
    }
  }

  throwIfFailed(): void {
    this.throwIfFailedBefore(Number.POSITIVE_INFINITY);
  }

  /**
   * Resolves when every elder has committed. Once one has met an elder (E3007)
   * all who wait give way: whatever they hold, the elders may want it too.
   */
  async turn(
    { index }: Crossing,
    transaction: TargetTransaction,
    lastCommit: Promise<void>,
  ): Promise<void> {
    const news = Promise.withResolvers<void>();
    let isOver = false;
    void lastCommit.then(() => {
      isOver = true;
      news.resolve();
    });
    this.#turns.add(news.resolve);
    using alive = keptAlive(transaction);
    try {
      let eldest: Crossing | undefined;
      let sinceMs = 0;
      for (;;) {
        await orNullAfterMs(news.promise, stallMs);
        this.throwIfFailedBefore(index);
        alive.throwIfLost();
        if (isOver) {
          return;
        }
        const [oldest] = this.#crossings;
        if (oldest !== eldest) {
          eldest = oldest;
          sinceMs = performance.now() - stallMs;
        }
        const waits = this.#isSerial || (eldest && (await this.#waits(eldest)));
        const stalledMs = performance.now() - sinceMs;
        if (waits || (waits === null && stalledMs >= unexplainedStallMs)) {
          throw eldest?.state === 'beginning'
            ? new ReplicatorError('E3007', {
                detail:
                  'younger transactions hold all connections of the target, and the eldest waits for one',
                remedy:
                  'nothing is lost: for some minutes they are applied one after the other; if it comes again, raise --targetMaxPoolSize or lower --parallelism',
              })
            : new ReplicatorError('E3007');
        }
      }
    } finally {
      this.#turns.delete(news.resolve);
    }
  }

  /** Whether an elder waits for what younger ones may hold; null: nobody knows. */
  async #waits({ state, transaction }: Crossing): Promise<boolean | null> {
    if (state === 'beginning' && this.#target.poolCounts().waiting > 0) {
      return null;
    }
    return transaction
      ? await orNullAfterMs(transaction.waitsForLock(), unexplainedStallMs)
      : false;
  }
}
