import { detachedText } from '../../lib/detached-text.ts';
import {
  type JsonText,
  type Mutation,
  rowBytes,
} from '../../mutation/mutation.ts';
import { byVersion } from '../../mutation/row-version.ts';
import { type Timestamp, zeroTimestamp } from '../../mutation/timestamp.ts';

export interface PendingRow {
  readonly table: string;
  readonly mutation: Mutation;
}

export interface PendingLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
}

/**
 * Rows that wait to go ahead: the newest version of each, in the order in
 * which the rows first came. Whole rows and deletes only, so that a newer
 * version makes the one before it needless. None holds the request it came
 * in, most of which may be rows of tables that do not go ahead.
 */
export class AheadPending {
  readonly #tables = new Map<string, Map<JsonText, Mutation>>();
  #count = 0;
  #heldBytes = 0;
  #newest: Timestamp = zeroTimestamp;
  #waitsSinceMs = 0;

  get count(): number {
    return this.#count;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get tables(): string[] {
    return [...this.#tables.keys()];
  }

  /** No row that waits is later. */
  get newest(): Timestamp {
    return this.#newest;
  }

  /** Since when there are any, by performance.now(). */
  get waitsSinceMs(): number {
    return this.#waitsSinceMs;
  }

  add({ table, mutation }: PendingRow): void {
    const rows = this.#tables.get(table) ?? new Map<JsonText, Mutation>();
    this.#tables.set(table, rows);
    const known = rows.get(mutation.key);
    if (known && byVersion(known, mutation) >= 0) {
      return;
    }
    if (this.#count === 0) {
      this.#waitsSinceMs = performance.now();
    }
    if (known) {
      this.#heldBytes -= rowBytes(known);
    } else {
      this.#count += 1;
    }
    this.#heldBytes += rowBytes(mutation);
    const held = detached(mutation);
    rows.set(held.key, held);
    if (mutation.time > this.#newest) {
      this.#newest = held.time;
    }
  }

  has(test: (row: PendingRow) => boolean): boolean {
    for (const [table, rows] of this.#tables) {
      for (const mutation of rows.values()) {
        if (test({ table, mutation })) {
          return true;
        }
      }
    }
    return false;
  }

  /** Takes those that pass the test, one row at least where there is one. */
  take(
    { maxRows, maxBytes }: PendingLimits,
    test: (row: PendingRow) => boolean,
  ): PendingRow[] {
    const taken: PendingRow[] = [];
    let takenBytes = 0;
    for (const [table, rows] of this.#tables) {
      for (const mutation of rows.values()) {
        if (taken.length >= maxRows || takenBytes >= maxBytes) {
          return taken;
        }
        const row = { table, mutation };
        if (test(row)) {
          this.#remove(rows, mutation);
          taken.push(row);
          takenBytes += rowBytes(mutation);
        }
      }
      if (rows.size === 0) {
        this.#tables.delete(table);
      }
    }
    return taken;
  }

  clear(): void {
    this.#tables.clear();
    this.#count = 0;
    this.#heldBytes = 0;
    this.#newest = zeroTimestamp;
  }

  #remove(rows: Map<JsonText, Mutation>, mutation: Mutation): void {
    rows.delete(mutation.key);
    this.#count -= 1;
    this.#heldBytes -= rowBytes(mutation);
    if (this.#count === 0) {
      this.#newest = zeroTimestamp;
    }
  }
}

function detached(mutation: Mutation): Mutation {
  const { time, key, after, before, cameAt } = mutation;
  return {
    ...mutation,
    time: detachedText(time),
    key: detachedText(key),
    after: after && detachedText(after),
    before: before && detachedText(before),
    ...(cameAt !== undefined && { cameAt: detachedText(cameAt) }),
  };
}
