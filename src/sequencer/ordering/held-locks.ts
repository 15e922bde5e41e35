import type { LockSet } from './row-locks.ts';

/**
 * Who holds which locks. A lock that is taken exclusively passes to the one
 * who takes it last: he waits for those before him, and whoever comes then
 * need only wait for him.
 */
export class HeldLocks<Holder> {
  readonly #exclusive = new Map<string, Holder>();
  readonly #shared = new Map<string, Set<Holder>>();
  /** By table and key. */
  readonly #rows = new Map<string, Map<string, Holder>>();

  /** Answers whoever has to end before the locks may be used. */
  take(
    { exclusive, shared, rows }: LockSet,
    holder: Holder,
  ): ReadonlySet<Holder> {
    const blockers = new Set<Holder>();
    for (const [table, keys] of rows) {
      let held = this.#rows.get(table);
      if (!held) {
        held = new Map();
        this.#rows.set(table, held);
      }
      takeAll(held, keys, holder, blockers);
    }
    takeAll(this.#exclusive, exclusive, holder, blockers);
    if (this.#shared.size > 0) {
      for (const name of exclusive) {
        for (const sharer of this.#shared.get(name) ?? []) {
          blockers.add(sharer);
        }
        this.#shared.delete(name);
      }
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

  release({ exclusive, shared, rows }: LockSet, holder: Holder): void {
    for (const [table, keys] of rows) {
      const held = this.#rows.get(table);
      if (held) {
        releaseAll(held, keys, holder);
        if (held.size === 0) {
          this.#rows.delete(table);
        }
      }
    }
    releaseAll(this.#exclusive, exclusive, holder);
    for (const name of shared) {
      const sharers = this.#shared.get(name);
      if (sharers?.delete(holder) && sharers.size === 0) {
        this.#shared.delete(name);
      }
    }
  }
}

function takeAll<Holder>(
  held: Map<string, Holder>,
  names: ReadonlySet<string>,
  holder: Holder,
  blockers: Set<Holder>,
): void {
  for (const name of names) {
    const before = held.get(name);
    if (before !== undefined) {
      blockers.add(before);
    }
    held.set(name, holder);
  }
}

function releaseAll<Holder>(
  held: Map<string, Holder>,
  names: ReadonlySet<string>,
  holder: Holder,
): void {
  for (const name of names) {
    if (held.get(name) === holder) {
      held.delete(name);
    }
  }
}
