/**
 * Delivers as a changefeed does: rows of one key in order, all else in any.
 * Workers of unequal pace each carry their share of the keys; a row may come
 * twice; after a failure or a restart everything beyond some resolved time
 * comes again (1, 2, 3, 2, 3, 4).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  JsonText,
  Mutation,
  TableMutations,
} from '../../src/mutation/mutation.ts';
import {
  nextTimestamp,
  type Timestamp,
  timestampFromMs,
} from '../../src/mutation/timestamp.ts';
import type { Feed } from '../../src/source/source.ts';
import type { Random } from '../../src/workload/random.ts';
import type { Commit } from './model-rows.ts';

export interface Delivery {
  /** The name of a table, as the feed knows it. */
  readonly tableName: (table: number) => string;
  readonly commits: readonly Commit[];
  readonly times: readonly Timestamp[];
  readonly random: Random;
  /** Rows say what they were before (`diff`). */
  readonly hasBefore: boolean;
  /** Rows may lack columns that have not changed. */
  readonly isSparse: boolean;
  /** How many times the feed may begin again by itself. */
  readonly feedRestarts: number;
  readonly open: () => Promise<Feed>;
  /** Between two requests: whatever befalls the receiver. */
  readonly meanwhile: () => Promise<void>;
}

interface Carried {
  readonly index: number;
  readonly table: string;
  readonly mutation: Mutation;
}

interface Worker {
  readonly rows: readonly Carried[];
  /** How many of them are acknowledged since the feed began. */
  sent: number;
  /** One in so many rounds it sends nothing. */
  readonly lag: number;
}

/** Close together, far apart, within one instant of the wall clock. */
export function commitTimes(count: number, random: Random): Timestamp[] {
  const times: Timestamp[] = [];
  let ms = 1_700_000_000_000;
  let time = timestampFromMs(ms);
  for (let index = 0; index < count; index += 1) {
    if (random.chance(0.25)) {
      time = nextTimestamp(time);
    } else {
      ms += random.pick([1, 1, 40, 400, 1_500]);
      time = timestampFromMs(ms);
    }
    times.push(time);
  }
  return times;
}

/** Resolves when everything was acknowledged and the last time is resolved. */
export async function deliver(delivery: Delivery): Promise<void> {
  const { commits, random } = delivery;
  const workers = workersOf(delivery);
  const last = commits.length - 1;
  /** The last commit that a resolved time has covered. */
  let resolved = -1;
  let restartsLeft = delivery.feedRestarts;
  while (resolved < last) {
    await delivery.meanwhile();
    const results = await Promise.allSettled(
      workers
        .filter(({ lag }) => lag === 0 || random.integer(lag) > 0)
        .map((worker) => sendSome(delivery, worker)),
    );
    let mustRestart = results.some(({ status }) => status === 'rejected');
    if (!mustRestart && restartsLeft > 0 && random.chance(0.15)) {
      restartsLeft -= 1;
      mustRestart = true;
    }
    const frontier = Math.min(
      ...workers.map(({ rows, sent }) => rows[sent]?.index ?? commits.length),
    );
    if (!mustRestart && frontier - 1 > resolved && random.chance(0.4)) {
      const upTo = resolved + 1 + random.integer(frontier - 1 - resolved);
      mustRestart = !(await resolvedThrough(delivery, upTo));
      resolved = mustRestart ? resolved : upTo;
    }
    if (mustRestart) {
      await sleep(2);
      // The job may remember less than it has been told.
      const from = random.chance(0.5)
        ? resolved
        : random.integer(resolved + 2) - 1;
      for (const worker of workers) {
        const place = worker.rows.findIndex(({ index }) => index > from);
        worker.sent = place < 0 ? worker.rows.length : place;
      }
      if (from < resolved && from >= 0 && random.chance(0.3)) {
        await resolvedThrough(delivery, from);
      }
    }
  }
}

function workersOf(delivery: Delivery): Worker[] {
  const { commits, random } = delivery;
  const count = 1 + random.integer(5);
  const rows: Carried[][] = Array.from({ length: count }, () => []);
  const ownerOf = new Map<string, number>();
  for (const [index, commit] of commits.entries()) {
    for (const change of commit) {
      const table = delivery.tableName(change.table);
      const name = `${table} ${change.key}`;
      const owner = ownerOf.get(name) ?? random.integer(count);
      ownerOf.set(name, owner);
      const columns = delivery.isSparse ? change.carried : undefined;
      rows[owner]!.push({
        index,
        table,
        mutation: {
          time: delivery.times[index]!,
          key: change.key as JsonText,
          after:
            change.after &&
            (JSON.stringify(change.after, columns && [...columns]) as JsonText),
          before: delivery.hasBefore
            ? (JSON.stringify(change.before) as JsonText)
            : null,
        },
      });
    }
  }
  return rows.map((each) => ({
    rows: each,
    sent: 0,
    lag: random.pick([0, 0, 2, 4]),
  }));
}

async function sendSome(
  { open, random }: Delivery,
  worker: Worker,
): Promise<void> {
  const requestCount = 1 + random.integer(3);
  for (let each = 0; each < requestCount; each += 1) {
    const size = random.chance(0.1) ? 50 : 1 + random.integer(6);
    const rows = worker.rows.slice(worker.sent, worker.sent + size);
    if (rows.length === 0) {
      return;
    }
    const feed = await open();
    await feed.accept(tablesOf(rows));
    worker.sent += rows.length;
    if (random.chance(0.1)) {
      // The answer was lost: the same comes once more.
      await feed.accept(tablesOf(rows));
    }
  }
}

async function resolvedThrough(
  { open, times, commits, random }: Delivery,
  index: number,
): Promise<boolean> {
  const next = times[index + 1];
  const after = nextTimestamp(times[index]!);
  // A resolved time is seldom that of a row.
  const time =
    random.chance(0.5) && index + 1 < commits.length && after < next!
      ? after
      : times[index]!;
  try {
    await (await open()).resolve(time);
    return true;
  } catch {
    return false;
  }
}

function tablesOf(rows: readonly Carried[]): TableMutations[] {
  return [...Map.groupBy(rows, ({ table }) => table)].map(([table, group]) => ({
    table,
    mutations: group.map(({ mutation }) => mutation),
  }));
}
