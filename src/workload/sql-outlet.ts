/**
 * The outlet into a real PostgreSQL source: every transaction is written
 * there by SQL, and what reads the slot does the rest. A connection that is
 * lost in the middle is dialled again; the ledger says whether the
 * transaction was committed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, DatabaseError, type QueryResult } from 'pg';

import { dialPostgres } from '../config/address/postgres-dial.ts';
import { parsePostgresAddress } from '../config/address/postgres.ts';
import { ReplicatorError } from '../failure/failure.ts';
import { type Timestamp, zeroTimestamp } from '../mutation/timestamp.ts';
import { compareTables } from './comparison.ts';
import { connectTimeoutMs, statementTimeoutMs } from './engines/engine.ts';
import { postgresEngine } from './engines/postgres.ts';
import { type Outlet, type OutletCounts, zeroCounts } from './outlet.ts';
import { rowStatements } from './row-statements.ts';
import type { Source, Transaction } from './source.ts';
import { ledgerTable, workloadTables } from './tables.ts';
import { TargetReader } from './target-reader.ts';

export interface SqlOutletOptions {
  readonly sourceUrl: string;
  readonly sourceSchema: string;
  /** Nothing is written before somebody reads it. */
  readonly slotName: string;
}

const retryPauseMs = 250;

export class SqlOutlet implements Outlet {
  readonly counts: OutletCounts = zeroCounts();
  readonly #options: SqlOutletOptions;
  readonly #source: Source;
  readonly #waiting: Transaction[] = [];
  #pendingRows = 0;
  #lastCommitted: Timestamp = zeroTimestamp;
  #client: Client | null = null;
  #wake: () => void = () => {};

  constructor(options: SqlOutletOptions, source: Source) {
    this.#options = options;
    this.#source = source;
  }

  get lastResolved(): Timestamp {
    return this.#lastCommitted;
  }

  get pendingRows(): number {
    return this.#pendingRows;
  }

  readonly pendingRowsLimit = 2000;
  readonly loggedRows = 0;

  get inFlightRequests(): number {
    return this.#waiting.length > 0 ? 1 : 0;
  }

