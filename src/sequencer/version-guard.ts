import type { Mutation, TableMutations } from '../mutation/mutation.ts';
import { timeBucket, type Timestamp } from '../mutation/timestamp.ts';

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
  readonly #newest = new Map<string, Timestamp>();
  /** Keys by the second of their version: what to forget, in time order. */
  readonly #buckets = new Map<string, string[]>();
  forgottenCount = 0;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get keyCount(): number {
    return this.#newest.size;
  }

  /** The mutations that are newer than what has reached the target. */
  fresh(
    tables: readonly TableMutations[],
    watermark: Timestamp,
  ): TableMutations[] {
    return tables
      .map(({ table, mutations }) => ({
        table,
        mutations: mutations.filter((mutation) =>
          this.#isFresh(table, mutation, watermark),
        ),
      }))
      .filter(({ mutations }) => mutations.length > 0);
  }

  /** True when exactly this version is the newest one noted. */
  isNewest(table: string, mutation: Mutation): boolean {
    return this.#newest.get(guardKey(table, mutation)) === mutation.time;
  }

  /** Notes versions that have reached (or, at recovery, are to reach) the target. */
  note(tables: readonly TableMutations[]): void {
    for (const { table, mutations } of tables) {
      for (const mutation of mutations) {
        const key = guardKey(table, mutation);
        const known = this.#newest.get(key);
        if (known === undefined || known < mutation.time) {
          this.#newest.set(key, mutation.time);
          this.#bucketOf(mutation.time).push(key);
        }
      }
    }
    if (this.#newest.size > this.#maxKeys) {
      this.#forgetOldest();
    }
  }

  /** Everything at or before the time is below the watermark now. */
  forgetThrough(time: Timestamp): void {
    const limit = timeBucket(time);
    for (const bucket of this.#buckets.keys()) {
      if (bucket <= limit) {
        this.#forgetBucket(bucket, time);
      }
    }
  }

  #isFresh(table: string, mutation: Mutation, watermark: Timestamp): boolean {
    if (mutation.time <= watermark) {
      return false;
    }
    const known = this.#newest.get(guardKey(table, mutation));
    return known === undefined || known < mutation.time;
  }

  #bucketOf(time: Timestamp): string[] {
    const name = timeBucket(time);
    let bucket = this.#buckets.get(name);
    if (!bucket) {
      bucket = [];
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }

  /** Forgets the bucket's keys whose newest version is at or before the time. */
  #forgetBucket(bucket: string, time: Timestamp | null): void {
    const kept: string[] = [];
    for (const key of this.#buckets.get(bucket) ?? []) {
      const known = this.#newest.get(key);
      // A key stands in several buckets; only its newest one speaks for it.
      if (known === undefined || timeBucket(known) !== bucket) {
        continue;
      }
      if (time === null || known <= time) {
        this.#newest.delete(key);
        this.forgottenCount += time === null ? 1 : 0;
      } else {
        kept.push(key);
      }
    }
    if (kept.length > 0) {
      this.#buckets.set(bucket, kept);
    } else {
      this.#buckets.delete(bucket);
    }
  }

  #forgetOldest(): void {
    const oldestFirst = [...this.#buckets.keys()].toSorted();
    for (const bucket of oldestFirst) {
      if (this.#newest.size <= this.#maxKeys * 0.9) {
        return;
      }
      this.#forgetBucket(bucket, null);
    }
  }
}

function guardKey(table: string, mutation: Mutation): string {
  return `${table}\u0000${mutation.key}`;
}
