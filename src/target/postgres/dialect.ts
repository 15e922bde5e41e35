/** The PostgreSQL engine behind the door of `target/`. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { JsonText } from '../../mutation/mutation.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { type Timestamp, zeroTimestamp } from '../../mutation/timestamp.ts';
import {
  ConnectionPool,
  type Loan,
  type PoolOptions,
} from '../connection-pool.ts';
import type {
  ColumnShape,
  KeyRows,
  PoolCounts,
  SchemaShape,
  ShapeRows,
  TableShape,
  Target,
  TargetCheckpoint,
  TargetTransaction,
} from '../target.ts';
import { parsePostgresAddress } from './address.ts';
import { PostgresConnection, type SessionOptions } from './driver.ts';
import { isServerError, type Phase, targetFailure } from './errors.ts';
import { introspectSchema } from './introspect.ts';
import {
  claimCheckpointStatement,
  createCheckpointStatement,
  deleteStatement,
  moveCheckpointStatement,
  readCheckpointStatement,
  reidentifyStatement,
  upsertStatement,
  vacateStatement,
} from './statements.ts';
import { arrayLiteral } from './values.ts';

export interface PostgresTargetOptions {
  readonly url: string;
  readonly pool: PoolOptions;
  readonly session: SessionOptions;
}

/** Checks the address; dials nothing until something is asked. */
export function openPostgresTarget(options: PostgresTargetOptions): Target {
  return new PostgresTarget(options);
}

class PostgresTarget implements Target {
  readonly engine = 'postgres';
  readonly schemaNameParts = 2;
  readonly examplePath = '/database/schema';
  readonly #pool: ConnectionPool<PostgresConnection>;

  constructor({ url, pool, session }: PostgresTargetOptions) {
    const address = parsePostgresAddress(url);
    this.#pool = new ConnectionPool(
      (signal) => PostgresConnection.dial(address, session, signal),
      pool,
    );
  }

  async version(signal?: AbortSignal): Promise<string> {
    const { rows } = await this.#use(signal, (connection) =>
      connection.query('show server_version'),
    );
    return `PostgreSQL ${rows[0]!['server_version']!}`;
  }

  async introspect(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<SchemaShape | null> {
    return this.#use(signal, (connection) =>
      introspectSchema(connection, schema),
    );
  }

  async begin(signal?: AbortSignal): Promise<TargetTransaction> {
    const loan = await this.#borrow(signal);
    return new PostgresTransaction(loan, signal);
  }

  async claimCheckpoint(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    return this.#use(signal, async (connection) => {
      const claim = async (): Promise<TargetCheckpoint> => {
        const { rows } = await connection.query(
          claimCheckpointStatement(schema),
          [schema, zeroTimestamp],
        );
        return checkpointOf(rows[0]!);
      };
      try {
        return await claim();
      } catch (error) {
        if (!isServerError(error) || error.code !== '42P01') {
          throw error;
        }
      }
      try {
        await connection.query(createCheckpointStatement(schema));
      } catch (error) {
        if (isServerError(error) && error.code === '42501') {
          return null;
        }
        // Two daemons that create it at once: one of them hears a duplicate.
        if (!isServerError(error) || !['42P07', '23505'].includes(error.code)) {
          throw error;
        }
      }
      return claim();
    });
  }

  async checkpoint(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    return this.#use(signal, async (connection) => {
      try {
        const { rows } = await connection.query(
          readCheckpointStatement(schema),
          [schema],
        );
        return rows[0] ? checkpointOf(rows[0]) : null;
      } catch (error) {
        if (
          isServerError(error) &&
          ['42P01', '42501', '3F000'].includes(error.code)
        ) {
          return null;
        }
        throw error;
      }
    });
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.#use(signal, (connection) => connection.query('select 1'));
  }

  poolCounts(): PoolCounts {
    return this.#pool.counts();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  async #borrow(signal?: AbortSignal): Promise<Loan<PostgresConnection>> {
    try {
      return await this.#pool.borrow(signal);
    } catch (error) {
      throw failureOf(error, 'connect', signal);
    }
  }

  /** One piece of work outside a transaction of ours. */
  async #use<T>(
    signal: AbortSignal | undefined,
    work: (connection: PostgresConnection) => Promise<T>,
  ): Promise<T> {
    await using loan = await this.#borrow(signal);
    const { connection } = loan;
    using _ = cancelOnAbort(connection, signal);
    try {
      return await work(connection);
    } catch (error) {
      throw failureOf(error, 'statement', signal);
    }
  }
}

function checkpointOf(row: Record<string, string | null>): TargetCheckpoint {
  return { applied: row['applied'] as Timestamp, epoch: Number(row['epoch']) };
}

class PostgresTransaction implements TargetTransaction {
  readonly #loan: Loan<PostgresConnection>;
  readonly #connection: PostgresConnection;
  readonly #signal: AbortSignal | undefined;
  readonly #watch: Disposable;
  #state: 'open' | 'committed' | 'ended' = 'open';
  /** The first failure: what follows it only hears "transaction is aborted". */
  #failure: Error | null = null;

