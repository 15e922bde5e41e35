import { setTimeout as sleep } from 'node:timers/promises';

import type { SchemaWatch } from '../target/schema-watch.ts';
import type { SchemaShape } from '../target/target.ts';

/** A feed that names what is not there must not keep the catalog busy. */
const everyMs = 1_000;

/**
 * Looks at the target's catalog for those who met a name that is not known:
 * at most once a second, and whoever asks before a look begins shares it.
 */
export class PacedLook {
  readonly #watch: SchemaWatch;
  readonly #signal: AbortSignal;
  #begunAtMs = Number.NEGATIVE_INFINITY;
  #awaited: Promise<SchemaShape> | null = null;

  constructor(watch: SchemaWatch, signal: AbortSignal) {
    this.#watch = watch;
    this.#signal = signal;
  }

  async look(): Promise<SchemaShape> {
    this.#awaited ??= this.#lookWhenDue();
    return await this.#awaited;
  }

  async #lookWhenDue(): Promise<SchemaShape> {
    const waitMs = this.#begunAtMs + everyMs - performance.now();
    // Always gives way, for the caller has yet to keep this promise.
    await sleep(Math.max(0, waitMs), undefined, { signal: this.#signal });
    this.#begunAtMs = performance.now();
    this.#awaited = null;
    return await this.#watch.refresh();
  }
}
