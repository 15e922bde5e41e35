/** One open transaction of the PostgreSQL target. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { Loan } from '../connections/connection-pool.ts';
import { HeldCalls } from '../connections/held-calls.ts';
import { columnarRows } from '../values/column-texts.ts';
import type {
  KeyMoves,
  KeyRows,
  ShapeRows,
  TableReference,
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
import { passesKeys } from '../apply/passed-keys.ts';
import { requireColumns } from '../values/require-columns.ts';
import { requireKey } from '../require-key.ts';
import { cancelOnAbort, orAbort } from '../connections/cancel.ts';
import { deadLetterDialect } from './statements/dead-letter-statements.ts';
import type { PostgresConnection } from './session/driver.ts';
import {
  abandoned,
  isEcho,
  isServerError,
  type Phase,
  targetFailure,
} from './session/errors.ts';
import {
  deleteEqualStatement,
  insertStatement,
} from './statements/keyless-statements.ts';
import { parkingRules } from './statements/parking.ts';
import {
  deleteStatement,
  deleteUnreferredStatement,
  updateStatement,
  vacateStatement,
} from './statements/statements.ts';
import {
  movePlan,
  truncateStatement,
  unlessFollowed,
} from './statements/table-statements.ts';
import { sendMark, whyNotHeld } from './commit-mark.ts';
import { StatementSender } from './statement-sender.ts';
import { textValues } from '../row-values.ts';

export interface PostgresTransactionOptions {
  /** Whether the server process waits for a lock. */
  readonly isBlocked: (processId: number) => Promise<boolean>;
  readonly policies: ValuePolicies;
  readonly signal: AbortSignal | undefined;
}

export class PostgresTransaction implements TargetTransaction {
  readonly #loan: Loan<PostgresConnection>;
  readonly #options: PostgresTransactionOptions;
  readonly #connection: PostgresConnection;
  readonly #watch: Disposable;
  #state: 'open' | 'committing' | 'committed' | 'ended' = 'open';
  /** The one before it on the connection, until that has ended. */
  #leader: PostgresTransaction | null;
  /** The one behind it, likewise. */
  #follower: PostgresTransaction | null = null;
  /** Held until the commit of the one before has been sent. */
  readonly #calls: HeldCalls;
  readonly #sender: StatementSender;
  /** The first failure: what follows it only hears "transaction is aborted". */
  #failure: Error | null = null;
  /** That is all it says: the answer that came first is still on its way to us. */
  #isEcho = false;

