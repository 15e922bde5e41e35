/** The SQL Server engine behind the door of `target/`. */
import { parseSqlServerAddress } from '../../config/address/sqlserver.ts';
import type { ReplicatorError } from '../../failure/failure.ts';
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
import type { ValuePolicies } from '../value-policy.ts';
import {
  deadLetterDialect,
  deadLetterParameters,
} from './statements/dead-letter-statements.ts';
import { type Row, SqlServerConnection } from './session/driver.ts';
import { serverErrorOf, targetFailure } from './session/errors.ts';
import { introspectSchema } from './catalog/introspect.ts';
import { quoteSchema } from './catalog/quoting.ts';
import { SqlServerTransaction } from './transaction.ts';
import {
  checkpointTable,
  claimCheckpointStatement,
  createCheckpointStatement,
  findCheckpointStatement,
  readCheckpointStatement,
} from './statements/watermark-statements.ts';

/** Checks the address; dials nothing until something is asked. */
export function openSqlServerTarget(options: OpenTargetOptions): Target {
  return new SqlServerTarget(options);
}

class SqlServerTarget implements Target {
  readonly engine = 'sqlserver';
  readonly schemaNameParts = 2;
  readonly examplePath: string;
  readonly #connections: ConnectionLender<SqlServerConnection>;
  readonly #applyTimeoutMs: number;
  readonly #dlqTableName: string;
  readonly #policies: ValuePolicies;
  readonly #replication: boolean;

  constructor({
    url,
    pool,
    applyTimeoutMs,
    valuePolicies,
    dlqTableName,
  }: OpenTargetOptions) {
    this.#dlqTableName = dlqTableName;
    const address = parseSqlServerAddress(url, '--targetConn');
    this.examplePath = `/${encodeURIComponent(address.database)}/dbo`;
    this.#applyTimeoutMs = applyTimeoutMs;
    this.#policies = valuePolicies;
    this.#replication = address.replication;
    this.#connections = new ConnectionLender({
      pool,
      dial: (signal) =>
        SqlServerConnection.dial(address, { applyTimeoutMs }, signal),
      failureOf: targetFailure,
    });
  }

  async version(signal?: AbortSignal): Promise<string> {
    const [row] = await this.#connections.use(signal, (connection) =>
      connection.query('select @@version as version;', {}),
    );
    return String(row!['version']).split('\n', 1)[0]!.trim();
  }

  async introspect(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<SchemaShape | null> {
    return this.#connections.use(signal, (connection) =>
      introspectSchema(connection, schema, {
        replication: this.#replication,
        dlqTableName: this.#dlqTableName,
      }),
    );
  }

  async begin(signal?: AbortSignal): Promise<TargetTransaction> {
    const loan = await this.#connections.borrow(signal);
    return new SqlServerTransaction(
      loan,
      {
        applyTimeoutMs: this.#applyTimeoutMs,
        policies: this.#policies,
        isBlocked: (sessionId) => this.#isBlocked(sessionId),
      },
      signal,
    );
  }

  /**
   * An account without VIEW SERVER STATE (VIEW DATABASE STATE on Azure) sees
   * only the session that asks: then nobody knows.
   */
  async #isBlocked(sessionId: number): Promise<boolean | null> {
    try {
      const [row] = await this.#connections.use(undefined, (connection) =>
        connection.query(blockedQuery, { session: sessionId }),
      );
      return row!['may_ask'] === 1 ? row!['blocked'] === 1 : null;
    } catch {
      return null;
    }
  }

  async claimCheckpoint(
    schema: SchemaName,
    stagingId: string,
    epoch: number | null,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    return this.#connections.use(signal, async (connection) => {
      const [found] = await connection.query(
        findCheckpointStatement(schema),
        {},
      );
      if (
        found!['there'] === 0 &&
        !(await createCheckpoint(connection, schema))
      ) {
        return null;
      }
      const wanted = { schema, stagingId, epoch };
      const [row] = await claimCheckpoint(connection, wanted);
      if (!row) {
        throw await this.#notClaimed(connection, wanted);
      }
      return checkpointOf(row);
    });
  }

  async #notClaimed(
    connection: SqlServerConnection,
    { schema, stagingId }: Claim,
  ): Promise<ReplicatorError> {
    const [row] = await connection.query(readCheckpointStatement(schema), {
      schema,
    });
    return notClaimed(
      schema,
      stagingId,
      row,
      `${quoteSchema(schema)}.${checkpointTable}`,
    );
  }

  async checkpoint(
    schema: SchemaName,
    signal?: AbortSignal,
  ): Promise<TargetCheckpoint | null> {
    return this.#connections.use(signal, async (connection) => {
      try {
        const [row] = await connection.query(readCheckpointStatement(schema), {
          schema,
        });
        return row ? checkpointOf(row) : null;
      } catch (error) {
        if (serverErrorOf(error)?.number === selectDenied) {
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
          work((statement) =>
            connection.query(statement.text, deadLetterParameters(statement)),
          ),
        ),
    );
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.#connections.use(signal, (connection) =>
      connection.batch('select 1 as one;'),
    );
  }

  takesNul(): boolean {
    return true;
  }

  poolCounts(): PoolCounts {
    return this.#connections.counts();
  }

  /** Plans are found by the text of the statement: nothing is prepared. */
  statementCounts(): StatementCounts {
    return { hitCount: 0, missCount: 0, dropCount: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }
}

const blockedQuery = `select
  case when exists (
    select 1 from sys.dm_exec_requests
    where session_id = @session and blocking_session_id <> 0 and wait_type like 'LCK%'
  ) then 1 else 0 end as blocked,
  case when has_perms_by_name(null, null, 'VIEW SERVER STATE') = 1
    or has_perms_by_name(db_name(), 'DATABASE', 'VIEW DATABASE STATE') = 1 and serverproperty('EngineEdition') = 5
  then 1 else 0 end as may_ask;`;

const selectDenied = 229;
/** CREATE TABLE is denied; the schema is not ours to put tables into. */
const createDenied = [262, 2760];
/** Two daemons that create or claim at once: one of them hears that it is there. */
const alreadyThere = 2714;
const duplicateKeys = [2601, 2627];

/** False where the account may not. */
async function createCheckpoint(
  connection: SqlServerConnection,
  schema: SchemaName,
): Promise<boolean> {
  try {
    await connection.batch(createCheckpointStatement(schema));
  } catch (error) {
    const number = serverErrorOf(error)?.number ?? 0;
    if (createDenied.includes(number)) {
      return false;
    }
    if (number !== alreadyThere) {
      throw error;
    }
  }
  return true;
}

/** What {@link Target.claimCheckpoint} was asked for. */
interface Claim {
  readonly schema: SchemaName;
  readonly stagingId: string;
  readonly epoch: number | null;
}

async function claimCheckpoint(
  connection: SqlServerConnection,
  { schema, stagingId, epoch }: Claim,
): Promise<Row[]> {
  const claim = (): Promise<Row[]> =>
    connection.query(claimCheckpointStatement(schema), {
      schema,
      staging: stagingId,
      zero: zeroTimestamp,
      epoch: String(epoch ?? -1),
    });
  try {
    return await claim();
  } catch (error) {
    if (!duplicateKeys.includes(serverErrorOf(error)?.number ?? 0)) {
      throw error;
    }
    return await claim();
  }
}
