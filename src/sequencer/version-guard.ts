import { detachedText } from '../lib/detached-text.ts';
import type {
  EncodedRows,
  Mutation,
  TableMutations,
} from '../mutation/mutation.ts';
import { versionOf } from '../mutation/row-version.ts';
import {
  laterTimestamp,
  timeBucket,
  type Timestamp,
  zeroTimestamp,
} from '../mutation/timestamp.ts';
import { VersionTable } from './version-table.ts';

/** The newest versions of one table's rows (mutation/row-version.ts). */
interface TableVersions {
  readonly newest: VersionTable;
  /** No version that was noted is later. */
  latest: Timestamp;
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
 * the oldest when it is full: then the promise holds for the newest `maxKeys`
 * rows only.
 */
export class VersionGuard {
  readonly #maxKeys: number;
  readonly #tables = new Map<string, TableVersions>();
  #keyCount = 0;

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
    const known = this.#tables.get(table);
    const isFresh = (mutation: Mutation): boolean =>
      mutation.time > watermark &&
      (known === undefined || isNewTo(known, mutation));
    // Nearly always all are: then nothing is copied.
    return mutations.every(isFresh) ? mutations : mutations.filter(isFresh);
  }

  /**
   * Whether `fresh` would leave none of them out, as far as can be told without
   * decoding them.
   */
  areFresh(table: string, rows: EncodedRows, watermark: Timestamp): boolean {
    const { oldest } = rows;
    const known = this.#tables.get(table);
    if (oldest <= watermark) {
      return false;
    }
    if (known === undefined || oldest > known.latest) {
      return true;
    }
    const { newest, latest } = known;
    let areFresh = true;
    rows.forEachKey((units, start, end, hash, time) => {
      if (areFresh && time <= latest) {
        const version = newest.newestOf(units, start, end, hash);
        areFresh = version === undefined || version < time;
      }
    });
    return areFresh;
  }

  /** True when a later version of the row has been noted. */
  knowsLater(table: string, mutation: Mutation): boolean {
    const known = this.#tables.get(table)?.newest.newest(mutation.key);
    return known !== undefined && known > versionOf(mutation);
  }

  /** Notes versions that have reached (or, at recovery, are to reach) the target. */
  note(tables: readonly TableMutations[]): void {
    if (this.#maxKeys === 0) {
      return;
    }
    for (const part of tables) {
      const { newest, uncertain } = this.#versionsOf(part.table);
      for (const mutation of uncertain.size > 0 ? part.mutations : []) {
        if (newest.newest(mutation.key)! <= versionOf(mutation)) {
          uncertain.delete(mutation.key);
        }
      }
    }
    this.#note(tables);
  }

  #note(tables: readonly TableMutations[]): void {
    for (const part of tables) {
      const { table, encoded } = part;
      const versions = this.#versionsOf(table);
      const { newest } = versions;
      const keyCountBefore = newest.size;
      let { latest } = versions;
      if (encoded) {
        encoded.forEachKey((units, start, end, hash, time) => {
          newest.noteOf(units, start, end, hash, time);
        });
        latest = laterTimestamp(latest, encoded.newest);
      } else {
        for (const mutation of part.mutations) {
          const version = versionOf(mutation);
          newest.note(mutation.key, version);
          latest = laterTimestamp(latest, version);
        }
      }
      versions.latest = detachedText(latest);
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
        const known = newest.newest(mutation.key);
        if (known === undefined || known < versionOf(mutation)) {
          uncertain.add(detachedText<string>(mutation.key));
        }
      }
    }
    this.#note(tables);
  }

  /**
   * Forgets a row of which this version has not reached the target after all, so
   * that whatever version comes is tried; not where a later one is known.
   */
  forget(table: string, mutation: Mutation): void {
    const versions = this.#tables.get(table);
    const { key } = mutation;
    if (versions && versions.newest.newest(key) === versionOf(mutation)) {
      versions.uncertain.delete(key);
      versions.newest.delete(key);
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
      for (const second of versions.newest.seconds) {
        if (second <= limit) {
          this.#forgetSecond(versions, second, time);
        }
      }
    }
  }

  #versionsOf(table: string): TableVersions {
    let versions = this.#tables.get(table);
    if (!versions) {
      versions = {
        newest: new VersionTable(),
        latest: zeroTimestamp,
        uncertain: new Set(),
      };
      this.#tables.set(table, versions);
    }
    return versions;
  }

  #forgetSecond(
    { newest, uncertain }: TableVersions,
    second: string,
    time: Timestamp | null,
  ): void {
    const forgottenCount = newest.forgetSecond(second, time);
    for (const key of uncertain) {
      if (newest.newest(key) === undefined) {
        uncertain.delete(key);
      }
    }
    this.#keyCount -= forgottenCount;
  }

  #forgetOldest(): void {
    const oldestFirst = [...this.#tables.values()]
      .flatMap((versions) =>
        [...versions.newest.seconds].map((second) => ({ versions, second })),
      )
      .toSorted((left, right) => (left.second < right.second ? -1 : 1));
    for (const { versions, second } of oldestFirst) {
      if (this.#keyCount <= this.#maxKeys * 0.9) {
        return;
      }
      this.#forgetSecond(versions, second, null);
    }
  }
}

/** Rows that come in the order of the source need not be looked for. */
function isNewTo(
  { newest, latest, uncertain }: TableVersions,
  mutation: Mutation,
): boolean {
  const version = versionOf(mutation);
  if (version > latest) {
    return true;
  }
  const known = newest.newest(mutation.key);
  return (
    known === undefined ||
    known < version ||
    (known === version && uncertain.has(mutation.key))
  );
}
