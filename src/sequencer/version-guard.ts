import { detachedText } from '../lib/detached-text.ts';
import type { Mutation, TableMutations } from '../mutation/mutation.ts';
import { versionOf } from '../mutation/row-version.ts';
import { timeBucket, type Timestamp } from '../mutation/timestamp.ts';

/** The newest versions of one table's rows (mutation/row-version.ts). */
interface TableVersions {
  readonly newest: Map<string, Timestamp>;
  /** Keys by the second of their version: what to forget, in time order. */
  readonly buckets: Map<string, string[]>;
  /** Keys of which it is not known whether the newest version is there. */
  readonly uncertain: Set<string>;
}

/**
 * Remembers the newest version of each row that reached the target since the
 * resolved timestamp, so that immediate mode never lets an older version
 * overwrite a newer one when a changefeed restarts and sends again what it
 * sent before (1, 2, 3, then 2, 3, 4).
 *
 * At or below the resolved timestamp the watermark alone decides, so the
 * guard forgets those rows. Without resolved timestamps it can only forget
 * the oldest when it is full; `forgottenCount` then says that the promise
 * holds for the newest `maxKeys` rows only.
 */
export class VersionGuard {
  readonly #maxKeys: number;
  readonly #tables = new Map<string, TableVersions>();
  #keyCount = 0;
  forgottenCount = 0;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get keyCount(): number {
    return this.#keyCount;
  }

  /** The mutations that are newer than what has reached the target. */
  fresh(
    table: string,
    mutations: readonly Mutation[],
    watermark: Timestamp,
  ): readonly Mutation[] {
    const { newest, uncertain } = this.#tables.get(table) ?? {};
    const isFresh = (mutation: Mutation): boolean => {
      const { key, time } = mutation;
      const known = newest?.get(key);
      const version = versionOf(mutation);
      return (
        time > watermark &&
        (known === undefined ||
          known < version ||
          (known === version && uncertain!.has(key)))
      );
    };
    // Nearly always all are: then nothing is copied.
    return mutations.every(isFresh) ? mutations : mutations.filter(isFresh);
  }

  /** True when a later version of the row has been noted. */
  knowsLater(table: string, mutation: Mutation): boolean {
    const known = this.#tables.get(table)?.newest.get(mutation.key);
    return known !== undefined && known > versionOf(mutation);
  }

  /** Notes versions that have reached (or, at recovery, are to reach) the target. */
  note(tables: readonly TableMutations[]): void {
    if (this.#maxKeys === 0) {
      return;
    }
    for (const { table, mutations } of tables) {
      const { newest, uncertain } = this.#versionsOf(table);
      for (const mutation of uncertain.size > 0 ? mutations : []) {
        if (newest.get(mutation.key)! <= versionOf(mutation)) {
          uncertain.delete(mutation.key);
        }
      }
    }
    this.#note(tables);
  }

  #note(tables: readonly TableMutations[]): void {
    for (const { table, mutations } of tables) {
      const { newest, buckets } = this.#versionsOf(table);
      const keyCountBefore = newest.size;
      for (const mutation of mutations) {
        const { key } = mutation;
        const known = newest.get(key);
        const version = versionOf(mutation);
        if (known === undefined || known < version) {
          const name = timeBucket(version);
          const ownKey = detachedText<string>(key);
          newest.set(ownKey, detachedText(version));
          // Once for each second: a hot row must not fill its bucket.
          if (known === undefined || timeBucket(known) !== name) {
            const bucket = buckets.get(name);
            if (bucket) {
              bucket.push(ownKey);
            } else {
              buckets.set(name, [ownKey]);
            }
          }
        }
      }
      this.#keyCount += newest.size - keyCountBefore;
    }
    if (this.#keyCount > this.#maxKeys) {
      this.#forgetOldest();
    }
  }

  /**
   * Notes versions whose commit may have happened, for its answer was lost:
   * they are tried again when they come again, and older ones are left out.
   */
  noteUncertain(tables: readonly TableMutations[]): void {
    if (this.#maxKeys === 0) {
      return;
    }
    for (const { table, mutations } of tables) {
      const { newest, uncertain } = this.#versionsOf(table);
      for (const mutation of mutations) {
        const known = newest.get(mutation.key);
        if (known === undefined || known < versionOf(mutation)) {
          uncertain.add(detachedText<string>(mutation.key));
        }
      }
    }
    this.#note(tables);
  }

  /** Forgets a row, so that whatever version comes is tried. */
  forget(table: string, { key }: Mutation): void {
    const versions = this.#tables.get(table);
    versions?.uncertain.delete(key);
    if (versions?.newest.delete(key)) {
      this.#keyCount -= 1;
    }
  }

  /** Forgets a table, whose keys are written in another way from now on. */
  forgetTable(table: string): void {
    this.#keyCount -= this.#tables.get(table)?.newest.size ?? 0;
    this.#tables.delete(table);
  }

  clear(): void {
    this.#tables.clear();
    this.#keyCount = 0;
  }

  /** Everything at or before the time is below the watermark now. */
  forgetThrough(time: Timestamp): void {
    const limit = timeBucket(time);
    for (const versions of this.#tables.values()) {
      for (const bucket of versions.buckets.keys()) {
        if (bucket <= limit) {
          this.#forgetBucket(versions, bucket, time);
        }
      }
    }
  }

  #versionsOf(table: string): TableVersions {
    let versions = this.#tables.get(table);
    if (!versions) {
      versions = {
        newest: new Map(),
        buckets: new Map(),
        uncertain: new Set(),
      };
      this.#tables.set(table, versions);
    }
    return versions;
  }

  /**
   * Forgets the bucket's keys whose newest version is at or before the time
   * (null: all of them). Returns how many.
   */
  #forgetBucket(
    { newest, buckets, uncertain }: TableVersions,
    bucket: string,
    time: Timestamp | null,
  ): number {
    const kept: string[] = [];
    let forgottenCount = 0;
    for (const key of buckets.get(bucket) ?? []) {
      const known = newest.get(key);
      // A key stands in several buckets; only its newest one speaks for it.
      if (known === undefined || timeBucket(known) !== bucket) {
        continue;
      }
      if (time === null || known <= time) {
        newest.delete(key);
        uncertain.delete(key);
        forgottenCount += 1;
      } else {
        kept.push(key);
      }
    }
    this.#keyCount -= forgottenCount;
    if (kept.length > 0) {
      buckets.set(bucket, kept);
    } else {
      buckets.delete(bucket);
    }
    return forgottenCount;
  }

  #forgetOldest(): void {
    const oldestFirst = [...this.#tables.values()]
      .flatMap((versions) =>
        [...versions.buckets.keys()].map((bucket) => ({ versions, bucket })),
      )
      .toSorted((left, right) => (left.bucket < right.bucket ? -1 : 1));
    for (const { versions, bucket } of oldestFirst) {
      if (this.#keyCount <= this.#maxKeys * 0.9) {
        return;
      }
      this.forgottenCount += this.#forgetBucket(versions, bucket, null);
    }
  }
}
