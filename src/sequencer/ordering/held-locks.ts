import { HeldRows } from './held-rows.ts';
import type { LockSet } from './row-locks.ts';

export interface Taken<Holder> {
  /** Whoever has to end before the locks may be used. */
  readonly blockers: ReadonlySet<Holder>;
  /** Of the rows taken, those that others have: hashes of their keys by table. */
  readonly sharedRows: ReadonlyMap<string, ReadonlySet<number>>;
}

/**
 * Who holds which locks. A lock that is taken exclusively passes to the one
 * who takes it last: he waits for those before him, and whoever comes then
 * need only wait for him.
 */
export class HeldLocks<Holder> {
  readonly #exclusive = new Map<string, Holder>();
  readonly #shared = new Map<string, Set<Holder>>();
  readonly #rows = new HeldRows<Holder>();

  take({ exclusive, shared, rows }: LockSet, holder: Holder): Taken<Holder> {
    const blockers = new Set<Holder>();
    const sharedRows = this.#rows.take(rows, holder, blockers);
    for (const name of exclusive) {
      const before = this.#exclusive.get(name);
      if (before !== undefined) {
        blockers.add(before);
      }
      for (const sharer of this.#shared.get(name) ?? []) {
        blockers.add(sharer);
      }
      this.#exclusive.set(name, holder);
      this.#shared.delete(name);
    }
    for (const name of shared) {
      const before = this.#exclusive.get(name);
      if (before !== undefined) {
        blockers.add(before);
      }
      const sharers = this.#shared.get(name);
      if (sharers) {
        sharers.add(holder);
      } else {
        this.#shared.set(name, new Set([holder]));
      }
    }
    return { blockers, sharedRows };
  }

  release({ exclusive, shared }: LockSet, holder: Holder): void {
    this.#rows.release(holder);
    for (const name of exclusive) {
      if (this.#exclusive.get(name) === holder) {
        this.#exclusive.delete(name);
      }
    }
    for (const name of shared) {
      const sharers = this.#shared.get(name);
      if (sharers?.delete(holder) && sharers.size === 0) {
        this.#shared.delete(name);
      }
    }
  }
}
