/**
 * Two changefeeds into one target schema, which should not be, and two daemons
 * that share one staging and know of what is resolved what they have happened
 * to hear. Store and memories are real; each call to the store waits until the
 * world lets it through, so that a daemon may be held up anywhere for as long
 * as it likes.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ReplicatorError } from '../../src/failure/failure.ts';
import type { JsonText } from '../../src/mutation/mutation.ts';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import {
  laterTimestamp,
  maxTimestamp,
  type Timestamp,
  zeroTimestamp,
} from '../../src/mutation/timestamp.ts';
import { FeedMemory } from '../../src/pipeline/feed/feed-memory.ts';
import { siftAndStage } from '../../src/pipeline/feed/sift-and-stage.ts';
import { decodeEntry, encodeEntries } from '../../src/staging/batch-codec.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import { instant } from './feed-world.ts';

interface FedRow {
  readonly feed: number;
  readonly key: string;
  readonly step: number;
  isAcked: boolean;
  isRefused: boolean;
}

interface Daemon {
  readonly memory: FeedMemory;
  readonly store: StagingStore;
  resolved: Timestamp;
}

export class TwoFeedWorld {
  readonly #store: StagingStore;
  readonly #schema: SchemaName;
  readonly #daemons: Daemon[] = [];
  readonly #clocks = [1, 1];
  readonly #rows: FedRow[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #target = new Set<string>();
  #applied: Timestamp = zeroTimestamp;
  /** What should not be, in words. */
  readonly wrongs: string[] = [];

  private constructor(store: StagingStore, schema: SchemaName) {
    this.#store = store;
    this.#schema = schema;
  }

  static async open(
    stores: readonly StagingStore[],
    schema: SchemaName,
  ): Promise<TwoFeedWorld> {
    const world = new TwoFeedWorld(stores[0]!, schema);
    for (const store of stores) {
      const gate = { isOpen: true };
      const gated = world.#gated(store, gate);
      const memory = await FeedMemory.load(
        gated,
        schema,
        async () => world.#applied,
      );
      gate.isOpen = false;
      world.#daemons.push({ memory, store: gated, resolved: zeroTimestamp });
    }
    return world;
  }

  /**
   * A new row of the feed, and one before it again. Each in a request of its
   * own: of several in one request the latest speaks for all (log-witness.ts).
   */
  send(feed: number, daemon: number, later: number, again: number): void {
    this.#clocks[feed]! += 1 + later;
    this.#rows.push({
      feed,
      key: `[${this.#rows.length}]`,
      step: this.#clocks[feed]!,
      isAcked: false,
      isRefused: false,
    });
    const sent = this.#rows.filter((row) => row.feed === feed);
    for (const at of new Set([sent.length - 1, sent.length - 1 - again])) {
      if (at >= 0) {
        this.#track(this.#deliver(this.#daemons[daemon]!, sent[at]!));
      }
    }
  }

  /** As far as the feed's own rows are acknowledged. */
  resolve(feed: number, daemon: number): void {
    const open = this.#rows.filter((row) => row.feed === feed && !row.isAcked);
    const step = open.reduce(
      (least, row) => Math.min(least, row.step - 1),
      this.#clocks[feed]!,
    );
    const to = this.#daemons[daemon]!;
    const resolving = async (): Promise<void> => {
      const { checkpoint } = await to.store.resolve(
        this.#schema,
        instant(step),
      );
      await this.#hears(to, checkpoint.resolved);
    };
    this.#track(resolving());
  }

  /** The daemon looks at what the others have resolved. */
  follow(daemon: number): void {
    const to = this.#daemons[daemon]!;
    const looking = async (): Promise<void> => {
      const { resolved } = await to.store.checkpoint(this.#schema);
      await this.#hears(to, resolved);
    };
    this.#track(looking());
  }

  /** What is resolved is applied: nobody looks at it again. */
  async sweep(): Promise<void> {
    const { resolved } = await this.#store.checkpoint(this.#schema);
    const entries = await this.#store.read(this.#schema, {
      after: this.#applied,
      through: maxTimestamp,
      cursor: null,
      limitBytes: 1 << 30,
      limitRows: 1 << 30,
    });
    for (const { time, key } of entries.flatMap(decodeEntry)) {
      if (time > this.#applied && time <= resolved) {
        this.#target.add(key);
      }
    }
    this.#applied = laterTimestamp(this.#applied, resolved);
    await this.#store.commitApplied(this.#schema, this.#applied, true);
  }

  /** Lets one of the waiting calls through. */
  async step(which: number): Promise<void> {
    const [release] = this.#waiting.splice(which % this.#waiting.length, 1);
    release?.();
    for (let turn = 0; turn < 4; turn += 1) {
      await nextTurn();
    }
  }

  /** Everything ends and is resolved: what was acknowledged must be there. */
  async finish(): Promise<void> {
    while (this.#underWay.size > 0) {
      await this.step(0);
    }
    const last = instant(Math.max(...this.#clocks) + 1);
    await this.#store.resolve(this.#schema, last);
    await this.sweep();
    for (const { feed, key, isAcked, isRefused } of this.#rows) {
      const row = `row ${key} of feed ${feed}`;
      if (isAcked && isRefused) {
        this.wrongs.push(`${row} was acknowledged, and refused`);
      }
      if (isAcked && !this.#target.has(key)) {
        this.wrongs.push(`${row} was acknowledged and is lost`);
      }
      if (!isAcked && !isRefused) {
        this.wrongs.push(`${row} had no answer`);
      }
    }
  }

  async #hears(daemon: Daemon, resolved: Timestamp): Promise<void> {
    daemon.resolved = laterTimestamp(daemon.resolved, resolved);
    await daemon.memory.resolved(resolved);
  }

  async #deliver(daemon: Daemon, row: FedRow): Promise<void> {
    const schema = this.#schema;
    const request = {
      table: `t${row.feed}`,
      keyColumns: ['id'],
      mutations: [
        {
          time: instant(row.step),
          key: row.key as JsonText,
          after: '{}' as JsonText,
          before: null,
        },
      ],
    };
    try {
      await siftAndStage({
        sift: (resolved) => {
          daemon.resolved = laterTimestamp(daemon.resolved, resolved);
          const local = { resolved: daemon.resolved, applied: zeroTimestamp };
          return daemon.memory.sift([request], local);
        },
        stage: ({ fresh, oldestNew }) =>
          daemon.store.append(
            encodeEntries(schema, fresh),
            oldestNew === null ? {} : { guard: { schema, above: oldestNew } },
          ),
        resolved: async () => (await daemon.store.checkpoint(schema)).resolved,
      });
      row.isAcked = true;
    } catch (error) {
      if (!(error instanceof ReplicatorError) || error.code !== 'E1029') {
        throw error;
      }
      row.isRefused = true;
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.wrongs.push(String(error));
      })
      .finally(() => {
        this.#underWay.delete(tracked);
      });
    this.#underWay.add(tracked);
  }

  #gated(store: StagingStore, gate: { isOpen: boolean }): StagingStore {
    return new Proxy(store, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as unknown;
        return typeof method === 'function'
          ? async (...given: unknown[]) => {
              if (!gate.isOpen) {
                await new Promise<void>((resolve) => {
                  this.#waiting.push(resolve);
                });
              }
              return method.apply(target, given) as unknown;
            }
          : method;
      },
    });
  }
}
