/** Requests whose senders wait for their rows to reach the target. */
import { ReplicatorError } from '../../failure/failure.ts';
import { rowCountOf, type TableMutations } from '../../mutation/mutation.ts';

/** So few rows do not wait for the one transaction that is open. */
const fewRows = 50;
/** The longest that a request waits for others to share a transaction. */
export const gatherMs = 20;

export interface WaitingRequest {
  readonly tables: readonly TableMutations[];
  /** Resolves when the rows are on disk in staging. */
  readonly durable: Promise<void>;
  readonly rowCount: number;
  readonly queuedAtMs: number;
  readonly settle: PromiseWithResolvers<void>;
  /** It was in a batch that failed: now it stands or falls by itself. */
  alone: boolean;
  /** How often its rows that can never go were looked for. */
  searchCount: number;
}

/** A transaction that has not ended. */
export interface OpenBatch {
  readonly rowCount: number;
  /** Its commit has been sent. */
  isCommitting: boolean;
}

/** In the order in which they came; those that failed come first again. */
export class WaitingRequests {
  readonly #flushSize: number;
  #queue: WaitingRequest[] = [];
  /** Whoever comes now, having waited for staging, is refused. */
  #hasEnded = false;

  constructor(flushSize: number) {
    this.#flushSize = flushSize;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Its `settle` tells its end. E3005 where nobody takes it any more. */
  add(
    tables: readonly TableMutations[],
    durable: Promise<void>,
  ): WaitingRequest {
    if (this.#hasEnded) {
      throw new ReplicatorError('E3005');
    }
    const request: WaitingRequest = {
      tables,
      durable,
      rowCount: tables.reduce((sum, part) => sum + rowCountOf(part), 0),
      queuedAtMs: performance.now(),
      settle: Promise.withResolvers<void>(),
      alone: false,
      searchCount: 0,
    };
    this.#queue.push(request);
    return request;
  }

  /** For requests that failed; nobody takes any more of them after the end. */
  addAgain(requests: readonly WaitingRequest[]): void {
    if (this.#hasEnded) {
      refuseAll(requests);
    } else {
      this.#queue.unshift(...requests);
    }
  }

  /** Refuses all that wait, and whoever comes from now on. */
  end(): void {
    this.#hasEnded = true;
    refuseAll(this.#queue.splice(0));
  }

  /**
   * A transaction costs as much as some hundred rows, here and at the target.
   * So beside an open one requests gather until a full one can be made of them
   * or the open one ends. At full load half of the senders then wait while the
   * rows of the others are written: twice 500 rows side by side cost the
   * daemon a tenth more than 800 at a time.
   *
   *     800 rows  begin ─ write ─ commit
   *     800 rows          (gather)  begin ─ write ─ commit
   *
   * While the open one waits for its commit alone the target has nothing else
   * to do. Then as many rows begin as that one has: of fewer, the next ones
   * would be fewer still.
   */
  mayBegin(open: readonly OpenBatch[]): boolean {
    if (this.isEmpty) {
      return false;
    }
    let rowCount = 0;
    for (const waiting of this.#queue) {
      rowCount += waiting.rowCount;
      if (waiting.alone || rowCount >= this.#flushSize) {
        return true;
      }
    }
    // Open ones may wait for locks that are no concern of these rows.
    const waitedMs = performance.now() - this.#queue[0]!.queuedAtMs;
    return (
      open.every((batch) => batch.isCommitting && batch.rowCount <= rowCount) ||
      (open.length === 1 && rowCount <= fewRows) ||
      waitedMs >= gatherMs
    );
  }

  /** As many as fit into one transaction, at least one. */
  take(): WaitingRequest[] {
    let rowCount = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      const fits = rowCount + waiting.rowCount <= this.#flushSize;
      if (count > 0 && (!fits || waiting.alone)) {
        break;
      }
      rowCount += waiting.rowCount;
      count += 1;
      if (waiting.alone) {
        break;
      }
    }
    return this.#queue.splice(0, count);
  }
}

function refuseAll(requests: readonly WaitingRequest[]): void {
  for (const { settle } of requests) {
    settle.reject(new ReplicatorError('E3005'));
  }
}
