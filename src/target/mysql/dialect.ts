/** The MySQL and MariaDB engine behind the door of `target/`. */
import { parseMysqlAddress } from '../../config/address/mysql.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { zeroTimestamp } from '../../mutation/timestamp.ts';
import { ConnectionLender } from '../connections/connection-lender.ts';
import { DeadLetterTable } from '../own-tables/dead-letter-table.ts';
import type { DeadLetters } from '../dead-letters.ts';
import { checkpointOf, notClaimed } from '../watermark.ts';
import type { OpenTargetOptions } from '../open-target.ts';
import type {
  PoolCounts,
  SchemaShape,
  StatementCounts,
  Target,
  TargetCheckpoint,
  TargetTransaction,
} from '../target.ts';
import { deadLetterDialect } from './statements/dead-letter-statements.ts';
import { MysqlConnection } from './session/driver.ts';
import { isServerError, targetFailure } from './session/errors.ts';
import { LockWaits } from './session/lock-waits.ts';
import { introspectSchema } from './catalog/introspect.ts';
import { quoteSchema } from './catalog/quoting.ts';
import { MysqlTransaction, type TransactionOptions } from './transaction.ts';
import {
  checkpointTable,
  claimCheckpointStatement,
  createCheckpointStatement,
  lockCheckpointStatement,
  readCheckpointStatement,
} from './statements/watermark-statements.ts';

/** Checks the address; dials nothing until something is asked. */
export function openMysqlTarget(
  options: OpenTargetOptions & {
    /** Up to so many rows of a shape cross as one parameter. */
    readonly fewRows?: number;
  },
): Target {
  return new MysqlTarget(options);
}

const noSuchTable = 1146;
const noSuchDatabase = 1049;
const lacksPrivilege = [1142, 1044, 1227];

class MysqlTarget implements Target {
  readonly engine: 'mysql' | 'mariadb';
  readonly schemaNameParts = 1;
  readonly examplePath: string;
  readonly #connections: ConnectionLender<MysqlConnection>;
  readonly #statementCounts = { hitCount: 0, missCount: 0, dropCount: 0 };
  readonly #dlqTableName: string;
  readonly #transactionOptions: TransactionOptions;
  readonly #lockWaits = new LockWaits((text) =>
    this.#connections.use(undefined, (connection) => connection.query(text)),
  );

  constructor({
    url,
    pool,
    applyTimeoutMs,
    statementCacheSize,
    valuePolicies,
    fewRows,
    dlqTableName,
  }: OpenTargetOptions & { readonly fewRows?: number }) {
    this.#dlqTableName = dlqTableName;
    const address = parseMysqlAddress(url, '--targetConn');
    this.engine = /^mariadb:/i.test(url) ? 'mariadb' : 'mysql';
    this.examplePath = `/${encodeURIComponent(address.database)}`;
    const session = {
      applyTimeoutMs,
      statementCacheSize,
      statementCounts: this.#statementCounts,
    };
    this.#transactionOptions = {
      policies: valuePolicies,
      applyTimeoutMs,
      fewRows,
      isBlocked: (processId) => this.#isBlocked(processId),
    };
    this.#connections = new ConnectionLender({
      pool,
      dial: (signal) => MysqlConnection.dial(address, session, signal),
      failureOf: targetFailure,
    });
  }

  async version(signal?: AbortSignal): Promise<string> {
    return this.#connections.use(signal, async ({ facts }) =>
      facts.isMariadb
        ? `MariaDB ${facts.version.replace(/-MariaDB.*$/i, '')}`
        : `MySQL ${facts.version}`,
    );
  }

  async introspect(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<SchemaShape | null> {
    return this.#connections.use(signal, (connection) =>
      introspectSchema(connection, schema, this.#dlqTableName),
    );
  }

  async begin(signal?: AbortSignal): Promise<TargetTransaction> {
    const loan = await this.#connections.borrow(signal);
    return new MysqlTransaction(loan, this.#transactionOptions, signal);
  }

  async #isBlocked(processId: number): Promise<boolean | null> {
    return (await this.#lockWaits.read())?.has(processId) ?? null;
  }

  async claimCheckpoint(
    schema: SchemaName,
    stagingId: string,
    epoch: number | null,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    const wanted = { schema, stagingId, epoch };
    return this.#connections.use(signal, async (connection) => {
      try {
        return await claim(connection, wanted);
      } catch (error) {
        // Who may not write is not told that there is no table.
        if (
          !isServerError(error) ||
          ![noSuchTable, ...lacksPrivilege].includes(error.errno)
        ) {
          throw error;
        }
      }
      try {
        await connection.query(createCheckpointStatement(schema));
      } catch (error) {
        if (isServerError(error) && lacksPrivilege.includes(error.errno)) {
          return null;
        }
        throw error;
      }
      return claim(connection, wanted);
    });
  }

  async checkpoint(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    return this.#connections.use(signal, async (connection) => {
      try {
        const { rows } = await connection.query(
          readCheckpointStatement(schema),
        );
        return rows[0] ? checkpointOf(rows[0]) : null;
      } catch (error) {
        if (
          isServerError(error) &&
          [noSuchTable, noSuchDatabase, ...lacksPrivilege].includes(error.errno)
        ) {
          return null;
        }
        throw error;
      }
    });
  }

  deadLetters(schema: SchemaName, tableName: string): DeadLetters {
    return new DeadLetterTable(
      { dialect: deadLetterDialect, schema, tableName },
      (signal, work) =>
        this.#connections.use(signal, (connection) =>
          work(async ({ text }) => (await connection.query(text)).rows),
        ),
    );
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.#connections.use(signal, (connection) =>
      connection.query('select 1'),
    );
  }

  takesNul(): boolean {
    return true;
  }

  poolCounts(): PoolCounts {
    return this.#connections.counts();
  }

  statementCounts(): StatementCounts {
    return { ...this.#statementCounts };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }
}

/** What {@link Target.claimCheckpoint} was asked for. */
interface Claim {
  readonly schema: SchemaName;
  readonly stagingId: string;
  readonly epoch: number | null;
}

/** The row is locked first, so that what it says holds until the commit. */
async function claim(
  connection: MysqlConnection,
  { schema, stagingId, epoch: wanted }: Claim,
): Promise<TargetCheckpoint> {
  await connection.query('start transaction');
  try {
    await connection.query(
      lockCheckpointStatement(schema, stagingId, zeroTimestamp),
    );
    const { rows } = await connection.query(readCheckpointStatement(schema));
    const row = rows[0]!;
    const there = checkpointOf(row);
    const epoch = wanted ?? there.epoch + 1;
    const isOurs =
      row['staging_id'] === stagingId || there.applied === zeroTimestamp;
    if (!isOurs || epoch <= there.epoch) {
      throw notClaimed(
        schema,
        stagingId,
        row,
        `${quoteSchema(schema)}.${checkpointTable}`,
      );
    }
    await connection.query(claimCheckpointStatement(schema, stagingId, epoch));
    await connection.query('commit');
    return { ...there, epoch };
  } catch (error) {
    await connection.query('rollback').catch(() => connection.destroy());
    throw error;
  }
}
