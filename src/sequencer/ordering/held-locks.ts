import type { LockSet } from './row-locks.ts';

/**
 * Who holds which locks. A lock that is taken exclusively passes to the one
 * who takes it last: he waits for those before him, and whoever comes then
 * need only wait for him.
 */
export class HeldLocks<Holder> {
  readonly #exclusive = new Map<string, Holder>();
  readonly #shared = new Map<string, Set<Holder>>();

  /** Whoever has to end before the locks may be used. */
  blockers({ exclusive, shared }: LockSet): ReadonlySet<Holder> {
    const blockers = new Set<Holder>();
    for (const name of exclusive) {
      const holder = this.#exclusive.get(name);
      if (holder !== undefined) {
        blockers.add(holder);
      }
      for (const sharer of this.#shared.get(name) ?? []) {
        blockers.add(sharer);
      }
    }
    for (const name of shared) {
      const holder = this.#exclusive.get(name);
      if (holder !== undefined) {
        blockers.add(holder);
      }
    }
    return blockers;
  }

  take({ exclusive, shared }: LockSet, holder: Holder): void {
    for (const name of exclusive) {
      this.#exclusive.set(name, holder);
      this.#shared.delete(name);
    }
    for (const name of shared) {
      const sharers = this.#shared.get(name);
      if (sharers) {
        sharers.add(holder);
      } else {
        this.#shared.set(name, new Set([holder]));
      }
    }
  }

  release({ exclusive, shared }: LockSet, holder: Holder): void {
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