  constructor(loan: Loan<PostgresConnection>, signal: AbortSignal | undefined) {
    this.#loan = loan;
    this.#connection = loan.connection;
    this.#signal = signal;
    this.#watch = cancelOnAbort(loan.connection, signal);
    // Not awaited: it travels with the first statement. Constraints that can
    // wait for the commit do, so that the order of statements is free.
    this.#connection
      .query(
        'begin isolation level read committed; set constraints all deferred',
      )
      .catch((error: unknown) => this.#fail(error, 'statement'));
  }

  async upsert(rows: ShapeRows): Promise<void> {
    const { table, columns, replace = false } = rows;
    await this.#written(() => ({
      texts: upsertTexts(table, columns, replace),
      parameters: columns.map((column, index) =>
        arrayLiteral(column.codec, rows.values[index]!),
      ),
    }));
  }

  async delete(keys: KeyRows): Promise<void> {
    await this.#written(() => ({
      texts: [requireKey(keys.table, deleteStatement)],
      parameters: keyParameters(keys),
    }));
  }

  async vacateUniqueKeys(keys: KeyRows): Promise<boolean> {
    const text = requireKey(keys.table, vacateStatement);
    if (text === null) {
      return false;
    }
    await this.#written(() => ({
      texts: [text],
      parameters: keyParameters(keys),
    }));
    return true;
  }

  async commit(
    mark: { schema: SchemaName; checkpoint: TargetCheckpoint } | null,
  ): Promise<void> {
    this.#throwIfOver();
    // One round trip: if the watermark does not move, the commit behind it
    // finds an aborted transaction and rolls back.
    const [moved, ended] = await Promise.allSettled([
      mark
        ? this.#connection.execute(moveCheckpointStatement(mark.schema), [
            mark.schema,
            mark.checkpoint.applied,
            String(mark.checkpoint.epoch),
          ])
        : null,
      this.#connection.query('commit'),
    ]);
    if (moved.status === 'rejected') {
      const isFenced =
        isServerError(moved.reason) && moved.reason.code === '22012';
      throw this.#fail(
        isFenced ? new ReplicatorError('E4009') : moved.reason,
        'commit',
      );
    }
    if (ended.status === 'rejected') {
      throw this.#fail(ended.reason, 'commit');
    }
    if (ended.value.command !== 'COMMIT') {
      throw this.#fail(
        new Error('the transaction had failed before its commit'),
        'commit',
      );
    }
    this.#state = 'committed';
    await this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'open') {
      return;
    }
    this.#state = 'ended';
    try {
      if (this.#connection.usable) {
        await this.#connection.query('rollback');
      }
    } catch {
      // The server rolls back what it cannot hear about.
      this.#connection.destroy();
    }
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#loan[Symbol.asyncDispose]();
  }

  /** A value that cannot be written fails the transaction as the server would. */
  async #written(
    statement: () => {
      texts: readonly string[];
      parameters: readonly string[];
    },
  ): Promise<void> {
    this.#throwIfOver();
    try {
      const { texts, parameters } = statement();
      await Promise.all(
        texts.map((text) => this.#connection.execute(text, parameters)),
      );
    } catch (error) {
      throw this.#fail(error, 'statement');
    }
  }

  #throwIfOver(): void {
    this.#signal?.throwIfAborted();
    if (this.#failure) {
      throw this.#failure;
    }
    if (this.#state !== 'open') {
      throw new ReplicatorError('E4008', {
        detail: 'the target transaction has ended',
      });
    }
  }

  #fail(error: unknown, phase: Phase): Error {
    this.#failure ??= failureOf(error, phase, this.#signal);
    return this.#failure;
  }
}

function failureOf(
  error: unknown,
  phase: Phase,
  signal: AbortSignal | undefined,
): Error {
  return signal?.aborted
    ? (signal.reason as Error)
    : targetFailure(error, phase);
}

/**
 * While it lasts, an abort cancels what runs on the connection. The connection
 * is given up then: a late cancel request must not hit whoever comes next.
 */
function cancelOnAbort(
  connection: PostgresConnection,
  signal: AbortSignal | undefined,
): Disposable {
  let cancellation: Disposable | null = null;
  const onAbort = (): void => {
    cancellation = connection.cancel();
  };
  if (signal?.aborted) {
    onAbort();
  } else {
    signal?.addEventListener('abort', onAbort, { once: true });
  }
  return {
    [Symbol.dispose]() {
      signal?.removeEventListener('abort', onAbort);
      if (cancellation) {
        cancellation[Symbol.dispose]();
        connection.destroy();
      }
    },
  };
}

const upsertTextCache = new WeakMap<
  TableShape,
  Map<string, readonly string[]>
>();

/** The statements of one upsert; written once for each shape of a table. */
function upsertTexts(
  table: TableShape,
  columns: readonly ColumnShape[],
  replace: boolean,
): readonly string[] {
  let texts = upsertTextCache.get(table);
  if (!texts) {
    texts = new Map();
    upsertTextCache.set(table, texts);
  }
  const shape = `${replace}\0${columns.map(({ name }) => name).join('\0')}`;
  let statements = texts.get(shape);
  if (!statements) {
    const first = reidentifyStatement(table, columns);
    const second = requireKey(table, () =>
      upsertStatement(table, columns, { replace }),
    );
    statements = first === null ? [second] : [first, second];
    texts.set(shape, statements);
  }
  return statements;
}

function requireKey<T>(
  table: TableShape,
  statement: (table: TableShape) => T,
): T {
  if (table.primaryKey.length === 0) {
    throw new ReplicatorError('E4008', {
      detail: `table ${table.name} has no primary key at the target`,
      remedy: 'give the table the primary key that it has at the source',
    });
  }
  return statement(table);
}

function keyParameters({ table, keys }: KeyRows): string[] {
  return table.primaryKey.map((column, index) =>
    arrayLiteral(column.codec, keys[index] as readonly JsonText[]),
  );
}
