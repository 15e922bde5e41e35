import { setTimeout as sleep } from 'node:timers/promises';

import { asReplicatorError, ReplicatorError } from '../failure/failure.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import { zeroTimestamp } from '../mutation/timestamp.ts';
import type { Feed, Feeds, TransactionFeed } from '../source/source.ts';
import {
  type SchemaWatch,
  shapeFromJson,
  shapeToJson,
  watchSchema,
} from '../target/schema-watch.ts';
import type { SchemaShape } from '../target/target.ts';
import type { Logger } from '../telemetry/logger.ts';
import { noteConsistent } from './chosen-mode.ts';
import { FeedMemory } from './feed/feed-memory.ts';
import type { House } from './house.ts';
import { Pipeline } from './pipeline.ts';
import { PipelineTransactions } from './feed/transaction-feed.ts';

/** A schema that is not there is looked for again at most this often. */
const absentForMs = 1_000;
/** How often a daemon that shares staging looks for schemas of others. */
const newSchemasMs = 2_000;
/** Whoever asks for many schemas that are not there is forgotten in turn. */
const maxAbsent = 1_000;

/**
 * The pipelines of this daemon: one per target schema, opened at start for
 * every schema that staging knows, and else when a request first names it.
 */
export class Pipelines implements Feeds, AsyncDisposable {
  readonly #house: House;
  readonly #schemaRefreshMs: number;
  readonly #stop = new AbortController();
  readonly #open = new Map<SchemaName, Promise<Pipeline | null>>();
  readonly #pipelines = new Map<SchemaName, Pipeline>();
  readonly #absentAtMs = new Map<SchemaName, number>();
  readonly #running: Promise<void>[] = [];
  readonly #logger: Logger;
  readonly #unopened = new Map<SchemaName, string>();
  readonly #stopResuming = new AbortController();
  #draining = false;

  constructor(house: House, schemaRefreshMs: number) {
    this.#house = house;
    this.#schemaRefreshMs = schemaRefreshMs;
    this.#logger = house.logger;
  }

  get all(): readonly Pipeline[] {
    return [...this.#pipelines.values()];
  }

  /** Schemas that staging knows and that are not open, with the reason. */
  get unopened(): ReadonlyMap<SchemaName, string> {
    return this.#unopened;
  }

  /**
   * Goes on with everything that staging holds from earlier runs. What cannot
   * be opened now is tried again until it can: acknowledged rows must not
   * wait for a request that may never come.
   */
  async resume(): Promise<void> {
    for (const schema of await this.#house.store.schemas()) {
      await this.#resumeSchema(schema);
    }
    if (this.#house.election) {
      this.#running.push(this.#resumeNew());
    } else if (this.#unopened.size > 0) {
      this.#running.push(this.#resumeOthers());
    }
  }

  /**
   * What others have begun to stage since, too: when they are gone, and no
   * request names the schema here, nobody else would go on with it.
   */
  async #resumeNew(): Promise<void> {
    const { signal } = this.#stopResuming;
    while (!signal.aborted) {
      await sleep(newSchemasMs, undefined, { signal }).catch(() => {});
      try {
        const schemas = signal.aborted ? [] : await this.#house.store.schemas();
        for (const schema of schemas) {
          if (!signal.aborted && !this.#pipelines.has(schema)) {
            await this.#resumeSchema(schema);
          }
        }
      } catch {
        // Staging's own errors are told where rows are staged and read.
      }
    }
  }

