/** Looks at the target all the time, each time at everything at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Timestamp, zeroTimestamp } from '../../src/mutation/timestamp.ts';
import type { ModelTarget, RowTexts, Snapshot } from './model-database.ts';
import type { Commit } from './model-rows.ts';
import type { ModelSchema } from './random-schema.ts';

/** The state of the source at every time that it ever had. */
export class SourceStates {
  readonly #states: readonly RowTexts[];
  readonly #times: readonly Timestamp[];
  /** Rows of these tables are not held to the watermark. */
  readonly #free: ReadonlySet<string>;

  constructor(
    schema: ModelSchema,
    commits: readonly Commit[],
    times: readonly Timestamp[],
    free: ReadonlySet<string> = new Set(),
  ) {
    this.#free = free;
    const states = [new Map<string, string>()];
    for (const commit of commits) {
      const state = new Map(states.at(-1));
      for (const { table, key, after } of commit) {
        const name = `t${table} ${key}`;
        if (after) {
          const { columns } = schema.tables[table]!;
          const values = columns.map((column) => after[column]!);
          state.set(name, JSON.stringify(values));
        } else {
          state.delete(name);
        }
      }
      states.push(state);
    }
    this.#states = states;
    this.#times = times;
  }

  at(time: Timestamp): RowTexts {
    const later = this.#times.findIndex((each) => each > time);
    return this.#states[later < 0 ? this.#times.length : later]!;
  }

  isHeld(row: string): boolean {
    return !this.#free.has(row.slice(0, row.indexOf(' ')));
  }

  get last(): RowTexts {
    return this.#states.at(-1)!;
  }
}

/** Tables that stand alone: in best-effort mode their rows go ahead. */
export function freeTables({ tables }: ModelSchema): ReadonlySet<string> {
  const parents = new Set(
    tables.flatMap(({ foreignKeys }) =>
      foreignKeys.map(({ parent }) => parent),
    ),
  );
  return new Set(
    tables.flatMap(({ foreignKeys, uniqueKeys }, place) =>
      foreignKeys.length + uniqueKeys.length > 0 || parents.has(place)
        ? []
        : [`t${place}`],
    ),
  );
}

/** Where the two differ, but for rows that are set aside; null where nowhere. */
export function difference(
  seen: Omit<Snapshot, 'applied'>,
  wanted: RowTexts,
  isHeld: (row: string) => boolean = () => true,
): string | null {
  const lines = [...new Set([...seen.rows.keys(), ...wanted.keys()])]
    .filter(
      (name) =>
        isHeld(name) &&
        !seen.setAside.has(name) &&
        seen.rows.get(name) !== wanted.get(name),
    )
    .map(
      (name) =>
        `  ${name}: ${seen.rows.get(name) ?? 'nothing'}, at the source ${wanted.get(name) ?? 'nothing'}`,
    );
  return lines.length === 0 ? null : lines.join('\n');
}

export interface WatchingReader extends AsyncDisposable {
  readonly lookCount: number;
  /** What was seen that the source never was; null as long as all is well. */
  readonly complaint: string | null;
}

/**
 * In consistent mode a look sees exactly what the source was at the time that
 * the watermark beside the rows names, and the watermark never goes back.
 */
export function watchTarget(
  target: ModelTarget,
  states: SourceStates,
): WatchingReader {
  let isOver = false;
  let lookCount = 0;
  let complaint: string | null = null;
  let before = zeroTimestamp;
  const watching = (async () => {
    while (!isOver && complaint === null) {
      const seen = await target.snapshot();
      lookCount += 1;
      complaint = complaintOf(seen, before, states);
      before = seen.applied;
      await sleep(1);
    }
  })();
  // Whoever awaits the end hears of it.
  watching.catch(() => {});
  return {
    get lookCount() {
      return lookCount;
    },
    get complaint() {
      return complaint;
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      await watching;
    },
  };
}

/** The same of what transactions saw at their commits, which leaves none out. */
export async function commitComplaint(
  target: ModelTarget,
  states: SourceStates,
): Promise<string | null> {
  let before = zeroTimestamp;
  for (const seen of await target.commits()) {
    const complaint = complaintOf(seen, before, states);
    if (complaint) {
      return complaint;
    }
    before = seen.applied;
  }
  return null;
}

function complaintOf(
  seen: Snapshot,
  before: Timestamp,
  states: SourceStates,
): string | null {
  const { applied } = seen;
  if (applied < before) {
    return `the watermark went back from ${before} to ${applied}`;
  }
  const different = difference(seen, states.at(applied), (row) =>
    states.isHeld(row),
  );
  return different && `at ${applied} the target had\n${different}`;
}

/** What triggers have noted: of no row an older version after a newer one. */
export async function writeComplaint(
  target: ModelTarget,
): Promise<string | null> {
  const newest = new Map<string, number>();
  for (const { row, version } of await target.writes()) {
    const known = newest.get(row) ?? 0;
    if (version < known) {
      return `the row ${row} was written as of ${version} after ${known}`;
    }
    newest.set(row, version);
  }
  return null;
}
