import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresAddress } from '../../config/address/postgres.ts';
import { backoffMs } from '../../failure/backoff.ts';
import { asReplicatorError, ReplicatorError } from '../../failure/failure.ts';
import { finalSourceCodes } from '../../failure/source-codes.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { TransactionFeed } from '../source.ts';
import { printLsn } from './server/lsn.ts';
import { readTruncate } from './decode/pgoutput.ts';
import { readRelation } from './decode/relations.ts';
import { RowDecoder } from './decode/row-decoder.ts';
import {
  findPlace,
  pluginParameters,
  positionAt,
  type SlotPlace,
} from './server/slot-place.ts';
import { SlotTables } from './slot-tables.ts';
import { SourceQuestions } from './server/source-questions.ts';
import { Spool, SpoolFull } from './spool.ts';
import type { StepsObserver } from './steps.ts';
import { Transactions, type TransactionsOptions } from './transactions.ts';
import { TypeCatalog } from './decode/type-catalog.ts';
import { WalStream } from './wire/wal-stream.ts';

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
  readonly partitionTruncate: 'refuse' | 'ignore';
  /** For transactions that are streamed before they have ended. */
  readonly spoolFolder: string;
  readonly spoolBytes: number;
  /** See {@link TransactionsOptions.runLimits}. */
  readonly runLimits: TransactionsOptions['runLimits'];
  /** What rows may take in memory before the stream waits for staging. */
  readonly bufferBytes: number;
  /** How often what a person must mend is tried again. */
  readonly quiescentPeriodMs: number;
  readonly observer: LogicalSourceObserver;
  readonly logger: Logger;
}

/** For metrics; never blocks. */
export interface LogicalSourceObserver extends StepsObserver {
  dialled(succeeded: boolean): void;
  unchangedToast(valueCount: number): void;
  leftOut(changeCount: number): void;
}

/**
 * - `starting`  has not read anything yet.
 * - `waiting`   another client reads the slot; this one takes over.
 * - `reading`   all is well.
 * - `stalled`   staging has no room: the source keeps its WAL meanwhile.
 * - `retrying`  the connection was lost, or staging cannot be written.
 * - `halted`    somebody must mend something; it is tried again.
 */
export type LogicalSourceState =
  | 'starting'
  | 'waiting'
  | 'reading'
  | 'stalled'
  | 'retrying'
  | 'halted';

const slotPollMs = 500;
const repeatLogMs = 60_000;
const retry = { initialMs: 100, maxMs: 5_000, multiplier: 2 };

/** Another daemon has taken the target over: a new start waits for its turn. */
const supersededCode = 'E4009';

/**
 * Reads one slot into one feed, for as long as that is possible:
 *
 *     who is the source? ─ take the slot ─ take the feed over, discard what
 *     has no end ─ read …until the connection is lost… ─ and again
 */
export class LogicalSource {
  readonly #options: LogicalSourceOptions;
  #state: LogicalSourceState = 'starting';
  #lastError: ReplicatorError | null = null;
  #mayStream = true;
  /** Failures in a row at one place. */
  #attempt = 0;
  #stagedAtMs: number | null = null;
  #stagedAgeMs = 0;
  #told = '';
  #toldAtMs = 0;
  #hasRead = false;
  #stream: WalStream | null = null;
  #spool: Spool | null = null;
  /** Of all sessions: it knows what was replicated before. */
  #tables: SlotTables | null = null;
  #stagedLsn = 0n;

  constructor(options: LogicalSourceOptions) {
    this.#options = options;
  }

  get state(): LogicalSourceState {
    return this.#state;
  }

  /** One line for the health check; null when all is well. */
  get complaint(): string | null {
    if (this.#state === 'reading') {
      return null;
    }
    return `source ${this.#state}: ${this.#lastError?.line ?? 'the slot is not read yet'}`;
  }

  /** Bytes of transactions that have not ended, on disk. */
  get spoolBytes(): number {
    return this.#spool?.sizeBytes ?? 0;
  }

