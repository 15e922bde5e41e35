import type { SchemaName } from '../../mutation/schema-name.ts';
import {
  KeyOrders,
  type KeyOrdersMemo,
  type StoredOrder,
} from '../../source/changefeed/decode/key-order.ts';
import type { OrderTrust } from '../../source/source.ts';
import type { StagingStore } from '../../staging/staging.ts';

/**
 * The key orders of a schema in staging, one memo a table, shared by all
 * daemons. A lesson is merged with what is there and exchanged, before any
 * row that relied on it is staged: of a proof and an assumption that it
 * disproves the later one always finds the earlier one (E1017).
 */
export class OrderMemos {
  readonly orders: KeyOrders;
  readonly #store: StagingStore;
  readonly #schema: SchemaName;
  /** As last seen in staging. */
  readonly #texts = new Map<string, string | null>();

  private constructor(
    store: StagingStore,
    schema: SchemaName,
    orders: KeyOrders,
  ) {
    this.#store = store;
    this.#schema = schema;
    this.orders = orders;
  }

  static async load(
    store: StagingStore,
    schema: SchemaName,
  ): Promise<OrderMemos> {
    const former = await store.memo(`key-orders:${schema}`);
    return new OrderMemos(
      store,
      schema,
      former === null
        ? new KeyOrders()
        : KeyOrders.fromJSON(JSON.parse(former) as KeyOrdersMemo),
    );
  }

  /** See {@link Feed.confirmOrders}. */
  async confirm(trust: OrderTrust): Promise<boolean> {
    for (const table of trust.tables) {
      await this.#look(table);
      await this.#save(table);
    }
    return this.orders.stillTrusts(trust);
  }

  /** Makes durable what was learned. E1017 where others assumed otherwise. */
  async save(): Promise<void> {
    for (const table of this.orders.changed) {
      await this.#save(table);
    }
  }

  async #save(table: string): Promise<void> {
    const wasContradicted = this.orders.isContradicted(table);
    if (!this.#texts.has(table)) {
      await this.#look(table);
    }
    while (this.orders.changed.has(table)) {
      const there = this.#texts.get(table) ?? null;
      const stored = this.orders.stored(table)!;
      const text = JSON.stringify(stored);
      if (text !== there) {
        const now = await this.#store.exchangeMemo(
          this.#memo(table),
          there,
          text,
        );
        this.#texts.set(table, now);
        if (now !== text) {
          this.#merge(table, now);
          continue;
        }
      }
      this.orders.saved(table, stored);
    }
    // What was so before was refused to whoever needs it.
    if (!wasContradicted) {
      this.orders.refuseContradicted(table);
    }
  }

  async #look(table: string): Promise<void> {
    const text = await this.#store.memo(this.#memo(table));
    if (text !== this.#texts.get(table)) {
      this.#texts.set(table, text);
      this.#merge(table, text);
    }
  }

  #merge(table: string, text: string | null): void {
    if (text !== null) {
      this.orders.merge(table, JSON.parse(text) as StoredOrder);
    }
  }

  #memo(table: string): string {
    return `key-order:${this.#schema}:${table}`;
  }
}
