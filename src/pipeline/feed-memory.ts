import type { SchemaName } from '../mutation/schema-name.ts';
import { KeyOrders } from '../source/changefeed/key-order.ts';
import type { StagingStore } from '../staging/staging.ts';
import { RedeliveryFilter } from './redelivery.ts';

/**
 * What a feed has taught us and must not be forgotten over a restart: in
 * which order it lists key columns, and which tables have delivered. Kept as
 * memos in staging; `save` resolves when they are durable, and is awaited
 * before a request that taught something is acknowledged.
 */
export class FeedMemory {
  readonly keyOrders: KeyOrders;
  readonly redelivery: RedeliveryFilter;
  readonly #store: StagingStore;
  readonly #schema: SchemaName;
  #savedKeyOrders: number;
  #savedRedelivery: number;
  #saving: Promise<void> = Promise.resolve();

  private constructor(
    store: StagingStore,
    schema: SchemaName,
    keyOrders: KeyOrders,
    redelivery: RedeliveryFilter,
  ) {
    this.#store = store;
    this.#schema = schema;
    this.keyOrders = keyOrders;
    this.redelivery = redelivery;
    this.#savedKeyOrders = keyOrders.revision;
    this.#savedRedelivery = redelivery.revision;
  }

  static async load(
    store: StagingStore,
    schema: SchemaName,
  ): Promise<FeedMemory> {
    const keyOrders = await store.memo(keyOrdersMemo(schema));
    const tables = await store.memo(tablesMemo(schema));
    return new FeedMemory(
      store,
      schema,
      keyOrders === null
        ? new KeyOrders()
        : KeyOrders.fromJSON(JSON.parse(keyOrders)),
      new RedeliveryFilter(tables === null ? {} : JSON.parse(tables)),
    );
  }

  async save(): Promise<void> {
    if (this.#isSaved()) {
      return;
    }
    // One after the other: an older memo must not land behind a newer one.
    this.#saving = this.#saving.catch(() => {}).then(() => this.#saveBoth());
    await this.#saving;
  }

  #isSaved(): boolean {
    return (
      this.keyOrders.revision === this.#savedKeyOrders &&
      this.redelivery.revision === this.#savedRedelivery
    );
  }

  async #saveBoth(): Promise<void> {
    const keyRevision = this.keyOrders.revision;
    if (keyRevision > this.#savedKeyOrders) {
      const text = JSON.stringify(this.keyOrders);
      await this.#store.setMemo(keyOrdersMemo(this.#schema), text);
      this.#savedKeyOrders = keyRevision;
    }
    const tableRevision = this.redelivery.revision;
    if (tableRevision > this.#savedRedelivery) {
      const text = JSON.stringify(this.redelivery);
      await this.#store.setMemo(tablesMemo(this.#schema), text);
      this.#savedRedelivery = tableRevision;
    }
  }
}

function keyOrdersMemo(schema: SchemaName): string {
  return `key-orders:${schema}`;
}

function tablesMemo(schema: SchemaName): string {
  return `delivered-tables:${schema}`;
}