  constructor(
    loan: Loan<PostgresConnection>,
    options: PostgresTransactionOptions,
    leader: PostgresTransaction | null = null,
  ) {
    const { connection } = loan;
    const { policies, signal } = options;
    const calls = new HeldCalls({ isHeld: leader !== null });
    this.#loan = loan;
    this.#options = options;
    this.#connection = connection;
    this.#leader = leader;
    this.#calls = calls;
    this.#sender = new StatementSender({
      connection,
      calls,
      policies,
      signal,
      throwIfOver: () => this.#throwIfOver(),
      fail: (error) => this.#fail(error, 'statement'),
    });
    this.#watch = cancelOnAbort(connection, signal);
    // Not awaited: it travels with the first statement. Constraints that can
    // wait for the commit do, so that the order of statements is free.
    this.#calls
      .make(() =>
        this.#connection.begin(
          'begin isolation level read committed; set constraints all deferred',
        ),
      )
      .catch((error: unknown) => this.#fail(error, 'statement'));
  }

  /** See {@link TargetTransaction.follow}. */
  follow(): PostgresTransaction | null {
    const mayLead =
      this.#state === 'open' &&
      this.#failure === null &&
      this.#follower === null &&
      !this.#calls.areHeld &&
      !this.#loan.isDue();
    if (mayLead) {
      this.#follower = new PostgresTransaction(this.#loan, this.#options, this);
      return this.#follower;
    }
    return null;
  }

  upsert(rows: ShapeRows): Promise<void> {
    return this.#sender.upsert(rows);
  }

  readonly parking = parkingRules;

  async update(rows: ShapeRows): Promise<void> {
    await this.#sender.write(rows, () => {
      requireKey(rows.table);
      return [{ text: updateStatement(rows.table, rows.columns) }];
    });
  }

  async delete(keys: KeyRows): Promise<void> {
    await this.#sender.write(columnarRows(keys), () => {
      requireKey(keys.table);
      return [{ text: deleteStatement(keys.table) }];
    });
  }

  async deleteUnreferred(
    keys: KeyRows,
    references: readonly TableReference[],
  ): Promise<void> {
    await this.#sender.write(columnarRows(keys), () => {
      requireKey(keys.table);
      return [{ text: deleteUnreferredStatement(keys.table, references) }];
    });
  }

  async moveKeys(moves: KeyMoves): Promise<void> {
    const { table, from, to, rowCount } = moves;
    const columns = [...table.primaryKey, ...table.primaryKey];
    const values = textValues([...from, ...to], rowCount);
    await this.#sender.write({ table, columns, values, rowCount }, () => {
      requireKey(table);
      return movePlan(table, { passesKeys: passesKeys(moves) });
    });
  }

  async insert(rows: ShapeRows): Promise<void> {
    await this.#sender.write(rows, () => {
      requireColumns(rows);
      return [{ text: insertStatement(rows.table, rows.columns) }];
    });
  }

  async deleteEqual(rows: ShapeRows): Promise<void> {
    await this.#sender.write(rows, () => {
      requireColumns(rows);
      return [{ text: deleteEqualStatement(rows.table, rows.columns) }];
    });
  }

  async truncate(
    tables: readonly TableShape[],
    restartIdentity: boolean,
  ): Promise<void> {
    await this.#sender.query(truncateStatement(tables, restartIdentity));
  }

  deadLetters(schema: SchemaName, tableName: string): DeadLetterBox {
    const run: RunStatement = ({ text, values }) =>
      this.#sender.query(text, values);
    return new TransactionDeadLetters(
      { dialect: deadLetterDialect, schema, tableName },
      run,
    );
  }

  async checkConstraints(): Promise<void> {
    await this.#sender.query('set constraints all immediate');
  }

  async keepAlive(): Promise<void> {
    await this.#sender.query('select 1');
  }

  waitsForLock(): Promise<boolean> {
    return this.#options.isBlocked(this.#connection.processId);
  }

  async vacateUniqueKeys(keys: KeyRows): Promise<boolean> {
    requireKey(keys.table);
    const statement = vacateStatement(keys.table);
    if (statement === null) {
      return false;
    }
    const text = `${statement}\n${unlessFollowed(keys.table)}`;
    await this.#sender.write(columnarRows(keys), () => [{ text }]);
    return true;
  }

  commit(mark: CommitMark | null): Promise<void> {
    return this.#sender.inTurn(() => this.#commit(mark));
  }

  async #commit(mark: CommitMark | null): Promise<void> {
    if (this.#calls.areHeld) {
      throw this.#fail(abandoned(), 'commit');
    }
    this.#state = 'committing';
    // One round trip: if the mark does not hold, the commit behind it finds
    // an aborted transaction and rolls back.
    const answers = Promise.allSettled([
      mark && sendMark(this.#connection, mark),
      this.#connection.query('commit'),
    ]);
    if (this.#follower) {
      this.#follower.#calls.release();
    }
    const [marked, ended] = await answers;
    if (marked.status === 'rejected') {
      this.#abandonFollower();
      const doesNotHold =
        isServerError(marked.reason) && marked.reason.code === '22012';
      throw this.#fail(
        doesNotHold ? await this.#whyNotHeld(mark!) : marked.reason,
        'commit',
      );
    }
    if (ended.status === 'rejected') {
      this.#abandonFollower();
      throw this.#fail(ended.reason, 'commit');
    }
    if (ended.value.command !== 'COMMIT') {
      this.#abandonFollower();
      throw this.#fail(
        new Error('the transaction had failed before its commit'),
        'commit',
      );
    }
    this.#state = 'committed';
    await this.#end();
  }

  /**
   * Nothing of it is sent from here on. What was, is a transaction of its own
   * that never commits, as nobody calls for that.
   */
  #abandonFollower(): void {
    const follower = this.#follower;
    if (follower) {
      follower.#failure ??= abandoned();
      follower.#calls.refuse(follower.#failure);
    }
  }

  /** Called behind the commit that rolled back: outside any transaction. */
  async #whyNotHeld(mark: CommitMark): Promise<unknown> {
    try {
      if (this.#follower) {
        // What was sent of it may have failed, and then nothing is answered.
        await this.#connection.query('rollback');
      }
      return await whyNotHeld(this.#connection, mark);
    } catch (error) {
      return error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'committed' || this.#state === 'ended') {
      return;
    }
    this.#state = 'ended';
    this.#abandonFollower();
    try {
      if (this.#calls.areHeld) {
        this.#failure ??= abandoned();
        this.#calls.refuse(this.#failure);
      } else if (this.#connection.usable) {
        await this.#connection.query('rollback');
      }
    } catch {
      // The server rolls back what it cannot hear about.
      this.#connection.destroy();
    }
    await this.#end();
  }

  /** The last one on the connection gives it back. */
  async #end(): Promise<void> {
    this.#watch[Symbol.dispose]();
    const leader = this.#leader;
    const follower = this.#follower;
    if (leader) {
      leader.#follower = follower;
    }
    if (follower) {
      follower.#leader = leader;
    }
    if (!leader && !follower) {
      await this.#loan[Symbol.asyncDispose]();
    }
  }

  #throwIfOver(): void {
    this.#options.signal?.throwIfAborted();
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
    if (this.#failure === null || (this.#isEcho && !isEcho(error))) {
      this.#failure = orAbort(
        targetFailure(error, phase),
        this.#options.signal,
      );
      this.#isEcho = isEcho(error);
    }
    return this.#failure;
  }
}
