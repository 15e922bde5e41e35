import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { PostgresAddress } from '../../config/address/postgres.ts';
import { backoffMs } from '../../failure/backoff.ts';
import { asReplicatorError, ReplicatorError } from '../../failure/failure.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { TransactionFeed } from '../source.ts';
import { parseLsn, printLsn } from './lsn.ts';
import { readRelation } from './relations.ts';
import { RowDecoder } from './row-decoder.ts';
import {
  parsePosition,
  printPosition,
  type SlotPosition,
} from './slot-position.ts';
import { readSlot } from './slot-state.ts';
import { SlotTables } from './slot-tables.ts';
import { requireContinuity, type SourceIdentity } from './source-identity.ts';
import { openSourceSession } from './source-session.ts';
import { Spool, SpoolFull } from './spool.ts';
import { Transactions, type TransactionsObserver } from './transactions.ts';
import { TypeCatalog, type TypeRow, typesQuery } from './type-catalog.ts';
import { WalStream } from './wal-stream.ts';

export interface LogicalSourceOptions {
  readonly address: PostgresAddress;
  readonly slotName: string;
  readonly publicationNames: readonly string[];
  readonly origin: 'any' | 'none';
  readonly standbyTimeoutMs: number;
  readonly feed: TransactionFeed;
  /** By schema of the source: where its tables go. */
  readonly schemas: ReadonlyMap<string, SchemaName>;
  /** The name of a table in the feed. */
  tableName(schema: SchemaName, table: string): string;
  readonly onUnknown: 'refuse' | 'ignore';
  /** For transactions that are streamed before they have ended. */
  readonly spoolFolder: string;
  readonly spoolBytes: number;
  /** Characters of rows held beyond which the stream waits for staging. */
  readonly bufferLength: number;
  /** How often what a person must mend is tried again. */
  readonly quiescentPeriodMs: number;
  readonly observer: LogicalSourceObserver;
  readonly logger: Logger;
}

/** For metrics; never blocks. */
export interface LogicalSourceObserver extends TransactionsObserver {
  dialled(succeeded: boolean): void;
  unchangedToast(valueCount: number): void;
  leftOut(changeCount: number): void;
}

/**
 * - `starting`  has not read anything yet.
 * - `waiting`   another client reads the slot; this one takes over.
 * - `reading`   all is well.
 * - `retrying`  the connection was lost, or staging cannot be written.
 * - `halted`    somebody must mend something; it is tried again.
 */
export type LogicalSourceState =
  | 'starting'
  | 'waiting'
  | 'reading'
  | 'retrying'
  | 'halted';

const slotPollMs = 500;
const retry = { initialMs: 100, maxMs: 5_000, multiplier: 2 };

/**
 * What no patience mends, and no daemon may mend by itself: whoever starts
 * again from elsewhere passes over changes in silence.
 */
const finalCodes = new Set(['E6002', 'E6003', 'E6005', 'E6006', 'E6008']);

/**
 * Reads one slot into one feed, for as long as that is possible:
 *
 *     who is the source? ─ take the slot ─ take the feed over, discard what
 *     has no end ─ read …until the connection is lost… ─ and again
 */
export class LogicalSource {
  readonly #options: LogicalSourceOptions;
  readonly #reader = randomUUID();
  #state: LogicalSourceState = 'starting';
  #lastError: ReplicatorError | null = null;
  #mayStream = true;
  #hasRead = false;
  #stream: WalStream | null = null;
  #spool: Spool | null = null;
  /** Of all sessions: it knows what was replicated before. */
  #knownTables: SlotTables | null = null;
  #stagedLsn = 0n;

  constructor(options: LogicalSourceOptions) {
    this.#options = options;
  }

  get state(): LogicalSourceState {
    return this.#state;
  }

  /** One line for the health check; null when all is well. */
  get complaint(): string | null {
    return this.#state === 'reading' || this.#lastError === null
      ? null
      : `source ${this.#state}: ${this.#lastError.line}`;
  }

  /** Bytes of transactions that have not ended, on disk. */
  get spoolBytes(): number {
    return this.#spool?.sizeBytes ?? 0;
  }

  /** Everything before it is durable in staging. */
  get stagedLsn(): bigint {
    return this.#stagedLsn;
  }

