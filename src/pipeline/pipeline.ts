import { ReplicatorError } from '../failure/failure.ts';
import type { TableMutations } from '../mutation/mutation.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import { laterTimestamp, type Timestamp } from '../mutation/timestamp.ts';
import type { Feed, FeedKeyOrders, OrderTrust } from '../source/source.ts';
import type { ImmediateSequencer } from '../sequencer/immediate/immediate.ts';
import { tablesAsStaged } from '../staging/placed-rows.ts';
import type { Checkpoint } from '../staging/staging.ts';
import type { SchemaWatch } from '../target/schema-watch.ts';
import type { SchemaShape } from '../target/target.ts';
import type { Logger } from '../telemetry/logger.ts';
import { Applying } from './applying.ts';
import { FeedConflicts } from './feed/feed-conflicts.ts';
import type { FeedMemory } from './feed/feed-memory.ts';
import type { Sifted } from './feed/redelivery.ts';
import { RequestsUnderWay } from './feed/requests-under-way.ts';
import { type StagedRequest, stageRequest } from './feed/stage-rows.ts';
import type { House } from './house.ts';
import { PacedLook } from './paced-look.ts';
import { auditStatus } from './watching/audited-status.ts';
import { PipelineStatus } from './watching/status.ts';

interface Parts {
  readonly schema: SchemaName;
  readonly watch: SchemaWatch;
  readonly memory: FeedMemory;
  readonly checkpoint: Checkpoint;
  /** Of a source of whole transactions that was read into this schema. */
  readonly position: string | null;
}

/**
 * One changefeed joined to one target schema: from the request that was
 * recognised to the watermark behind its commit.
 *
 *     accept ─ drop redeliveries ─ stage ─┬─ (consistent) "yes"
 *                                         └─ (immediate) apply ─ "yes"
 *     resolve ─ stage ─ wake the sequencer
 *
 * This is the half before staging, which answers the source; applying.ts is
 * the half behind it.
 */
export class Pipeline implements Feed {
  readonly schema: SchemaName;
  readonly status = new PipelineStatus();
  readonly #house: House;
  readonly #watch: SchemaWatch;
  readonly #logger: Logger;
  readonly #applying: Applying;
  readonly #memory: FeedMemory;
  readonly #conflicts: FeedConflicts;
  readonly #underWay: RequestsUnderWay;
  readonly #look: PacedLook;
  readonly #position: string | null;

