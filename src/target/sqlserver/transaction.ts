/** One open transaction of the SQL Server target. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { Loan } from '../connections/connection-pool.ts';
import type {
  KeyMoves,
  KeyRows,
  ShapeRows,
  TableShape,
  TargetTransaction,
  CommitMark,
} from '../target.ts';
import {
  type RunStatement,
  TransactionDeadLetters,
} from '../own-tables/dead-letter-table.ts';
import type { DeadLetterBox } from '../dead-letters.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { ValuePolicies } from '../value-policy.ts';
import { requireColumns } from '../values/require-columns.ts';
import { requireKey } from '../require-key.ts';
import { isMove, notHeld } from '../watermark.ts';
import { cancelOnAbort, orAbort } from '../connections/cancel.ts';
import {
  deadLetterDialect,
  deadLetterParameters,
} from './statements/dead-letter-statements.ts';
import type { SqlServerConnection, Turn } from './session/driver.ts';
import { deleteEqualStatement } from './statements/equal-rows.ts';
import { type Phase, serverErrorOf, targetFailure } from './session/errors.ts';
import { bothKeys, moveKeysPlan } from './statements/key-moves.ts';
import { parkingRules } from './statements/parking.ts';
import { type SessionOptions, sessionSettings } from './session/session.ts';
import {
  deleteStatement,
  emptyStatement,
  identityInsertStatement,
  insertRowsStatement,
  ownErrors,
  updateStatement,
  vacateStatement,
} from './statements/statements.ts';
import { type PlannedStatement, upsertPlan } from './statements/upsert-plan.ts';
import { rowsParameter } from './values/values.ts';
import {
  fenceStatement,
  moveCheckpointStatement,
  readCheckpointStatement,
} from './statements/watermark-statements.ts';
import { textValues } from '../row-values.ts';

export interface TransactionOptions extends SessionOptions {
  readonly policies: ValuePolicies;
  isBlocked(sessionId: number): Promise<boolean | null>;
}

export class SqlServerTransaction implements TargetTransaction {
  readonly #loan: Loan<SqlServerConnection>;
  readonly #connection: SqlServerConnection;
  readonly #options: TransactionOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #watch: Disposable;
  #state: 'open' | 'committed' | 'ended' = 'open';
  /** The first failure: what follows it would run outside the transaction. */
  #failure: Error | null = null;
  /** IDENTITY_INSERT may still be on for it. */
  #identityTable: TableShape | null = null;

  constructor(
    loan: Loan<SqlServerConnection>,
    options: TransactionOptions,
    signal: AbortSignal | undefined,
  ) {
    this.#loan = loan;
    this.#options = options;
    this.#connection = loan.connection;
    this.#signal = signal;
    this.#watch = cancelOnAbort(loan.connection, signal);
    // Not awaited: the first statement waits for it.
    this.#connection
      .batch(
        `${sessionSettings(options)}\nbegin transaction;`,
        this.#turn('statement'),
      )
      .catch(() => {});
  }

  async upsert(rows: ShapeRows): Promise<void> {
    await this.#written(rows.table, () => ({
      statements: upsertPlan(rows),
      rows: rowsParameter(rows, this.#options.policies),
      count: rows.rowCount,
    }));
  }

  readonly parking = parkingRules;

  async update(rows: ShapeRows): Promise<void> {
    await this.#written(rows.table, () => {
      requireKey(rows.table);
      const text = updateStatement(rows.table, rows.columns);
      return {
        statements: [{ text, setsIdentityInsert: false }],
        rows: rowsParameter(rows, this.#options.policies),
        count: rows.rowCount,
      };
    });
  }

  async delete(keys: KeyRows): Promise<void> {
    await this.#written(keys.table, () => {
      requireKey(keys.table);
      return {
        statements: [
          { text: deleteStatement(keys.table), setsIdentityInsert: false },
        ],
        rows: this.#keyParameter(keys),
        count: keys.rowCount,
      };
    });
  }

  async vacateUniqueKeys(keys: KeyRows): Promise<boolean> {
    requireKey(keys.table);
    const text = vacateStatement(keys.table);
    if (text === null) {
      return false;
    }
    await this.#written(keys.table, () => ({
      statements: [{ text, setsIdentityInsert: false }],
      rows: this.#keyParameter(keys),
      count: keys.rowCount,
    }));
    return true;
  }

  async moveKeys({ table, from, to, rowCount }: KeyMoves): Promise<void> {
    await this.#written(table, () => {
      requireKey(table);
      return {
        statements: moveKeysPlan(table),
        rows: rowsParameter(
          {
            table,
            columns: bothKeys(table),
            values: textValues([...to, ...from], rowCount),
            rowCount,
          },
          this.#options.policies,
        ),
        count: rowCount,
      };
    });
  }

  async insert(rows: ShapeRows): Promise<void> {
    await this.#written(rows.table, () => {
      requireColumns(rows);
      return {
        statements: [
          {
            text: insertRowsStatement(rows.table, rows.columns),
            setsIdentityInsert: rows.columns.some(
              ({ identity }) => identity !== null,
            ),
          },
        ],
        rows: rowsParameter(rows, this.#options.policies),
        count: rows.rowCount,
      };
    });
  }

  async deleteEqual(rows: ShapeRows): Promise<void> {
    await this.#written(rows.table, () => {
      requireColumns(rows);
      return {
        statements: [
          {
            text: deleteEqualStatement(rows.table, rows.columns),
            setsIdentityInsert: false,
          },
        ],
        rows: rowsParameter(rows, this.#options.policies),
        count: rows.rowCount,
      };
    });
  }

  /** Identity counters stay where they are, as they do for every write. */
  async truncate(tables: readonly TableShape[]): Promise<void> {
    await Promise.all(
      tables.map((table) =>
        this.#written(table, () => ({
          statements: [
            { text: emptyStatement(table), setsIdentityInsert: false },
          ],
          rows: '[]',
          count: 0,
        })),
      ),
    );
  }

  deadLetters(schema: SchemaName, tableName: string): DeadLetterBox {
    const run: RunStatement = (statement) =>
      this.#query(statement.text, deadLetterParameters(statement));
    return new TransactionDeadLetters(
      { dialect: deadLetterDialect, schema, tableName },
      run,
    );
  }

  /** Nothing is deferred here. */
  async checkConstraints(): Promise<void> {
    this.#throwIfOver();
  }

  async keepAlive(): Promise<void> {
    await this.#query('select 1');
  }

  waitsForLock(): Promise<boolean | null> {
    return this.#options.isBlocked(this.#connection.sessionId);
  }

  async commit(mark: CommitMark | null): Promise<void> {
    this.#throwIfOver();
    if (mark) {
      try {
        await this.#mark(mark);
      } catch (error) {
        throw this.#fail(
          serverErrorOf(error)?.number === ownErrors.watermarkNotMoved
            ? await this.#whyNotHeld(mark)
            : error,
          'statement',
        );
      }
    }
    try {
      // Fails where the server has rolled back before.
      await this.#connection.batch('commit transaction;', this.#turn('commit'));
    } catch (error) {
      throw this.#fail(error, 'commit');
    }
    this.#state = 'committed';
    await this.#end();
  }

  async #mark(mark: CommitMark): Promise<void> {
    // What the failure is has to be asked first.
    const turn = { ...this.#turn('statement'), failed: () => {} };
    await (isMove(mark)
      ? this.#connection.query(
          moveCheckpointStatement(mark.schema),
          {
            schema: mark.schema,
            applied: mark.checkpoint.applied,
            epoch: String(mark.checkpoint.epoch),
            previous: mark.previous,
          },
          turn,
        )
      : this.#connection.query(
          fenceStatement(mark.schema),
          { schema: mark.schema, epoch: String(mark.epoch) },
          turn,
        ));
  }

  /** XACT_ABORT has rolled back: outside any transaction. */
  async #whyNotHeld(mark: CommitMark): Promise<unknown> {
    try {
      await this.#connection.batch('if @@trancount > 0 rollback transaction;');
      const [there] = await this.#connection.query(
        readCheckpointStatement(mark.schema),
        { schema: mark.schema },
      );
      return notHeld(mark, there);
    } catch (error) {
      return error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'open') {
      return;
    }
    this.#state = 'ended';
    try {
      if (this.#connection.usable) {
        await this.#connection.batch(
          'if @@trancount > 0 rollback transaction;',
        );
        if (this.#identityTable) {
          await this.#connection.batch(
            identityInsertStatement(this.#identityTable, 'off'),
          );
        }
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

  #keyParameter({ table, keys, rowCount }: KeyRows): string {
    return rowsParameter(
      {
        table,
        columns: table.primaryKey,
        values: textValues(keys, rowCount),
        rowCount,
      },
      this.#options.policies,
    );
  }

  /** A value that cannot be written fails the transaction as the server would. */
  async #query(
    text: string,
    parameters: Parameters<SqlServerConnection['query']>[1] = {},
  ): ReturnType<SqlServerConnection['query']> {
    this.#throwIfOver();
    try {
      return await this.#connection.query(
        text,
        parameters,
        this.#turn('statement'),
      );
    } catch (error) {
      throw this.#fail(error, 'statement');
    }
  }

  async #written(
    table: TableShape,
    write: () => {
      statements: readonly PlannedStatement[];
      rows: string;
      count: number;
    },
  ): Promise<void> {
    this.#throwIfOver();
    try {
      const { statements, rows, count } = write();
      await Promise.all(
        statements.map(async ({ text, setsIdentityInsert, refusal }) => {
          const turn = this.#turn('statement', refusal);
          await this.#connection.query(
            text,
            { rows, count },
            {
              ...turn,
              before: () => {
                turn.before();
                this.#identityTable = setsIdentityInsert ? table : null;
              },
            },
          );
        }),
      );
    } catch (error) {
      throw this.#fail(error, 'statement');
    }
  }

  /**
   * The failure is known before the next statement has its turn: with the
   * transaction rolled back, that would be a transaction of its own.
   */
  #turn(phase: Phase, refusal?: () => ReplicatorError): Turn {
    return {
      before: () => this.#throwIfOver(),
      failed: (error) => {
        const isRefusal =
          serverErrorOf(error)?.number === ownErrors.rewriteRefused;
        this.#fail(refusal && isRefusal ? refusal() : error, phase);
      },
    };
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
    this.#failure ??= orAbort(targetFailure(error, phase), this.#signal);
    return this.#failure;
  }
}
