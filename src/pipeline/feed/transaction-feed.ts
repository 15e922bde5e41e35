import { ReplicatorError } from '../../failure/failure.ts';
import { count } from '../../lib/count.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type { SourceStep, TransactionFeed } from '../../source/source.ts';
import { encodeEntries, partEnd } from '../../staging/batch-codec.ts';
import type { House } from '../house.ts';
import type { Pipeline } from '../pipeline.ts';

/**
 * A pipeline as a source of whole transactions sees it.
 *
 *     begin ─ discard what has no end ─ advance ─ advance ─ …
 *
 * A step is one staging commit: rows, the time through which transactions are
 * whole, and where the source stands. So after a crash the log holds exactly
 * what lies before the position, and the source is read again from there.
 */
export class PipelineTransactions implements TransactionFeed {
  readonly #house: House;
  readonly #pipeline: Pipeline;
  /** Of the last step of this reader. */
  #position: string | null = null;

  constructor(house: House, pipeline: Pipeline) {
    this.#house = house;
    this.#pipeline = pipeline;
  }

  get schema(): TransactionFeed['schema'] {
    return this.#pipeline.schema;
  }

  shape(): ReturnType<TransactionFeed['shape']> {
    return this.#pipeline.shape();
  }

  refreshShape(): ReturnType<TransactionFeed['refreshShape']> {
    return this.#pipeline.refreshShape();
  }

  position(): Promise<string | null> {
    return this.#house.store.position(this.schema);
  }

  /** See {@link TransactionFeed.begin}. */
  async begin(position: string, previous: string | null): Promise<Timestamp> {
    const { store, logger } = this.#house;
    const { schema } = this;
    await this.#readyToAccept();
    if (previous === null) {
      await this.#refuseOtherSource();
    }
    const { resolved } = await store.checkpoint(schema);
    // Staging that was purged has forgotten what the target has not: whatever
    // came at or before its watermark would never be applied.
    const { applied } = this.#pipeline.status;
    const checkpoint = await store.advance({
      schema,
      entries: [],
      resolved: resolved < applied ? applied : resolved,
      position,
      previous,
    });
    this.#position = position;
    const discardedCount = await store.discardUnresolved(schema);
    if (discardedCount > 0) {
      logger.info(
        { schema },
        `discarded ${count(discardedCount, 'staged entry', 'staged entries')} of a transaction whose end was never seen: the source sends it again`,
      );
    }
    return checkpoint.resolved;
  }

  /** See {@link TransactionFeed.advance}. */
  async advance({
    tables,
    resolved,
    position,
    partOf,
  }: SourceStep): Promise<void> {
    const { store, budget, metrics } = this.#house;
    const { schema } = this;
    await this.#readyToAccept();
    const entries = encodeEntries(schema, tables);
    if (partOf !== undefined) {
      entries.push(partEnd(schema, partOf));
    }
    const startedAtMs = performance.now();
    let checkpoint;
    try {
      checkpoint = await store.advance({
        schema,
        entries,
        resolved,
        position,
        previous: this.#position,
      });
    } catch (error) {
      metrics.stage_errors_total.inc({ schema });
      throw error;
    }
    this.#position = position;
    metrics.stage_duration_seconds.observe(
      { schema },
      (performance.now() - startedAtMs) / 1_000,
    );
    let rowCount = 0;
    for (const { table, mutations } of tables) {
      metrics.stage_mutations_total.inc({ schema, table }, mutations.length);
      rowCount += mutations.length;
    }
    budget.appended(entries.reduce((sum, { body }) => sum + body.length, 0));
    this.#pipeline.advanced(checkpoint, rowCount);
  }

  /**
   * Whoever applies must read too: read by a daemon that applies no more, a
   * slot would keep all others waiting, and nobody would be left to apply.
   */
  async #readyToAccept(): Promise<void> {
    await this.#pipeline.readyToAccept();
    if (this.#pipeline.status.state === 'superseded') {
      throw new ReplicatorError('E4009');
    }
  }

  admit(): void {
    this.#house.budget.admit();
  }

  /**
   * Rows of a changefeed that were never resolved cannot be told from a
   * transaction that has no end: they must not be discarded, nor applied.
   */
  async #refuseOtherSource(): Promise<void> {
    const { store } = this.#house;
    const { resolved } = await store.checkpoint(this.schema);
    const { rowCount } = await store.backlog(this.schema, resolved);
    if (rowCount > 0) {
      throw new ReplicatorError('E6008', {
        detail: `staging holds ${count(rowCount, 'row', 'rows')} of a changefeed into ${this.schema} that it never resolved`,
      });
    }
  }
}
