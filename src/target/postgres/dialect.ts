/** The PostgreSQL engine behind the door of `target/`. */
import type { ReplicatorError } from '../../failure/failure.ts';
import { parsePostgresAddress } from '../../config/address/postgres.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { zeroTimestamp } from '../../mutation/timestamp.ts';
import { ConnectionLender } from '../connections/connection-lender.ts';
import {
  DeadLetterTable,
  type DeadLetterTableOptions,
} from '../own-tables/dead-letter-table.ts';
import type { DeadLetters } from '../dead-letters.ts';
import { checkpointOf, notClaimed } from '../watermark.ts';
import type { OpenTargetOptions } from '../open-target.ts';
import type {
  ColumnShape,
  PoolCounts,
  SchemaShape,
  StatementCounts,
  TableShape,
  Target,
  TargetCheckpoint,
  TargetTransaction,
} from '../target.ts';
import type { ValuePolicies } from '../value-policy.ts';
import { deadLetterDialect } from './statements/dead-letter-statements.ts';
import { PostgresConnection } from './session/driver.ts';
import { isServerError, targetFailure } from './session/errors.ts';
import { introspectSchema } from './catalog/introspect.ts';
import { PostgresTransaction } from './transaction.ts';
import { quoteSchema } from './statements/statements.ts';
import {
  checkpointTable,
  claimCheckpointStatement,
  createCheckpointStatement,
  readCheckpointStatement,
} from './statements/watermark-statements.ts';

/** Checks the address; dials nothing until something is asked. */
export function openPostgresTarget(options: OpenTargetOptions): Target {
  return new PostgresTarget(options);
}

const endSessionsStatement = `select count(*) filter (where pg_terminate_backend(pid)) as ended
from pg_stat_activity
where usename = current_user and pid <> pg_backend_pid()
  and right(application_name, length($1)) = $1`;

class PostgresTarget implements Target {
  readonly engine = 'postgres';
  readonly schemaNameParts = 2;
  readonly examplePath: string;
  readonly #connections: ConnectionLender<PostgresConnection>;
  readonly #policies: ValuePolicies;
  readonly #dlqTableName: string;
  readonly #statementCounts = { hitCount: 0, missCount: 0, dropCount: 0 };

  constructor({
    url,
    pool,
    applyTimeoutMs,
    sessionName,
    statementCacheSize,
    valuePolicies,
    dlqTableName,
  }: OpenTargetOptions) {
    this.#dlqTableName = dlqTableName;
    this.#policies = valuePolicies;
    const address = parsePostgresAddress(url, '--targetConn');
    this.examplePath = `/${encodeURIComponent(address.config.database ?? 'database')}/public`;
    const session = {
      applyTimeoutMs,
      sessionName,
      statementCacheSize,
      statementCounts: this.#statementCounts,
    };
    this.#connections = new ConnectionLender({
      pool,
      dial: (signal) => PostgresConnection.dial(address, session, signal),
      failureOf: targetFailure,
    });
  }

  async version(signal?: AbortSignal): Promise<string> {
    const { rows } = await this.#connections.use(signal, (connection) =>
      connection.query('show server_version'),
    );
    return `PostgreSQL ${rows[0]!['server_version']!}`;
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
    return new PostgresTransaction(loan, {
      isBlocked: (processId) => this.#isBlocked(processId),
      policies: this.#policies,
      signal,
    });
  }

  async #isBlocked(processId: number): Promise<boolean> {
    const { rows } = await this.#connections.use(undefined, (connection) =>
      connection.query('select cardinality(pg_blocking_pids($1)) as n', [
        String(processId),
      ]),
    );
    return rows[0]!['n'] !== '0';
  }

  async claimCheckpoint(
    schema: SchemaName,
    stagingId: string,
    epoch: number | null,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    return this.#connections.use(signal, async (connection) => {
      const claim = async (): Promise<TargetCheckpoint> => {
        const { rows } = await connection.query(
          claimCheckpointStatement(schema),
          [
            schema,
            zeroTimestamp,
            stagingId,
            epoch === null ? null : `${epoch}`,
          ],
        );
        if (!rows[0]) {
          throw await this.#notClaimed(connection, schema, stagingId);
        }
        return checkpointOf(rows[0]);
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

  async #notClaimed(
    connection: PostgresConnection,
    schema: SchemaName,
    stagingId: string,
  ): Promise<ReplicatorError> {
    const { rows } = await connection.query(readCheckpointStatement(schema), [
      schema,
    ]);
    return notClaimed(
      schema,
      stagingId,
      rows[0],
      `${quoteSchema(schema)}.${checkpointTable}`,
    );
  }

  async checkpoint(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    return this.#connections.use(signal, async (connection) => {
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

  deadLetters(schema: SchemaName, tableName: string): DeadLetters {
    const options: DeadLetterTableOptions = {
      dialect: deadLetterDialect,
      schema,
      tableName,
    };
    return new DeadLetterTable(options, (signal, work) =>
      this.#connections.use(signal, (connection) =>
        work(async ({ text, values }) => {
          const { rows } = await connection.query(text, values);
          return rows;
        }),
      ),
    );
  }

  async endSessionsOf(
    sessionName: string,
    signal?: AbortSignal,
  ): Promise<number> {
    return this.#connections.use(signal, async (connection) => {
      const { rows } = await connection.query(endSessionsStatement, [
        ` ${sessionName}`,
      ]);
      return Number(rows[0]!['ended']);
    });
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.#connections.use(signal, (connection) =>
      connection.query('select 1'),
    );
  }

  /** No text of PostgreSQL holds it: only a policy lets it pass. */
  takesNul(table: TableShape, column: ColumnShape): boolean {
    return (
      column.keyOrdinal === null &&
      this.#policies.policyOf(table, column) !== 'error'
    );
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
