import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { createClock } from '../../src/workload/clock.ts';
import { Feed, type FeedOptions } from '../../src/workload/feed.ts';
import { createRandom } from '../../src/workload/random.ts';
import type { Answer, Sender } from '../../src/workload/sender.ts';
import { Source } from '../../src/workload/source.ts';

interface SentRow {
  readonly topic: string;
  readonly key: unknown;
  readonly updated: string;
}

/** Looks at each request as a strict server would. */
class Witness implements Sender {
  readonly accepted: SentRow[] = [];
  readonly resolved: string[] = [];
  mostInFlight = 0;
  refusedCount = 0;
  readonly #keysInFlight = new Set<string>();
  #inFlight = 0;
  readonly #refuse: (requestNumber: number) => boolean;
  #requestNumber = 0;

  constructor(refuse: (requestNumber: number) => boolean = () => false) {
    this.#refuse = refuse;
  }

  async post(body: string, signal: AbortSignal): Promise<Answer> {
    const message = JSON.parse(body) as {
      payload?: SentRow[];
      length?: number;
      resolved?: string;
    };
    const rows = message.payload ?? [];
    expect(message.length).toBe(message.payload?.length);
    const keys = new Set(rows.map(keyOf));
    for (const key of keys) {
      expect(
        this.#keysInFlight,
        `${key} in two requests at once`,
      ).not.toContain(key);
      this.#keysInFlight.add(key);
    }
    this.#inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight);
    try {
      await sleep(1, undefined, { signal });
      this.#requestNumber += 1;
      if (this.#refuse(this.#requestNumber)) {
        this.refusedCount += 1;
        return { status: 503, body: 'not now' };
      }
      this.accepted.push(...rows);
      if (message.resolved !== undefined) {
        this.resolved.push(message.resolved);
        this.onResolved?.(message.resolved);
      }
      return { status: 200, body: 'OK' };
    } finally {
      this.#inFlight -= 1;
      for (const key of keys) {
        this.#keysInFlight.delete(key);
      }
    }
  }

  onResolved: ((time: string) => void) | null = null;

  [Symbol.dispose](): void {}
}

function keyOf(row: SentRow): string {
  return `${row.topic} ${JSON.stringify(row.key)}`;
}

const options: FeedOptions = {
  concurrentRequests: 6,
  batchSize: 15,
  resolvedIntervalMs: 10,
  tries: 2,
  retryMinMs: 1,
  retryMaxMs: 4,
  failFast: false,
  diff: false,
};

/** Publishes 150 transactions, replaying now and then, until all is resolved. */
async function runFeed(
  witness: Witness,
  seed: number,
  changes: Partial<FeedOptions> = {},
  replayEvery = 0,
): Promise<{ feed: Feed; written: SentRow[] }> {
  const clock = createClock();
  const source = new Source(clock, createRandom(seed), { tableRows: 60 });
  const feed = new Feed(
    { ...options, ...changes },
    witness,
    clock,
    createRandom(seed + 1),
  );
  const written: SentRow[] = [];
  witness.onResolved = (resolved) => {
    const acceptedIds = new Set(witness.accepted.map(versionOf));
    const missing = written.filter(
      (row) => row.updated <= resolved && !acceptedIds.has(versionOf(row)),
    );
    expect(missing, `resolved ${resolved} before its rows`).toEqual([]);
  };
  const stop = new AbortController();
  const running = feed.run(stop.signal);
  let last = '';
  for (let number = 0; number < 150; number += 1) {
    const transaction = source.commit(1 + (number % 7));
    written.push(
      ...transaction.events.map((event) => ({
        topic: event.topic,
        key: JSON.parse(event.key) as unknown,
        updated: event.time,
      })),
    );
    feed.publish(transaction);
    last = transaction.time;
    await sleep(1);
    if (replayEvery > 0 && number % replayEvery === replayEvery - 1) {
      feed.replay();
    }
  }
  while (feed.lastResolved < last) {
    await sleep(2);
  }
  stop.abort();
  await running;
  return { feed, written };
}

function versionOf(row: SentRow): string {
  return `${keyOf(row)} ${row.updated}`;
}

/** Times of one key must not fall, except where the feed went back. */
function countSteps(rows: readonly SentRow[]): number {
  const lastByKey = new Map<string, string>();
  let stepsBack = 0;
  for (const row of rows) {
    const key = keyOf(row);
    if (row.updated < (lastByKey.get(key) ?? '')) {
      stepsBack += 1;
    }
    lastByKey.set(key, row.updated);
  }
  return stepsBack;
}

test('every version arrives, in order a key, over parallel requests, and before it is resolved', async () => {
  const witness = new Witness();
  const { written } = await runFeed(witness, 3);
  expect(new Set(witness.accepted.map(versionOf))).toEqual(
    new Set(written.map(versionOf)),
  );
  expect(countSteps(witness.accepted)).toBeLessThanOrEqual(
    duplicateCount(witness),
  );
  expect(witness.mostInFlight).toBeGreaterThan(3);
  expect(witness.accepted.map((row) => row.updated)).not.toEqual(
    witness.accepted.map((row) => row.updated).toSorted(),
  );
  expect(witness.resolved).toEqual(witness.resolved.toSorted());
});

/** A request sent twice repeats its versions: one step back a key at most. */
function duplicateCount(witness: Witness): number {
  return (
    witness.accepted.length - new Set(witness.accepted.map(versionOf)).size
  );
}

test('refused requests come again until accepted; what was accepted before is sent again too', async () => {
  const witness = new Witness((number) => number % 100 < 12);
  const { feed, written } = await runFeed(witness, 11);
  expect(feed.counts.restarts).toBeGreaterThan(0);
  expect(feed.counts.failedRequests).toBe(witness.refusedCount);
  expect(new Set(witness.accepted.map(versionOf))).toEqual(
    new Set(written.map(versionOf)),
  );
  expect(witness.accepted.length).toBeGreaterThan(written.length);
});

test('with tries 0 a refused request is repeated for ever and no other accepted row again', async () => {
  const witness = new Witness((number) => number % 3 !== 0);
  const { feed } = await runFeed(witness, 5, { tries: 0 });
  expect(feed.counts.restarts).toBe(0);
  expect(feed.counts.failedRequests).toBeGreaterThan(0);
});

test('a replay sends rows again that were resolved, and a resolved timestamp that goes backwards', async () => {
  const witness = new Witness();
  const { feed, written } = await runFeed(witness, 8, {}, 20);
  expect(feed.counts.replays).toBeGreaterThan(0);
  expect(new Set(witness.accepted.map(versionOf))).toEqual(
    new Set(written.map(versionOf)),
  );
  expect(witness.accepted.length).toBeGreaterThan(written.length);
  expect(witness.resolved).not.toEqual(witness.resolved.toSorted());
});

test('failFast ends the feed at the first refusal with its text', async () => {
  const clock = createClock();
  const source = new Source(clock, createRandom(1), { tableRows: 60 });
  const feed = new Feed(
    { ...options, failFast: true },
    new Witness(() => true),
    clock,
    createRandom(2),
  );
  feed.publish(source.commit(5));
  await expect(feed.run(new AbortController().signal)).rejects.toMatchObject({
    code: 'E5011',
    message: '503 not now',
  });
});
