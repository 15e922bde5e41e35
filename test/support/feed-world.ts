/**
 * A changefeed, several daemons that share one staging, and a target, as a
 * model: the store and the memories are real, everything else keeps to the
 * contract of a changefeed and no more. Requests run side by side, and each
 * call to the store waits until the world lets it through.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JsonText, Mutation } from '../../src/mutation/mutation.ts';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import {
  laterTimestamp,
  maxTimestamp,
  type Timestamp,
  timestampFromMs,
  zeroTimestamp,
} from '../../src/mutation/timestamp.ts';
import { FeedMemory } from '../../src/pipeline/feed/feed-memory.ts';
import { siftAndStage } from '../../src/pipeline/feed/sift-and-stage.ts';
import { decodeEntry, encodeEntries } from '../../src/staging/batch-codec.ts';
import type { StagingStore } from '../../src/staging/staging.ts';

const baseMs = 1_700_000_000_000;

export function instant(step: number): Timestamp {
  return timestampFromMs(baseMs + step * 100);
}

interface SourceRow {
  readonly table: string;
  readonly key: string;
  readonly value: string;
  readonly time: Timestamp;
  isAcked: boolean;
}

interface Daemon {
  memory: FeedMemory;
  resolved: Timestamp;
  applied: Timestamp;
}

export class FeedWorld {
  readonly #store: StagingStore;
  readonly #stores: readonly StagingStore[];
  readonly #schema: SchemaName;
  readonly #daemons: Daemon[] = [];
  readonly #rows: SourceRow[] = [];
  /** What of the source's rows is in the feed: all of these tables. */
  readonly #fed = new Set(['t0']);
  readonly #waiting: (() => void)[] = [];
  readonly #requests = new Set<Promise<void>>();
  readonly #target = new Map<string, string>();
  #clock = 1;
  #applied: Timestamp = zeroTimestamp;
  #resolved: Timestamp = zeroTimestamp;
  /** Whatever was refused: the feed keeps to its contract, so nothing may be. */
  readonly refusals: unknown[] = [];

  constructor(stores: readonly StagingStore[], schema: SchemaName) {
    this.#store = stores[0]!;
    this.#stores = stores;
    this.#schema = schema;
  }

  get applied(): Timestamp {
    return this.#applied;
  }

  get resolved(): Timestamp {
    return this.#resolved;
  }

  async startDaemon(at: number): Promise<void> {
    const gate = { isOpen: true };
    const store = this.#gated(this.#stores[at % this.#stores.length]!, gate);
    const memory = await FeedMemory.load(
      store,
      this.#schema,
      async () => this.#applied,
    );
    gate.isOpen = false;
    this.#daemons[at] = {
      memory,
      resolved: (await this.#store.checkpoint(this.#schema)).resolved,
      // As it is claimed from the target.
      applied: this.#applied,
    };
  }

  /** A row changes at the source. */
  write(table: number, key: number): void {
    this.#clock += 1;
    this.#rows.push({
      table: `t${table}`,
      key: `[${key}]`,
      value: `{"v":${this.#clock}}`,
      time: instant(this.#clock),
      isAcked: !this.#fed.has(`t${table}`),
    });
  }

  /** `ALTER CHANGEFEED … ADD t WITH initial_scan`: rows as of what is resolved. */
  addTable(table: number): void {
    const name = `t${table}`;
    if (this.#fed.has(name)) {
      return;
    }
    this.#fed.add(name);
    const scanned = new Map<string, SourceRow>();
    for (const row of this.#rows.splice(0)) {
      if (row.table === name && row.time <= this.#resolved) {
        scanned.set(row.key, { ...row, isAcked: false, time: this.#resolved });
      } else {
        this.#rows.push(row.table === name ? { ...row, isAcked: false } : row);
      }
    }
    this.#rows.unshift(...scanned.values());
    this.#rows.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  }

  /** Some rows at or after the checkpoint, sent before or not, in order a key. */
  send(daemon: number, from: number, count: number): void {
    const fed = this.#rows.filter(({ table }) => this.#fed.has(table));
    const first = fed.findIndex(({ isAcked }) => !isAcked);
    const start = Math.max(0, (first < 0 ? fed.length : first) - from);
    this.#request(daemon, fed.slice(start, start + count));
  }

  /** The furthest promise that the feed may make, or an older one. */
  async resolve(daemon: number, back: number): Promise<void> {
    const open = this.#rows.filter(
      ({ isAcked, table }) => !isAcked && this.#fed.has(table),
    );
    const bound = open.reduce(
      (least, { time }) => (time < least ? time : least),
      instant(this.#clock + 1),
    );
    let step = this.#clock - back;
    while (instant(step) >= bound) {
      step -= 1;
    }
    const to = this.#daemons[daemon]!;
    const { checkpoint } = await this.#store.resolve(
      this.#schema,
      instant(step),
    );
    this.#resolved = laterTimestamp(this.#resolved, checkpoint.resolved);
    to.resolved = laterTimestamp(to.resolved, checkpoint.resolved);
    this.#track(to.memory.resolved(checkpoint.resolved));
  }

  /** The sequencer of the first daemon applies what is resolved. */
  async sweep(): Promise<void> {
    const { resolved } = await this.#store.checkpoint(this.#schema);
    if (resolved <= this.#applied) {
      return;
    }
    const rows = (await this.#staged()).filter(
      ({ time }) => time > this.#applied && time <= resolved,
    );
    for (const { table, key, after } of rows) {
      this.#target.set(`${table} ${key}`, after!);
    }
    this.#applied = resolved;
    this.#daemons[0]!.applied = resolved;
    await this.#store.commitApplied(this.#schema, resolved, true);
  }

  async retire(back: number): Promise<void> {
    const through = instant(this.#clock - back);
    await this.#store.retire(this.#schema, through, 1000);
  }

  async purge(whole: boolean): Promise<void> {
    const schema = this.#schema;
    if (!whole) {
      await this.#store.purge({ schema, through: this.#applied }, false);
      return;
    }
    // Rows that are acknowledged and not applied would be lost: not now.
    const last = (await this.#staged()).at(-1);
    if (this.#requests.size === 0 && (!last || last.time <= this.#applied)) {
      await this.#store.purge({ schema }, false);
      // The daemons were stopped; the first claims the target's watermark.
      await this.#store.commitApplied(schema, this.#applied, true);
      await this.#store.retire(schema, this.#applied, 1000);
      for (const at of this.#daemons.keys()) {
        await this.startDaemon(at);
      }
    }
  }

  /** Lets some waiting calls through, one after the other. */
  async step(which: number, count = 1): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      const [release] = this.#waiting.splice(which % this.#waiting.length, 1);
      release?.();
      // A call to an embedded store and what follows takes a few.
      for (let turn = 0; turn < 4; turn += 1) {
        await nextTurn();
      }
    }
  }

  /** Everything that is under way ends; the feed sends the rest and resolves. */
  async finish(): Promise<void> {
    for (const round of [0, 1]) {
      while (this.#requests.size > 0) {
        await this.step(round);
      }
      const fed = this.#rows.filter(({ table }) => this.#fed.has(table));
      this.#request(
        0,
        fed.filter(({ isAcked }) => !isAcked),
      );
    }
    while (this.#requests.size > 0) {
      await this.step(0);
    }
    this.#clock += 1;
    await this.resolve(0, 0);
    while (this.#requests.size > 0) {
      await this.step(0);
    }
    await this.sweep();
  }

  /** The rows of the fed tables, as source and target have them. */
  outcome(): { source: Map<string, string>; target: Map<string, string> } {
    const source = new Map<string, string>();
    for (const { table, key, value } of this.#rows) {
      if (this.#fed.has(table)) {
        source.set(`${table} ${key}`, value);
      }
    }
    return { source: sorted(source), target: sorted(this.#target) };
  }

  /** A row that no feed of this world has sent. */
  async sendStranger(table: string, time: Timestamp): Promise<number> {
    const { memory, resolved, applied } = this.#daemons[0]!;
    const sifting = memory.sift(
      [
        {
          table,
          keyColumns: ['id'],
          mutations: [mutation({ key: '[777]', value: '{}', time })],
        },
      ],
      { resolved, applied },
    );
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    sifting.then(over, over);
    while (!isOver) {
      await this.step(0);
    }
    return (await sifting).freshCount;
  }

  #request(daemon: number, rows: readonly SourceRow[]): void {
    if (rows.length === 0) {
      return;
    }
    this.#track(this.#accept(this.#daemons[daemon]!, rows));
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.refusals.push(error);
      })
      .finally(() => {
        this.#requests.delete(tracked);
      });
    this.#requests.add(tracked);
  }

  async #accept(daemon: Daemon, rows: readonly SourceRow[]): Promise<void> {
    const tables = Map.groupBy(rows, ({ table }) => table);
    const { memory } = daemon;
    const request = Array.from(tables, ([table, part]) => ({
      table,
      keyColumns: ['id'],
      mutations: part.map(mutation),
    }));
    await siftAndStage({
      sift: async (resolved) => {
        daemon.resolved = laterTimestamp(daemon.resolved, resolved);
        const before = await this.#store.checkpoint(this.#schema);
        const { resolved: known, applied } = daemon;
        const sifted = await memory.sift(request, { resolved: known, applied });
        for (const { time } of sifted.fresh.flatMap(
          ({ mutations }) => mutations,
        )) {
          if (
            time <= before.resolved &&
            !rows.some((row) => row.time === time)
          ) {
            throw new Error(`a redelivery was given the time ${time}`);
          }
        }
        return sifted;
      },
      stage: async ({ fresh, oldestNew }) => {
        await this.#pass();
        return await this.#store.append(
          encodeEntries(this.#schema, fresh),
          oldestNew === null
            ? {}
            : { guard: { schema: this.#schema, above: oldestNew } },
        );
      },
      resolved: async () => {
        await this.#pass();
        return (await this.#store.checkpoint(this.#schema)).resolved;
      },
    });
    for (const row of rows) {
      row.isAcked = true;
    }
  }

  async #staged(): Promise<(Mutation & { table: string })[]> {
    const entries = await this.#store.read(this.#schema, {
      after: zeroTimestamp,
      through: maxTimestamp,
      cursor: null,
      limitBytes: 1 << 30,
      limitRows: 1 << 30,
    });
    const rows = entries.flatMap((entry) =>
      decodeEntry(entry).map((row) => ({ ...row, table: entry.table })),
    );
    return rows.toSorted((a, b) =>
      a.time < b.time ? -1 : a.time > b.time ? 1 : 0,
    );
  }

  #pass(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The store, each call of which waits to be let through. */
  #gated(store: StagingStore, gate: { isOpen: boolean }): StagingStore {
    const pass = (): Promise<void> => this.#pass();
    return new Proxy(store, {
      get(target, name) {
        const method = Reflect.get(target, name) as unknown;
        return typeof method === 'function'
          ? async (...given: unknown[]) => {
              if (!gate.isOpen) {
                await pass();
              }
              return method.apply(target, given) as unknown;
            }
          : method;
      },
    });
  }
}

function mutation(row: {
  key: string;
  value: string;
  time: Timestamp;
}): Mutation {
  return {
    time: row.time,
    key: row.key as JsonText,
    after: row.value as JsonText,
    before: null,
  };
}

function sorted(map: Map<string, string>): Map<string, string> {
  return new Map([...map].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