  async #resumeOthers(): Promise<void> {
    const { signal } = this.#stopResuming;
    const waitMs = this.#house.options.sequencer.quiescentPeriodMs;
    while (this.#unopened.size > 0 && !signal.aborted) {
      await sleep(waitMs, undefined, { signal }).catch(() => {});
      for (const schema of signal.aborted ? [] : this.#unopened.keys()) {
        await this.#resumeSchema(schema);
      }
    }
  }

  /** A schema that is gone and has nothing to wait for is nobody's trouble. */
  async #holdsRows(schema: SchemaName): Promise<boolean> {
    const { store } = this.#house;
    const { applied } = await store.checkpoint(schema);
    return (await store.backlog(schema, applied)).rowCount > 0;
  }

  async #resumeSchema(schema: SchemaName): Promise<void> {
    let reason =
      'staging holds changes for this schema, and the target does not have it';
    try {
      if ((await this.open(schema)) || !(await this.#holdsRows(schema))) {
        this.#unopened.delete(schema);
        return;
      }
    } catch (error) {
      reason = asReplicatorError(error).line;
    }
    if (this.#unopened.get(schema) !== reason) {
      this.#unopened.set(schema, reason);
      this.#logger.warn({ schema }, `not open yet: ${reason}`);
    }
  }

  /** See {@link Feeds.open}. */
  open(schema: SchemaName): Feed | Promise<Feed | null> {
    return this.#pipelines.get(schema) ?? this.#openNew(schema);
  }

  async #openNew(schema: SchemaName): Promise<Feed | null> {
    if (this.#draining) {
      throw new ReplicatorError('E3005');
    }
    const absentAtMs = this.#absentAtMs.get(schema);
    if (
      absentAtMs !== undefined &&
      performance.now() - absentAtMs < absentForMs
    ) {
      return null;
    }
    let opening = this.#open.get(schema);
    if (!opening) {
      opening = this.#openPipeline(schema).finally(() =>
        this.#open.delete(schema),
      );
      this.#open.set(schema, opening);
    }
    return await opening;
  }

  /** See {@link Feeds.open}, for a source of whole transactions. */
  async openTransactions(schema: SchemaName): Promise<TransactionFeed | null> {
    await this.open(schema);
    const pipeline = this.#pipelines.get(schema);
    return pipeline ? new PipelineTransactions(this.#house, pipeline) : null;
  }

  /** A request for the schema was understood: the feed is alive. */
  posted(schema: SchemaName): void {
    const pipeline = this.#pipelines.get(schema);
    if (pipeline) {
      pipeline.status.lastPostAtMs = Date.now();
    }
  }

  /** Lets open target transactions commit and begins no others. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#stopResuming.abort();
    for (const pipeline of this.all) {
      pipeline.stop();
    }
    await Promise.allSettled(this.#open.values());
    await Promise.all(this.#running);
  }

  /** Stops at once; open transactions roll back, staging keeps the rest. */
  abort(): void {
    this.#stop.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.drain();
  }

  async #openPipeline(schema: SchemaName): Promise<Pipeline | null> {
    const { store, target } = this.#house;
    const shape = await this.#readShape(schema);
    if (shape === null) {
      if (this.#absentAtMs.size >= maxAbsent) {
        this.#absentAtMs.clear();
      }
      this.#absentAtMs.set(schema, performance.now());
      return null;
    }
    if (this.#house.options.mode === 'consistent') {
      await noteConsistent(store, shape);
    }
    const pipeline = new Pipeline(this.#house, {
      schema,
      watch: this.#watch(shape),
      memory: await FeedMemory.load(store, schema, async () => {
        const there = await target.checkpoint(schema, this.#stop.signal);
        return there?.applied ?? zeroTimestamp;
      }),
      checkpoint: await store.checkpoint(schema),
      position: await store.position(schema),
    });
    this.#pipelines.set(schema, pipeline);
    if (this.#draining) {
      pipeline.stop();
    }
    this.#running.push(pipeline.run(this.#stop.signal));
    return pipeline;
  }

  #watch(shape: SchemaShape): SchemaWatch {
    return watchSchema(this.#house.target, shape.name, {
      initial: shape,
      refreshMs: this.#schemaRefreshMs,
      signal: this.#stop.signal,
      onChange: (changed) => {
        this.#logger.info(
          { schema: changed.name, tableCount: changed.tables.size },
          'the target schema has changed and was read again',
        );
        this.#saveShape(changed);
      },
      onError: (error) => {
        this.#logger.warn(
          { schema: shape.name, err: error },
          'the target schema could not be read again; it is tried again',
        );
      },
    });
  }

  /** The catalog, or the copy in staging while the target cannot be reached. */
  async #readShape(schema: SchemaName): Promise<SchemaShape | null> {
    const { store, target } = this.#house;
    try {
      const shape = await target.introspect(schema, this.#stop.signal);
      if (shape) {
        await store.setMemo(shapeMemo(schema), shapeToJson(shape));
      }
      return shape;
    } catch (error) {
      const saved = shapeFromJson((await store.memo(shapeMemo(schema))) ?? '');
      if (saved === null) {
        throw error;
      }
      this.#logger.warn(
        { schema },
        `staging accepts changes by the schema as it was last read: ${asReplicatorError(error).line}`,
      );
      return saved;
    }
  }

  #saveShape(shape: SchemaShape): void {
    this.#house.store
      .setMemo(shapeMemo(shape.name), shapeToJson(shape))
      .catch((error: unknown) => {
        this.#logger.warn(
          { schema: shape.name, err: error },
          'the schema could not be saved to staging',
        );
      });
  }
}

function shapeMemo(schema: SchemaName): string {
  return `shape:${schema}`;
}