  constructor(house: House, parts: Parts) {
    this.#house = house;
    this.schema = parts.schema;
    this.#memory = parts.memory;
    this.#position = parts.position;
    this.#watch = parts.watch;
    this.#logger = house.logger.child({ schema: parts.schema });
    this.status.mode = house.options.mode;
    auditStatus(this.status, parts.schema, house.audit);
    this.status.applied = parts.checkpoint.applied;
    this.status.resolved = parts.checkpoint.resolved;
    this.#conflicts = new FeedConflicts(parts.schema, this.status, {
      shared: house.store.leases && house.store,
      metrics: house.metrics,
      logger: this.#logger,
    });
    this.#underWay = new RequestsUnderWay(parts.checkpoint.resolved);
    this.#applying = new Applying(house, {
      schema: parts.schema,
      watch: parts.watch,
      status: this.status,
      logger: this.#logger,
      onResolved: (resolved) => this.#memory.resolved(resolved),
    });
    this.#look = new PacedLook(parts.watch, this.#applying.stopSignal);
  }

  /** Who applies: the name of a daemon, empty where nobody does; null where it can only be this one. */
  get leader(): string | null {
    return this.#applying.leader;
  }

  get keyOrders(): FeedKeyOrders {
    return this.#memory.keyOrders;
  }

  /** See {@link Feed.confirmOrders}. */
  async confirmOrders(trust: OrderTrust): Promise<boolean> {
    return await this.#memory.confirmOrders(trust);
  }

  shape(): SchemaShape {
    // Every pipeline is opened with a shape (pipelines.ts).
    return this.#watch.current!;
  }

  /** See {@link Feed.refreshShape}. */
  async refreshShape(): Promise<SchemaShape> {
    return await this.#look.look();
  }

  /** See {@link Feed.accept}. */
  async accept(tables: readonly TableMutations[]): Promise<void> {
    this.#refuseOtherSource();
    await this.readyToAccept();
    this.#house.budget.admit();
    using _underWay = this.#underWay.enter(tables);
    const { staged, entries, ready, durable } = await this.#stage(tables);
    if (ready) {
      await ready.accept(tablesAsStaged(staged, entries), durable);
    } else if (staged.length > 0) {
      await durable;
      this.#applying.offer(staged);
    }
  }

  /** A step of its own: nothing here holds the rows until they are applied. */
  #stage(
    tables: readonly TableMutations[],
  ): Promise<StagedRequest<ImmediateSequencer | null>> {
    return stageRequest(this.#house, {
      schema: this.schema,
      status: this.status,
      sift: (resolved) => this.#sift(tables, resolved),
      ready: () => this.#applying.immediate(),
    });
  }

  async #sift(
    tables: readonly TableMutations[],
    resolved: Timestamp,
  ): Promise<Sifted> {
    this.status.resolved = laterTimestamp(this.status.resolved, resolved);
    const local = {
      resolved: laterTimestamp(this.status.resolved, this.#underWay.promised),
      applied: this.#applying.appliedThrough,
    };
    try {
      return await this.#memory.sift(tables, local);
    } catch (error) {
      this.#conflicts.refused(error);
      throw error;
    }
  }

  /** See {@link Feed.resolve}. */
  async resolve(time: Timestamp): Promise<void> {
    const cameAtMs = performance.now();
    this.#refuseOtherSource();
    await this.#applying.refuseForeignWatermark();
    this.status.lastResolvedAtMs = Date.now();
    await this.#underWay.passed(time);
    const recorded = await this.#house.store.resolve(this.schema, time);
    const { accepted, checkpoint } = recorded;
    this.status.resolved = checkpoint.resolved;
    await this.#conflicts.heard(time, recorded, performance.now() - cameAtMs);
    if (!accepted) {
      this.#house.metrics.checkpoint_proposed_going_backwards_errors_total.inc({
        schema: this.schema,
      });
      this.#logger.warn(
        { resolved: checkpoint.resolved, received: time },
        'a resolved timestamp went backwards and is ignored: the changefeed was restarted, or a second one sends to this schema',
      );
      return;
    }
    await this.#memory.resolved(checkpoint.resolved);
    await this.#applying.resolved(time, checkpoint.resolved);
  }

  /** A source of whole transactions has made a step (transaction-feed.ts). */
  advanced({ resolved }: Checkpoint, rowCount: number): void {
    const nowMs = Date.now();
    this.status.lastPostAtMs = nowMs;
    this.status.lastResolvedAtMs = nowMs;
    this.status.stagedRowCount += rowCount;
    this.status.resolved = resolved;
    this.#applying.wake(resolved);
  }

  /**
   * Resolves when the target has been asked once; rejects while what is
   * staged could be applied by nobody.
   */
  async readyToAccept(): Promise<void> {
    await this.#applying.refuseForeignWatermark();
    // Shared staging is read by whoever has taken over; ours alone by nobody.
    if (
      this.status.state === 'superseded' &&
      this.#house.store.kind === 'sqlite'
    ) {
      throw new ReplicatorError('E4009');
    }
  }

  /** Runs until stopped or aborted. Never rejects. */
  async run(abort: AbortSignal): Promise<void> {
    await this.#applying.run(abort);
  }

  /** Ends `run` after the transactions that are open have ended. */
  stop(): void {
    this.#applying.stop();
  }

  get guardKeyCount(): number {
    return this.#applying.guardKeyCount;
  }

  /**
   * Behind a slot's last resolved time there may be the beginning of a
   * transaction whose end was never seen: a changefeed would resolve it.
   */
  #refuseOtherSource(): void {
    if (this.#position !== null) {
      throw new ReplicatorError('E6008', {
        detail: `staging holds what was read from a replication slot into ${this.schema}`,
      });
    }
  }
}
