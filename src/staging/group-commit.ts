/**
 * Group commit: calls that are waiting together are committed together, with
 * one transaction and one fsync, and still succeed or fail one by one.
 *
 *     call a ─┐                         ┌─ a resolves
 *     call b ─┼─ (end of the turn) ─ commit([a, b, c]) ─┼─ b resolves
 *     call c ─┘                         └─ c resolves
 *
 * A group that fails is taken apart and its calls are committed one at a
 * time, so that a call that can never work does not take its neighbours with
 * it. Not so when the store as a whole is gone (`isShared`): then all fail.
 */
export interface GroupCommitOptions<Call, Result> {
  /** Commits all or nothing; results in the order of the calls. */
  commit(calls: readonly Call[]): Promise<Result[]> | Result[];
  /** True for a failure that every call of the group would meet alone too. */
  isShared(error: unknown): boolean;
  sizeBytes(call: Call): number;
  /** A group is closed when it has this many bytes; never before one call. */
  readonly groupBytes: number;
  /** Groups under way at once. */
  readonly inFlightGroups: number;
}

export interface GroupCommit<Call, Result> {
  /**
   * Resolves when the call is committed. A call whose signal is aborted
   * before its group starts is not committed; later it is too late.
   */
  submit(call: Call, signal?: AbortSignal): Promise<Result>;
  /** Resolves when nothing is waiting or under way. */
  idle(): Promise<void>;
}

interface Waiting<Call, Result> {
  readonly call: Call;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

export function groupCommit<Call, Result>(
  options: GroupCommitOptions<Call, Result>,
): GroupCommit<Call, Result> {
  let queue: Waiting<Call, Result>[] = [];
  let inFlight = 0;
  let scheduled = false;
  let idleWaiters: (() => void)[] = [];

  /** Cuts the next group off the queue, leaving out aborted calls. */
  function takeGroup(): Waiting<Call, Result>[] {
    const group: Waiting<Call, Result>[] = [];
    let bytes = 0;
    let taken = 0;
    for (const waiting of queue) {
      if (bytes >= options.groupBytes) {
        break;
      }
      taken++;
      if (waiting.signal?.aborted) {
        waiting.reject(waiting.signal.reason);
        continue;
      }
      bytes += options.sizeBytes(waiting.call);
      group.push(waiting);
    }
    queue = taken === queue.length ? [] : queue.slice(taken);
    return group;
  }

  async function commitGroup(group: Waiting<Call, Result>[]): Promise<void> {
    let results: Result[];
    try {
      results = await options.commit(group.map((waiting) => waiting.call));
    } catch (error) {
      if (group.length === 1 || options.isShared(error)) {
        for (const waiting of group) {
          waiting.reject(error);
        }
        return;
      }
      for (const waiting of group) {
        await commitGroup([waiting]);
      }
      return;
    }
    for (const [index, waiting] of group.entries()) {
      waiting.resolve(results[index]!);
    }
  }

  function start(): void {
    scheduled = false;
    while (queue.length > 0 && inFlight < options.inFlightGroups) {
      const group = takeGroup();
      if (group.length === 0) {
        continue;
      }
      inFlight++;
      void commitGroup(group).then(() => {
        inFlight--;
        schedule();
      });
    }
    if (queue.length === 0 && inFlight === 0) {
      const waiters = idleWaiters;
      idleWaiters = [];
      for (const wake of waiters) {
        wake();
      }
    }
  }

  /** At the end of this turn: what arrives until then joins the group. */
  function schedule(): void {
    if (!scheduled) {
      scheduled = true;
      setImmediate(start);
    }
  }

  return {
    submit(call, signal) {
      return new Promise<Result>((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason as Error);
          return;
        }
        queue.push({ call, signal, resolve, reject });
        if (inFlight < options.inFlightGroups) {
          schedule();
        }
      });
    },
    idle() {
      return new Promise<void>((resolve) => {
        idleWaiters.push(resolve);
        schedule();
      });
    },
  };
}
