/**
 * One table of the source through time: every version of every row since the
 * newest state that the target has been seen in.
 */
import type { Random } from './random.ts';
import type { WorkloadTable } from './tables.ts';
import type { Cell } from './values.ts';

export interface Row {
  readonly cells: readonly Cell[];
  /** The row as a changefeed prints it: a JSON object. */
  readonly json: string;
}

interface Version {
  /** The number of the transaction that wrote it. */
  readonly sequence: number;
  /** Null: the row was deleted. */
  readonly row: Row | null;
}

export class TableHistory {
  readonly table: WorkloadTable;
  readonly #versionsByKey = new Map<string, Version[]>();
  /** Keys with more than one version, or a lone tombstone: what pruning visits. */
  readonly #prunableKeys = new Set<string>();
  readonly #liveKeys: string[] = [];
  readonly #livePositionByKey = new Map<string, number>();

  constructor(table: WorkloadTable) {
    this.table = table;
  }

  get liveCount(): number {
    return this.#liveKeys.length;
  }

  pickLiveKey(random: Random): string | undefined {
    return this.#liveKeys[random.integer(this.#liveKeys.length)];
  }

  /** The row as it is now; null where there is none. */
  current(key: string): Row | null {
    return this.#versionsByKey.get(key)?.at(-1)?.row ?? null;
  }

  /** Writes within transaction `sequence`; a second write there replaces the first. */
  write(key: string, sequence: number, row: Row | null): void {
    const versions = this.#versionsByKey.get(key) ?? [];
    if (versions.length === 0) {
      this.#versionsByKey.set(key, versions);
    }
    if (versions.at(-1)?.sequence === sequence) {
      versions.pop();
    }
    versions.push({ sequence, row });
    if (versions.length > 1 || row === null) {
      this.#prunableKeys.add(key);
    }
    this.#setLive(key, row !== null);
  }

  #setLive(key: string, live: boolean): void {
    const position = this.#livePositionByKey.get(key);
    if (live === (position !== undefined)) {
      return;
    }
    if (position === undefined) {
      this.#livePositionByKey.set(key, this.#liveKeys.push(key) - 1);
      return;
    }
    const last = this.#liveKeys.pop()!;
    this.#livePositionByKey.delete(key);
    if (last !== key) {
      this.#liveKeys[position] = last;
      this.#livePositionByKey.set(last, position);
    }
  }

  /** The table right after transaction `sequence`. */
  *stateAt(sequence: number): Generator<[key: string, row: Row]> {
    for (const [key, versions] of this.#versionsByKey) {
      const row = versions.findLast((v) => v.sequence <= sequence)?.row;
      if (row) {
        yield [key, row];
      }
    }
  }

  /** The row right after transaction `sequence`; null where there was none. */
  rowAt(key: string, sequence: number): Row | null {
    return (
      this.#versionsByKey.get(key)?.findLast((v) => v.sequence <= sequence)
        ?.row ?? null
    );
  }

  /** Forgets states before `sequence`, which nobody will ask for again. */
  prune(sequence: number): void {
    for (const key of this.#prunableKeys) {
      const versions = this.#versionsByKey.get(key)!;
      const first = versions.findLastIndex((v) => v.sequence <= sequence);
      versions.splice(0, Math.max(first, 0));
      if (versions.length > 1) {
        continue;
      }
      if (versions[0]!.row !== null) {
        this.#prunableKeys.delete(key);
      } else if (versions[0]!.sequence <= sequence) {
        this.#prunableKeys.delete(key);
        this.#versionsByKey.delete(key);
      }
    }
  }
}
