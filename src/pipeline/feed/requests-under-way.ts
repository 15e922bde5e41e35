import { Ring, RingItem } from '../../lib/ring.ts';
import { oldestTimeOf, type TableMutations } from '../../mutation/mutation.ts';
import { laterTimestamp, type Timestamp } from '../../mutation/timestamp.ts';

/**
 * Requests that are on their way into staging, by their oldest row. A resolved
 * timestamp waits for those that it speaks of, so that it is not recorded
 * before their rows are: whoever applies what is resolved would pass them over.
 *
 *     accept 50 ─────────────────► staged
 *     resolve 60 ── promised ── waits ──► recorded ── sweep
 *     accept 55 ── at or below what is promised: the log must know it
 *
 * The rows of one changefeed have arrived before it resolves, so that only
 * one of several, or a request that nobody waits for any more, is ever waited
 * for.
 */
export class RequestsUnderWay {
  readonly #requests = new Ring<RequestUnderWay>();
  #promised: Timestamp;

  constructor(resolved: Timestamp) {
    this.#promised = resolved;
  }

  /** What was resolved, whether it is recorded yet or not. */
  get promised(): Timestamp {
    return this.#promised;
  }

  /** Until it is disposed the request is under way. */
  enter(tables: readonly TableMutations[]): Disposable {
    return new RequestUnderWay(this.#requests, oldestTimeOf(tables));
  }

  /**
   * Resolves when the requests with rows at or before the time have ended.
   * Those that come from now on hear of it by `promised`.
   */
  async passed(time: Timestamp): Promise<void> {
    this.#promised = laterTimestamp(this.#promised, time);
    const waitedFor = Array.from(this.#requests)
      .filter(({ oldest }) => oldest !== null && oldest <= time)
      .map((request) => request.ended());
    await Promise.all(waitedFor);
  }
}

class RequestUnderWay extends RingItem implements Disposable {
  readonly oldest: Timestamp | null;
  readonly #others: Ring<RequestUnderWay>;
  /** Made when somebody first waits. */
  #end: PromiseWithResolvers<void> | null = null;

  constructor(others: Ring<RequestUnderWay>, oldest: Timestamp | null) {
    super();
    this.oldest = oldest;
    this.#others = others;
    others.add(this);
  }

  ended(): Promise<void> {
    this.#end ??= Promise.withResolvers<void>();
    return this.#end.promise;
  }

  [Symbol.dispose](): void {
    this.#others.delete(this);
    this.#end?.resolve();
  }
}