  /** How far the server had read its WAL when it last said so. */
  get receivedLsn(): bigint {
    return this.#stream?.receivedLsn ?? this.#stagedLsn;
  }

  /**
   * Reads until the signal aborts; what is whole is staged and confirmed
   * then. Rejects with what makes going on impossible.
   */
  async run(signal: AbortSignal): Promise<void> {
    let attempt = 0;
    while (!signal.aborted) {
      try {
        await this.#readOnce(signal, () => {
          attempt = 0;
        });
      } catch (error) {
        if (signal.aborted) {
          return;
        }
        if (error instanceof SpoolFull) {
          this.#mayStream = false;
          this.#options.logger.warn(
            'transactions that have not ended yet fill the disk space for them (--stagingMaxBytes): from now on the source keeps them until they end',
          );
          continue;
        }
        const failure = asReplicatorError(error);
        if (
          finalCodes.has(failure.code) ||
          (!this.#hasRead && failure.disposition === 'halt')
        ) {
          throw failure;
        }
        attempt += 1;
        await this.#standBack(failure, attempt, signal);
      }
    }
  }

  async #standBack(
    failure: ReplicatorError,
    attempt: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { logger, quiescentPeriodMs } = this.#options;
    const isTaken = failure.code === 'E6004';
    const state = isTaken
      ? 'waiting'
      : failure.disposition === 'retry'
        ? 'retrying'
        : 'halted';
    if (this.#state !== state || this.#lastError?.line !== failure.line) {
      const line = isTaken
        ? `waiting: ${failure.message}; this daemon takes over when that one ends`
        : failure.line;
      logger[isTaken ? 'info' : state === 'halted' ? 'error' : 'warn'](
        { code: failure.code },
        line,
      );
    }
    this.#state = state;
    this.#lastError = failure;
    const waitMs = isTaken
      ? slotPollMs
      : state === 'halted'
        ? quiescentPeriodMs
        : backoffMs(attempt, retry);
    await sleep(waitMs, undefined, { signal }).catch(() => {});
  }

  async #readOnce(signal: AbortSignal, begun: () => void): Promise<void> {
    const { feed, slotName, observer, logger } = this.#options;
    const place = await this.#place(signal);
    const { noted, recorded } = place;
    await using spool = new Spool(this.#options.spoolFolder);
    let stream: WalStream;
    try {
      stream = await WalStream.open(
        {
          address: this.#options.address,
          slotName,
          from: recorded === null ? 0n : parseLsn(recorded.lsn),
          plugin: this.#plugin(place.versionNumber),
          standbyTimeoutMs: this.#options.standbyTimeoutMs,
        },
        signal,
      );
      observer.dialled(true);
    } catch (error) {
      observer.dialled(false);
      throw error;
    }
    await using reading = stream;
    if ((await feed.position()) !== noted) {
      throw new ReplicatorError('E2010');
    }
    const positionAt = (lsn: bigint): string =>
      printPosition({
        slot: slotName,
        systemId: place.identity.systemId,
        timeline: place.identity.timeline,
        lsn: printLsn(lsn),
        reader: this.#reader,
      });
    const resolved = await feed.begin(positionAt(place.lsn), noted);
    this.#stagedLsn = place.lsn;
    this.#stream = stream;
    this.#spool = spool;
    const tables = (this.#knownTables ??= this.#tables(signal));
    const decoder = new RowDecoder({
      types: new TypeCatalog((oids) =>
        this.#ask<TypeRow>(typesQuery, [oids], signal),
      ),
      target: (relation) => tables.find(relation),
      onUnknown: this.#options.onUnknown === 'ignore' ? 'ignore' : 'keep',
    });
    let stagingFailure: unknown = null;
    const transactions = new Transactions({
      feed,
      decoder,
      spool,
      learnRelation: (message) => {
        const relation = readRelation(message);
        return tables.knows(relation)
          ? decoder.relation(message)
          : tables.look(relation).then(() => decoder.relation(message));
      },
      resolved,
      stagedLsn: place.lsn,
      positionAt,
      confirm: (lsn) => reading.confirm(lsn),
      failed: (error) => {
        stagingFailure ??= error;
        reading.cut();
      },
      bufferLength: this.#options.bufferLength,
      spoolBytes: this.#options.spoolBytes,
      observer: {
        ...observer,
        staged: (lsn, ageMs) => {
          this.#stagedLsn = lsn;
          observer.staged(lsn, ageMs);
          countDecoded(decoder, observer);
        },
      },
    });
    // A server must hear from us, or it takes us for dead.
    reading.confirm(place.lsn);
    this.#state = 'reading';
    this.#lastError = null;
    this.#hasRead = true;
    begun();
    logger.info(
      { slot: slotName, from: printLsn(place.lsn) },
      'reading the slot',
    );
    const stop = (): void => reading.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (!signal.aborted) {
        await reading.run(transactions);
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await transactions.finish();
      this.#stream = null;
      this.#spool = null;
    }
    if (stagingFailure !== null) {
      throw stagingFailure;
    }
  }

  /** Who the source is, and from where it is read. */
  async #place(signal: AbortSignal): Promise<{
    readonly identity: SourceIdentity;
    /** The feed's text, and what it says. */
    readonly noted: string | null;
    readonly recorded: SlotPosition | null;
    readonly lsn: bigint;
    readonly versionNumber: number;
  }> {
    const { address, slotName, feed } = this.#options;
    await using session = await openSourceSession(address, signal);
    let noted: string | null = null;
    let recorded: SlotPosition | null = null;
    // Read behind the slot: another daemon may have gone on in between.
    const identity = await requireContinuity(session, slotName, async () => {
      noted = await feed.position();
      recorded = parsePosition(noted, slotName);
      return recorded;
    });
    const { versionNumber } = session;
    const slot = await readSlot(session, slotName);
    const lsn =
      recorded === null
        ? (slot?.confirmedLsn ?? 0n)
        : parseLsn((recorded as SlotPosition).lsn);
    return { identity, noted, recorded, lsn, versionNumber };
  }

  /** Parameters of pgoutput, as far as the version has them. */
  #plugin(versionNumber: number): Record<string, string> {
    const { publicationNames, origin } = this.#options;
    const major = Math.floor(versionNumber / 10_000);
    return {
      proto_version:
        major >= 16 ? '4' : major === 15 ? '3' : major === 14 ? '2' : '1',
      publication_names: publicationNames
        .map((name) => `"${name.replaceAll('"', '""')}"`)
        .join(','),
      ...(major >= 14 && this.#mayStream && { streaming: 'on' }),
      ...(major >= 16 && { origin }),
    };
  }

  #tables(signal: AbortSignal): SlotTables {
    const options = this.#options;
    return new SlotTables({
      feed: options.feed,
      schemas: options.schemas,
      tableName: (schema, table) => options.tableName(schema, table),
      onUnknown: options.onUnknown,
      askPartitionRoot: async (oid) => {
        const [root] = await this.#ask<{ table: string; leaves: string[] }>(
          partitionRootQuery,
          [oid],
          signal,
        );
        return root === undefined
          ? null
          : { table: root.table, leaves: root.leaves.map(Number) };
      },
      leftOut: ({ schema, table }, why) =>
        options.logger.warn(
          `changes of ${schema}.${table} are left out: ${why}`,
        ),
    });
  }

  async #ask<Row extends object>(
    text: string,
    values: readonly unknown[],
    signal: AbortSignal,
  ): Promise<Row[]> {
    await using session = await openSourceSession(
      this.#options.address,
      signal,
    );
    return await session.query<Row>(text, values);
  }
}

/** A table that is no partition is its own root. */
const partitionRootQuery = `
select c.relname::text as table,
       array(select t.relid::pg_catalog.oid::int8::text
             from pg_partition_tree(c.oid) t where t.isleaf) as leaves
from pg_class c
where c.oid = pg_partition_root($1::int8::oid) and c.oid <> $1::int8::oid`;

function countDecoded(
  decoder: RowDecoder,
  observer: LogicalSourceObserver,
): void {
  if (decoder.unchangedToastCount > 0) {
    observer.unchangedToast(decoder.unchangedToastCount);
    decoder.unchangedToastCount = 0;
  }
  if (decoder.skippedChangeCount > 0) {
    observer.leftOut(decoder.skippedChangeCount);
    decoder.skippedChangeCount = 0;
  }
}