  /** Everything before it is durable in staging. */
  get stagedLsn(): bigint {
    return this.#stagedLsn;
  }

  /**
   * How far staging lies behind the source; null before the first step. An
   * idle source makes a step now and then: without one for long it grows.
   */
  get lagMs(): number | null {
    if (this.#stagedAtMs === null) {
      return null;
    }
    const silentMs = performance.now() - this.#stagedAtMs;
    const patienceMs = 3 * this.#options.standbyTimeoutMs;
    return this.#stagedAgeMs + (silentMs > patienceMs ? silentMs : 0);
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
    while (!signal.aborted) {
      try {
        await this.#readOnce(signal);
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
          failure.code === supersededCode ||
          finalSourceCodes.has(failure.code) ||
          (!this.#hasRead && failure.disposition === 'halt')
        ) {
          throw failure;
        }
        this.#attempt += 1;
        await this.#standBack(failure, signal);
      }
    }
  }

  async #standBack(
    failure: ReplicatorError,
    signal: AbortSignal,
  ): Promise<void> {
    const { quiescentPeriodMs } = this.#options;
    const isTaken = failure.code === 'E6004';
    const state = isTaken
      ? 'waiting'
      : failure.disposition === 'retry'
        ? 'retrying'
        : 'halted';
    this.#tell(failure, state);
    this.#state = state;
    this.#lastError = failure;
    const waitMs = isTaken
      ? slotPollMs
      : state === 'halted'
        ? quiescentPeriodMs
        : backoffMs(this.#attempt, retry);
    await sleep(waitMs, undefined, { signal }).catch(() => {});
  }

  /** The same failure is told once in a while; a new one at once. */
  #tell(failure: ReplicatorError, state: LogicalSourceState): void {
    const nowMs = performance.now();
    if (this.#told === failure.line && nowMs - this.#toldAtMs < repeatLogMs) {
      return;
    }
    this.#told = failure.line;
    this.#toldAtMs = nowMs;
    const { logger } = this.#options;
    const fields = { code: failure.code };
    if (state === 'waiting') {
      logger.info(
        fields,
        `waiting: ${failure.message}; this daemon takes over when that one ends`,
      );
    } else if (state === 'halted') {
      logger.error(fields, failure.line);
    } else {
      logger.warn(fields, failure.line);
    }
  }

  async #readOnce(signal: AbortSignal): Promise<void> {
    const { feed, slotName, logger } = this.#options;
    const place = await this.#dialled(() => findPlace(this.#options, signal));
    await using spool = new Spool(this.#options.spoolFolder);
    await using stream = await this.#takeSlot(place, signal);
    if ((await feed.position()) !== place.noted) {
      throw new ReplicatorError('E2010');
    }
    // Of this reading: a step of the last one may still be under way, and must
    // not find the position as it was when it set out.
    const reader = randomUUID();
    const at = (lsn: bigint): string =>
      positionAt(place, lsn, { slot: slotName, reader });
    const resolved = await feed.begin(at(place.lsn), place.noted);
    this.#stagedLsn = place.lsn;
    this.#stream = stream;
    this.#spool = spool;
    let stagingFailure: unknown = null;
    const transactions = new Transactions({
      ...this.#decoding(signal),
      feed,
      spool,
      resolved,
      stagedLsn: place.lsn,
      positionAt: at,
      confirm: (lsn) => stream.confirm(lsn),
      failed: (error) => {
        stagingFailure ??= error;
        stream.cut();
      },
      runLimits: this.#options.runLimits,
      bufferBytes: this.#options.bufferBytes,
      spoolBytes: this.#options.spoolBytes,
    });
    // A server must hear from us, or it takes us for dead.
    stream.confirm(place.lsn);
    this.#state = 'reading';
    this.#lastError = null;
    this.#hasRead = true;
    // After a failure it is news when something has come through.
    logger[this.#attempt === 0 ? 'info' : 'debug'](
      { slot: slotName, from: printLsn(place.lsn) },
      'reading the slot',
    );
    const stop = (): void => stream.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (!signal.aborted) {
        await stream.run(transactions);
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

  async #takeSlot(place: SlotPlace, signal: AbortSignal): Promise<WalStream> {
    const { address, slotName, standbyTimeoutMs, observer } = this.#options;
    const stream = await this.#dialled(() =>
      WalStream.open(
        {
          address,
          slotName,
          from: place.noted === null ? 0n : place.lsn,
          plugin: pluginParameters(place.versionNumber, {
            ...this.#options,
            mayStream: this.#mayStream,
          }),
          standbyTimeoutMs,
        },
        signal,
      ),
    );
    observer.dialled(true);
    return stream;
  }

  async #dialled<T>(dial: () => Promise<T>): Promise<T> {
    try {
      return await dial();
    } catch (error) {
      this.#options.observer.dialled(false);
      throw error;
    }
  }

  /** The decoder of one session, and what it must ask the source for. */
  #decoding(
    signal: AbortSignal,
  ): Pick<
    TransactionsOptions,
    | 'decoder'
    | 'learnRelation'
    | 'learnTruncation'
    | 'isSourceLeaving'
    | 'observer'
  > {
    const { observer, onUnknown, partitionTruncate, logger } = this.#options;
    const questions = new SourceQuestions(this.#options.address, signal);
    const tables = (this.#tables ??= this.#newTables(questions));
    const decoder = new RowDecoder({
      types: new TypeCatalog((oids) => questions.types(oids)),
      target: (relation) => tables.find(relation),
      onUnknown: onUnknown === 'ignore' ? 'ignore' : 'keep',
      ...(partitionTruncate === 'ignore' && {
        onPartEmptied: ({ schema, table }) =>
          logger.warn(
            `the source has emptied the partition ${schema}.${table}: its rows stay at the target (--partitionTruncate ignore)`,
          ),
      }),
    });
    return {
      decoder,
      learnRelation: (message) => {
        const relation = readRelation(message);
        return tables.knows(relation)
          ? decoder.relation(message)
          : tables.look(relation).then(() => decoder.relation(message));
      },
      learnTruncation: (message) => {
        // Its root may have got more partitions since it was described.
        const parts = readTruncate(message)
          .relationOids.map((oid) => decoder.relationOf(oid))
          .filter((relation) => relation && !tables.knows(relation));
        return parts.length === 0
          ? undefined
          : Promise.all(parts.map((relation) => tables.look(relation!))).then(
              () => decoder.refresh(),
            );
      },
      isSourceLeaving: () => questions.isLeaving(),
      observer: {
        ...observer,
        waitingForStaging: (error) => {
          this.#state = 'stalled';
          this.#lastError = error;
          observer.waitingForStaging(error);
        },
        staged: (lsn, ageMs) => {
          this.#state = 'reading';
          if (lsn > this.#stagedLsn) {
            // What failed here before is behind us.
            if (this.#attempt > 0) {
              this.#attempt = 0;
              this.#told = '';
              logger.info({ staged: printLsn(lsn) }, 'reading works again');
            }
          }
          this.#stagedLsn = lsn;
          this.#stagedAtMs = performance.now();
          this.#stagedAgeMs = ageMs;
          observer.staged(lsn, ageMs);
          countDecoded(decoder, observer);
        },
      },
    };
  }

  #newTables(questions: SourceQuestions): SlotTables {
    const options = this.#options;
    return new SlotTables({
      feed: options.feed,
      schemas: options.schemas,
      tableName: (schema, table) => options.tableName(schema, table),
      onUnknown: options.onUnknown,
      askPartitionRoot: (oid) => questions.partitionRoot(oid),
      leftOut: ({ schema, table }, why) =>
        options.logger.warn(
          `changes of ${schema}.${table} are left out: ${why}`,
        ),
    });
  }
}

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
