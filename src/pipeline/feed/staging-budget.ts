import { ReplicatorError } from '../../failure/failure.ts';
import type { StagingStore } from '../../staging/staging.ts';

/** Above this share of the limit applied entries leave early. */
const pressureRatio = 0.8;

/**
 * Keeps staging within `--stagingMaxBytes`.
 *
 * The size is asked of the store now and then and carried forward by what is
 * appended in between. Beyond `pressureRatio` retirement stops honouring
 * --retireOffset and takes whatever is applied; at the limit requests are
 * refused with 503 until there is room, and the changefeed waits.
 */
export class StagingBudget {
  readonly limitBytes: number;
  readonly #store: StagingStore;
  #liveBytes = 0;

  constructor(store: StagingStore, limitBytes: number) {
    this.#store = store;
    this.limitBytes = limitBytes;
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  get underPressure(): boolean {
    return this.#liveBytes > this.limitBytes * pressureRatio;
  }

  /** Throws E2002 when there is no room for more. */
  admit(): void {
    if (this.#liveBytes >= this.limitBytes) {
      throw new ReplicatorError('E2002');
    }
  }

  appended(byteCount: number): void {
    this.#liveBytes += byteCount;
  }

  async measure(signal?: AbortSignal): Promise<void> {
    this.#liveBytes = (await this.#store.size(undefined, signal)).liveBytes;
  }
}