  /** What is committed before the slot is read, or published, never comes. */
  async ready(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const obstacle = await this.#attempt((client) => this.#obstacle(client));
      if (obstacle === null) {
        this.counts.lastFailure = '';
        return;
      }
      this.counts.lastFailure = obstacle ?? this.counts.lastFailure;
      await sleep(retryPauseMs, undefined, { signal }).catch(() => {});
    }
  }

  async #obstacle(client: Client): Promise<string | null> {
    const { sourceSchema, slotName } = this.#options;
    const { rows } = await client.query<{ unpublished: string[] }>(
      `select array(select name from unnest($2::text[]) name
                    except select tablename::text from pg_publication_tables
                    where schemaname = $1 order by name) as unpublished`,
      [sourceSchema, workloadTables.map(({ name }) => name)],
    );
    const [table] = rows[0]!.unpublished;
    if (table !== undefined) {
      return `the table ${table} is in no publication: alter publication … add table …`;
    }
    const { rowCount } = await client.query(
      'select from pg_replication_slots where slot_name = $1 and database = current_database() and active',
      [slotName],
    );
    return rowCount === 1 ? null : `nobody reads the slot ${slotName}`;
  }

  publish(transaction: Transaction): void {
    this.#waiting.push(transaction);
    this.#pendingRows += transaction.events.length;
    this.#wake();
  }

  /** A slot sends nothing again because somebody asks for it. */
  replay(): void {}

  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#wake();
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        const transaction = this.#waiting[0];
        if (transaction === undefined) {
          const { promise, resolve } = Promise.withResolvers<void>();
          this.#wake = resolve;
          await promise;
        } else if (await this.#write(transaction)) {
          this.#waiting.shift();
        } else {
          await sleep(retryPauseMs, undefined, { signal }).catch(() => {});
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await this.#hangUp();
    }
  }

  /** False when it is not known to be committed: it must be tried again. */
  async #write(transaction: Transaction): Promise<boolean> {
    this.counts.requests += 1;
    const done = await this.#attempt(async (client) => {
      const isRetry = this.counts.lastFailure !== '';
      if (!isRetry || !(await this.#isCommitted(client, transaction))) {
        await this.#commit(client, transaction);
      }
      return true;
    });
    if (done !== true) {
      return false;
    }
    const rowCount = transaction.events.length;
    this.counts.lastFailure = '';
    this.counts.sentRows += rowCount;
    this.#pendingRows -= rowCount;
    this.#lastCommitted = transaction.time;
    return true;
  }

  async #isCommitted(
    client: Client,
    { sequence }: Transaction,
  ): Promise<boolean> {
    const schema = client.escapeIdentifier(this.#options.sourceSchema);
    const { rowCount } = await client.query(
      `select from ${schema}.${ledgerTable.name} where entry = $1`,
      [sequence],
    );
    return rowCount === 1;
  }

  async #commit(client: Client, transaction: Transaction): Promise<void> {
    const statements = rowStatements(transaction, this.#options.sourceSchema);
    // All in one message, which the server makes one transaction of.
    const found: unknown = await client.query(
      statements.map(({ text }) => text).join(';\n'),
    );
    const results = (Array.isArray(found) ? found : [found]) as QueryResult[];
    const wrong = statements.findIndex(
      ({ rowCount }, at) => results[at]?.rowCount !== rowCount,
    );
    if (wrong !== -1) {
      throw new Error(
        `${results[wrong]?.rowCount} rows instead of ${statements[wrong]!.rowCount} were changed at the source: somebody else writes to the tables of the workload, or they were not empty`,
      );
    }
  }

  /** Undefined when the source did not answer; rejects when it refused. */
  async #attempt<T>(
    work: (client: Client) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      this.#client ??= await this.#dial();
      return await work(this.#client);
    } catch (error) {
      await this.#hangUp();
      if (!isPassing(error)) {
        throw error;
      }
      this.counts.failedRequests += 1;
      this.counts.lastFailure = (error as Error).message || 'no connection';
      return undefined;
    }
  }

  async #dial(): Promise<Client> {
    const address = parsePostgresAddress(
      this.#options.sourceUrl,
      '--sourceConn',
    );
    const client = await dialPostgres(address, {
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: statementTimeoutMs,
      application_name: 'replicator workload',
    });
    try {
      // A batch is small and its rows are found by their keys.
      await client.query(
        'set enable_hashjoin = off; set enable_mergejoin = off',
      );
      return client;
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
  }

  async #hangUp(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => {});
  }

  /** Row for row what was meant to be written. */
  async complaint(): Promise<string | null> {
    await using reader = sqlSourceReader(this.#options);
    try {
      const { differenceCount } = compareTables(
        this.#source.histories.values(),
        await reader.snapshot(),
        this.#source.sequence,
      );
      return differenceCount === 0
        ? null
        : `${differenceCount} rows of the source are not what the workload wrote: somebody else writes there`;
    } catch (error) {
      return `the source cannot be compared: ${(error as Error).message}`;
    }
  }
}

export function sqlSourceReader(options: SqlOutletOptions): TargetReader {
  return new TargetReader(postgresEngine, {
    url: options.sourceUrl,
    schema: options.sourceSchema,
  });
}

/** No answer, a server that goes down or comes up, too many connections. */
function isPassing(error: unknown): boolean {
  return error instanceof DatabaseError
    ? /^(?:08|53|57P|40)/.test(error.code ?? '')
    : error instanceof Error &&
        !(error instanceof ReplicatorError) &&
        ('code' in error ||
          /terminated|timeout|ended|not queryable|closed/i.test(error.message));
}
