/** The Oracle engine behind the door of `target/`. */
import { parseOracleAddress } from '../../config/address/oracle.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { zeroTimestamp } from '../../mutation/timestamp.ts';
import { ConnectionLender } from '../connections/connection-lender.ts';
import { DeadLetterTable } from '../own-tables/dead-letter-table.ts';
import type { DeadLetters } from '../dead-letters.ts';
import { checkpointOf, notClaimed, type WatermarkRow } from '../watermark.ts';
import type { OpenTargetOptions } from '../open-target.ts';
import type {
  PoolCounts,
  SchemaShape,
  StatementCounts,
  Target,
  TargetCheckpoint,
  TargetTransaction,
} from '../target.ts';
import type { BindOptions } from './values/binds.ts';
import {
  deadLetterDialect,
  runDeadLetterStatement,
} from './statements/dead-letter-statements.ts';
import { OracleConnection } from './session/driver.ts';
import { oraNumberOf, targetFailure } from './session/errors.ts';
import { introspectSchema } from './catalog/introspect.ts';
import { oracleSchema, quoteSchema } from './statements/statements.ts';
import { OracleTransaction } from './transaction.ts';
import {
  checkpointTable,
  claimCheckpointStatement,
  commitStatement,
  createCheckpointStatement,
  readCheckpointStatement,
} from './statements/watermark-statements.ts';

/** Checks the address; dials nothing until something is asked. */
export function openOracleTarget(options: OpenTargetOptions): Target {
  return new OracleTarget(options);
}

/** No such table, or none that the account may see. */
const invisibleTable = 942;
const duplicateKey = 1;
const nameInUse = 955;
const noPrivilege: readonly (number | null)[] = [1031, 41900];

/**
 * Who is waited for. A lock on a row is a wait for the transaction that holds
 * it, which the server names; as it names its own processes, for whom a
 * session waits that commits.
 */
const blockedQuery = `
select count(*) as n from v$session
where sid = to_number(:1) and blocking_session_status = 'VALID'
  and state = 'WAITING' and event like 'enq: %'`;

class OracleTarget implements Target {
  readonly engine = 'oracle';
  readonly schemaNameParts = 1;
  readonly examplePath: string;
  readonly #connections: ConnectionLender<OracleConnection>;
  readonly #bindOptions: BindOptions;
  readonly #dlqTableName: string;
  readonly #statementCounts = { hitCount: 0, missCount: 0, dropCount: 0 };

  constructor(options: OpenTargetOptions) {
    const address = parseOracleAddress(options.url, '--targetConn');
    this.examplePath = `/${encodeURIComponent((address.user || 'SCHEMA').toUpperCase())}`;
    this.#dlqTableName = options.dlqTableName;
    this.#bindOptions = {
      policies: options.valuePolicies,
      emptyString: options.oracleEmptyString,
    };
    const session = {
      applyTimeoutMs: options.applyTimeoutMs,
      statementCacheSize: options.statementCacheSize,
      statementCounts: this.#statementCounts,
    };
    this.#connections = new ConnectionLender({
      pool: options.pool,
      dial: (signal) => OracleConnection.dial(address, session, signal),
      failureOf: targetFailure,
    });
  }

  async version(signal?: AbortSignal): Promise<string> {
    return await this.#connections.use(
      signal,
      async (connection) => `Oracle ${connection.serverVersion}`,
    );
  }

  async introspect(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<SchemaShape | null> {
    return await this.#connections.use(signal, (connection) =>
      introspectSchema(connection, schema, this.#dlqTableName),
    );
  }

  async begin(signal?: AbortSignal): Promise<TargetTransaction> {
    const loan = await this.#connections.borrow(signal);
    return new OracleTransaction(loan, {
      isBlocked: () => this.#isBlocked(loan.connection.sessionId),
      bindOptions: this.#bindOptions,
      signal,
    });
  }

  /** Null where the account may not read v$session. */
  async #isBlocked(sessionId: string): Promise<boolean | null> {
    return await this.#connections.use(undefined, async (connection) => {
      try {
        const [row] = await connection.query(blockedQuery, [sessionId]);
        return row!['n'] !== '0';
      } catch (error) {
        const number = oraNumberOf(error);
        if (number === invisibleTable || noPrivilege.includes(number)) {
          return null;
        }
        throw error;
      }
    });
  }

  async claimCheckpoint(
    schema: SchemaName,
    stagingId: string,
    epoch: number | null,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    const wanted = { schema, stagingId, epoch };
    return await this.#connections.use(signal, async (connection) => {
      try {
        return await claim(connection, wanted);
      } catch (error) {
        if (oraNumberOf(error) !== invisibleTable) {
          throw error;
        }
      }
      try {
        await connection.run(createCheckpointStatement(schema));
      } catch (error) {
        const number = oraNumberOf(error);
        if (noPrivilege.includes(number)) {
          return null;
        }
        // Two daemons that create it at once: one of them hears of the other.
        if (number !== nameInUse) {
          throw error;
        }
      }
      return await claim(connection, wanted);
    });
  }

  async checkpoint(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    return await this.#connections.use(signal, async (connection) => {
      try {
        const row = await storedRow(connection, schema);
        return row ? checkpointOf(row) : null;
      } catch (error) {
        const number = oraNumberOf(error);
        if (number === invisibleTable || noPrivilege.includes(number)) {
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
          work(async (statement) => {
            const rows = await runDeadLetterStatement(connection, statement);
            return rows;
          }),
        ),
    );
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.#connections.use(signal, (connection) => connection.ping());
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

async function claim(
  connection: OracleConnection,
  { schema, stagingId, epoch }: Claim,
): Promise<TargetCheckpoint> {
  const values = [
    oracleSchema(schema),
    zeroTimestamp,
    stagingId,
    String(epoch ?? -1),
  ];
  const text = claimCheckpointStatement(schema);
  try {
    let claimedCount: number;
    try {
      claimedCount = await connection.run(text, values);
    } catch (error) {
      // The first two claims at once: the other's row is there now.
      if (oraNumberOf(error) !== duplicateKey) {
        throw error;
      }
      claimedCount = await connection.run(text, values);
    }
    const stored = await storedRow(connection, schema);
    if (claimedCount === 0 || stored === undefined) {
      throw notClaimed(
        schema,
        stagingId,
        stored,
        `${quoteSchema(schema)}.${checkpointTable}`,
      );
    }
    await connection.commit(commitStatement);
    return checkpointOf(stored);
  } catch (error) {
    if (connection.usable) {
      await connection.rollback().catch(() => connection.destroy());
    }
    throw error;
  }
}

async function storedRow(
  connection: OracleConnection,
  schema: SchemaName,
): Promise<WatermarkRow | undefined> {
  const [row] = await connection.query(readCheckpointStatement(schema), [
    oracleSchema(schema),
  ]);
  return row;
}
