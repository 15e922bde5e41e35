import type { Mutation, TableMutations } from '../../mutation/mutation.ts';
import { scannedVersion } from '../../mutation/row-version.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import {
  laterTimestamp,
  nextTimestamp,
  type Timestamp,
  zeroTimestamp,
} from '../../mutation/timestamp.ts';
import { purgedMemo, type StagingStore } from '../../staging/staging.ts';
import type { TableMark } from './table-marks.ts';

/** `silent`: what lies so far back is gone from the log. */
export type Testimony =
  | { readonly kind: 'seen' }
  | { readonly kind: 'seen' | 'silent' | 'never'; readonly time: Timestamp };

/**
 * Tells a redelivery from a row that was never here, by the log:
 *
 *     (0 … retired or purged]      the log is silent: taken for a redelivery
 *     (… resolved]                 whatever came is in the log: a row that is
 *                                  not there is a stranger
 *     (resolved …                  new
 *
 * By the changefeed contract there are no strangers: whatever lies at or below
 * a resolved timestamp was delivered before it. So a stranger comes from
 * another changefeed, for which the timestamp did not speak, or from a scan
 * of a table that had delivered before.
 */
export class LogWitness {
  readonly #store: StagingStore;
  readonly #schema: SchemaName;
  /** Only grows, so that an old value is a safe one. */
  #silentThrough: Timestamp = zeroTimestamp;

  constructor(store: StagingStore, schema: SchemaName) {
    this.#store = store;
    this.#schema = schema;
  }

  /**
   * What the log says of the rows at or before `resolved`. One request comes
   * from one changefeed, so that two of them speak for all: the latest, which
   * is least likely to be retired, and the oldest, for a row that was refused
   * comes again with later ones that were not.
   */
  async testify(
    part: TableMutations,
    mark: TableMark,
    resolved: Timestamp,
  ): Promise<Testimony> {
    const ends = endsThrough(part.mutations, resolved);
    if (ends === null) {
      return { kind: 'seen' };
    }
    const { oldest, latest } = ends;
    const kind = await this.#sayOf(part, latest, mark);
    if (kind === 'seen' && oldest !== latest) {
      const ofOldest = await this.#sayOf(part, oldest, mark);
      if (ofOldest === 'never') {
        return { kind: ofOldest, time: oldest.time };
      }
    }
    return { kind, time: latest.time };
  }

  async #sayOf(
    { table, keyColumns }: TableMutations,
    { time, key }: Mutation,
    mark: TableMark,
  ): Promise<Testimony['kind']> {
    if (time <= this.#silentThrough || time <= mark.vagueThrough) {
      return 'silent';
    }
    const sought = {
      schema: this.#schema,
      table,
      key,
      ...(keyColumns && { keyColumns }),
    };
    for (const staged of [time, ...scanTimes(time, mark)]) {
      if (await this.#store.holds({ ...sought, version: staged })) {
        return 'seen';
      }
    }
    // Only now: what was retired meanwhile is covered.
    await this.#readSilence();
    return time <= this.#silentThrough ? 'silent' : 'never';
  }

  async #readSilence(): Promise<void> {
    const { retired } = await this.#store.checkpoint(this.#schema);
    const purged = await this.#store.memo(purgedMemo(this.#schema));
    this.#silentThrough = laterTimestamp(
      laterTimestamp(this.#silentThrough, retired),
      (purged ?? zeroTimestamp) as Timestamp,
    );
  }
}

/** The same one where there is one. */
function endsThrough(
  mutations: readonly Mutation[],
  resolved: Timestamp,
): { readonly oldest: Mutation; readonly latest: Mutation } | null {
  let oldest: Mutation | null = null;
  let latest: Mutation | null = null;
  for (const mutation of mutations) {
    if (mutation.time > resolved) {
      continue;
    }
    if (oldest === null || mutation.time < oldest.time) {
      oldest = mutation;
    }
    if (latest === null || mutation.time > latest.time) {
      latest = mutation;
    }
  }
  return oldest && latest && { oldest, latest };
}

/** As which versions it was staged, if a scan brought it; earlier builds kept the time alone. */
function scanTimes(time: Timestamp, mark: TableMark): Timestamp[] {
  return [...mark.earlier, mark.since]
    .filter((since) => time <= since)
    .flatMap((since) => [scannedVersion(since, time), nextTimestamp(since)]);
}
