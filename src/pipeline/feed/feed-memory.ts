import { ReplicatorError } from '../../failure/failure.ts';
import {
  oldestTime,
  oldestTimeOf,
  type TableMutations,
} from '../../mutation/mutation.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import {
  laterTimestamp,
  printTimestamp,
  type Timestamp,
} from '../../mutation/timestamp.ts';
import type { KeyOrders } from '../../source/changefeed/decode/key-order.ts';
import type { OrderTrust } from '../../source/source.ts';
import type { StagingStore } from '../../staging/staging.ts';
import { LogWitness } from './log-witness.ts';
import { OrderMemos } from './order-memos.ts';
import { allNew, type Progress, type Sifted, siftRows } from './redelivery.ts';
import {
  type TableMark,
  TableMarks,
  type TargetApplied,
} from './table-marks.ts';

/**
 * What a feed has taught us and must not be forgotten over a restart, nor be
 * unknown to another daemon: in which order it lists key columns
 * (order-memos.ts), and which tables have delivered (table-marks.ts). Kept as
 * memos in staging, one a table; durable before a request that taught
 * something is staged.
 */
export class FeedMemory {
  readonly #store: StagingStore;
  readonly #schema: SchemaName;
  readonly #orders: OrderMemos;
  readonly #marks: TableMarks;
  readonly #witness: LogWitness;

  private constructor(
    store: StagingStore,
    schema: SchemaName,
    orders: OrderMemos,
    marks: TableMarks,
  ) {
    this.#store = store;
    this.#schema = schema;
    this.#orders = orders;
    this.#marks = marks;
    this.#witness = new LogWitness(store, schema);
  }

  static async load(
    store: StagingStore,
    schema: SchemaName,
    targetApplied: TargetApplied,
  ): Promise<FeedMemory> {
    return new FeedMemory(
      store,
      schema,
      await OrderMemos.load(store, schema),
      await TableMarks.load(store, schema, targetApplied),
    );
  }

  get keyOrders(): KeyOrders {
    return this.#orders.orders;
  }

  /** See {@link Feed.confirmOrders}. */
  async confirmOrders(trust: OrderTrust): Promise<boolean> {
    return await this.#orders.confirm(trust);
  }

  /**
   * What of a request is to be staged. Reads staging only where a table is
   * new here, is being scanned, or sends what lies at or below `resolved`.
   * Rejects with E1029 where a row should have been here before and was not.
   */
  async sift(
    tables: readonly TableMutations[],
    local: Progress,
  ): Promise<Sifted> {
    await this.#orders.save();
    const past = laterTimestamp(local.resolved, local.applied);
    const oldest = oldestTimeOf(tables);
    if (oldest !== null && oldest > past && this.#areSettled(tables)) {
      return allNew(tables, oldest);
    }
    const marked = await Promise.all(
      tables.map(async (part): Promise<[TableMutations, TableMark]> => [
        part,
        await this.#markFor(part, local),
      ]),
    );
    return siftRows(marked, local);
  }

  /** The feed has resolved this far: scans that began before are over. */
  async resolved(time: Timestamp): Promise<void> {
    await this.#marks.settleThrough(time);
  }

  #areSettled(tables: readonly TableMutations[]): boolean {
    return tables.every(({ table }) => this.#marks.get(table)?.isSettled);
  }

  async #markFor(part: TableMutations, local: Progress): Promise<TableMark> {
    const { table } = part;
    // No part of a request is empty.
    const oldest = oldestTime(part.mutations)!;
    const past = laterTimestamp(local.resolved, local.applied);
    for (;;) {
      const mark =
        this.#marks.get(table) ?? (await this.#marks.look(table, local));
      if (mark.isSettled) {
        if (oldest > past) {
          return mark;
        }
        const said = await this.#witness.testify(part, mark, past);
        if (said.kind === 'seen') {
          return mark;
        }
        // A person may have asked for another scan meanwhile.
        const now = await this.#marks.look(table, local);
        if (now.isSettled && now.since === mark.since) {
          if (said.kind === 'never') {
            throw this.#stranger(part, said.time, past);
          }
          return now;
        }
      } else if (await this.#isScanned(mark, oldest, local)) {
        return mark;
      } else {
        await this.#marks.settle(table, mark);
      }
    }
  }

  /**
   * Whether the scan still goes on. What this daemon believes to be resolved
   * may be old, and an old row must not be given a new time: staging is asked.
   */
  async #isScanned(
    { since }: TableMark,
    oldest: Timestamp,
    local: Progress,
  ): Promise<boolean> {
    if (local.resolved > since || oldest > since) {
      return local.resolved <= since;
    }
    const { resolved } = await this.#store.checkpoint(this.#schema);
    return resolved <= since;
  }

  #stranger(
    { table }: TableMutations,
    time: Timestamp,
    past: Timestamp,
  ): ReplicatorError {
    return new ReplicatorError('E1029', {
      detail: `a row of table ${JSON.stringify(table)} has the time ${printTimestamp(time)}, ${this.#schema} is resolved through ${printTimestamp(past)}, and staging has not seen the row before`,
      remedy: `if a second changefeed sends to ${this.#schema}, give each its own target schema, or make one changefeed of all tables; if the table was taken out of the changefeed and added again with a scan, run replicator staging rescan --schema '${this.#schema}' --table '${table}'`,
    });
  }
}
