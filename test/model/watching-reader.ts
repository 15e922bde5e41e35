/** Looks at the target all the time, each time at everything at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Timestamp, zeroTimestamp } from '../../src/mutation/timestamp.ts';
import {
  type ModelTarget,
  type Snapshot,
  stateText,
} from './model-database.ts';
import type { Commit } from './model-rows.ts';
import type { ModelSchema } from './random-schema.ts';

/** The state of the source at every time that it ever had. */
export class SourceStates {
  readonly #states: readonly string[];
  readonly #times: readonly Timestamp[];

  constructor(
    schema: ModelSchema,
    commits: readonly Commit[],
    times: readonly Timestamp[],
  ) {
    const tables = schema.tables.map(
      () => new Map<string, (number | null)[]>(),
    );
    const text = (): string =>
      stateText(tables.map((rows) => [...rows.values()]));
    const states = [text()];
    for (const commit of commits) {
      for (const { table, key, after } of commit) {
        if (after) {
          const { columns } = schema.tables[table]!;
          tables[table]!.set(
            key,
            columns.map((name) => after[name]!),
          );
        } else {
          tables[table]!.delete(key);
        }
      }
      states.push(text());
    }
    this.#states = states;
    this.#times = times;
  }

  at(time: Timestamp): string {
    const later = this.#times.findIndex((each) => each > time);
    return this.#states[later < 0 ? this.#times.length : later]!;
  }

  get last(): string {
    return this.#states.at(-1)!;
  }

  /** Whether the source ever was so. */
  has(state: string): boolean {
    return this.#states.includes(state);
  }
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
  { applied, tables }: Snapshot,
  before: Timestamp,
  states: SourceStates,
): string | null {
  if (applied < before) {
    return `the watermark went back from ${before} to ${applied}`;
  }
  const seen = stateText(tables);
  const wanted = states.at(applied);
  return seen === wanted
    ? null
    : `at ${applied} the source was\n${wanted}\nand the target, which it ${states.has(seen) ? 'was at another time' : 'never was'},\n${seen}`;
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
