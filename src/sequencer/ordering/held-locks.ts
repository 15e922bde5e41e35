import { HeldRows } from './held-rows.ts';
import type { LockSet } from './row-locks.ts';

/**
 * Who holds which locks. A lock that is taken exclusively passes to the one
 * who takes it last: he waits for those before him, and whoever comes then
 * need only wait for him.
 */
export class HeldLocks<Holder> {
  readonly #exclusive = new Map<string, Holder>();
  readonly #shared = new Map<string, Set<Holder>>();
  readonly #rows = new HeldRows<Holder>();

  /** Answers whoever has to end before the locks may be used. */
  take(
    { exclusive, shared, rows }: LockSet,
    holder: Holder,
  ): ReadonlySet<Holder> {
    const blockers = new Set<Holder>();
    this.#rows.take(rows, holder, blockers);
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
    return blockers;
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
