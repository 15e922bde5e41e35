/** One open transaction of the PostgreSQL target. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { Loan } from '../connections/connection-pool.ts';
import { HeldCalls } from '../connections/held-calls.ts';
import { type ColumnarRows, columnarRows } from '../values/column-texts.ts';
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
import { placedFailure } from './values/placed-failure.ts';
import { passesKeys } from '../apply/passed-keys.ts';
import { requireColumns } from '../values/require-columns.ts';
import { requireKey } from '../require-key.ts';
import { cancelOnAbort, orAbort } from '../connections/cancel.ts';
import { Turn } from '../connections/turn.ts';
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
import { type BoundParameters, rowParameters } from './values/parameters.ts';
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
import { GuessedWrites, mayJoin } from './guessed-writes.ts';
import {
  type InsertGuess,
  insertGuess,
  sampledKeys,
} from './statements/insert-guess.ts';
import { type PlannedStatement, upsertPlan } from './statements/upsert-plan.ts';
import { textValues } from '../row-values.ts';

/** A chain of values may be as long; a longer one is refused. */
const maxRounds = 1_000;
/** Each leaves a subtransaction behind; of more than 64 the server loses track. */
const mostGuesses = 50;

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
  readonly #isBlocked: (processId: number) => Promise<boolean>;
  readonly #policies: ValuePolicies;
  readonly #signal: AbortSignal | undefined;
  readonly #watch: Disposable;
  #state: 'open' | 'committing' | 'committed' | 'ended' = 'open';
  /** The one before it on the connection, until that has ended. */
  #leader: PostgresTransaction | null;
  /** The one behind it, likewise. */
  #follower: PostgresTransaction | null = null;
  /** Held until the commit of the one before has been sent. */
  readonly #calls: HeldCalls;
  /** Of a statement that is run again and again, or of guesses that end. */
  readonly #turn = new Turn();
  /** Of rows that may be new; behind them only upserts go without a wait. */
  #guessed: GuessedWrites | null = null;
  #guessCount = 0;
  /** The first failure: what follows it only hears "transaction is aborted". */
  #failure: Error | null = null;
  /** That is all it says: the answer that came first is still on its way to us. */
  #isEcho = false;

  constructor(
    loan: Loan<PostgresConnection>,
    options: PostgresTransactionOptions,
    leader: PostgresTransaction | null = null,
  ) {
    const { isBlocked, policies, signal } = options;
    this.#loan = loan;
    this.#options = options;
    this.#leader = leader;
    this.#calls = new HeldCalls({ isHeld: leader !== null });
    this.#isBlocked = isBlocked;
    this.#policies = policies;
    this.#connection = loan.connection;
    this.#signal = signal;
    this.#watch = cancelOnAbort(loan.connection, signal);
    // Not awaited: it travels with the first statement. Constraints that can
    // wait for the commit do, so that the order of statements is free.
    this.#calls
      .make(() =>
        this.#connection.query(
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

  async upsert(rows: ShapeRows): Promise<void> {
    const guess = insertGuess(rows);
    await this.#inTurn(
      () => this.#upsert(rows, guess),
      () => mayJoin(rows, guess),
    );
  }

  async #upsert(rows: ShapeRows, guess: InsertGuess | null): Promise<void> {
    if (guess?.isLikely && (this.#guessed || this.#guessCount < mostGuesses)) {
      await this.#writtenBehindSavepoint(rows, guess);
      return;
    }
    const looks = guess?.wantsLook() ? guess : null;
    const look = looks && this.#look(rows, looks);
    await (this.#guessed
      ? this.#writtenBehindSavepoint(rows, null)
      : this.#write(rows, () => upsertPlan(rows)));
    if (look) {
      const foundCount = await look;
      // Only now: an insert must not pass where an upsert is refused.
      if (foundCount !== null) {
        looks.looked(foundCount);
      }
    }
  }

  /**
   * How many of the sampled keys are there; null where nobody can say. A failure
   * is that of the transaction: who writes next hears of it.
   */
  async #look(rows: ShapeRows, guess: InsertGuess): Promise<number | null> {
    const guessed = this.#guessed;
    try {
      const sampled = sampledKeys(rows);
      const keys = rowParameters(sampled, this.#policies);
      const answer = this.#calls.make(() =>
        this.#connection.execute(guess.lookText, keys),
      );
      guessed?.add({ rows: sampled, answer, guess: null, upsert: null });
      const [found] = (await answer).rows as { n: string }[];
      return Number(found!.n);
    } catch (error) {
      if (!guessed) {
        this.#fail(error, 'statement');
      }
      return null;
    }
  }

  readonly parking = parkingRules;

  async update(rows: ShapeRows): Promise<void> {
    await this.#written(rows, () => {
      requireKey(rows.table);
      return [{ text: updateStatement(rows.table, rows.columns) }];
    });
  }

  async delete(keys: KeyRows): Promise<void> {
    await this.#written(columnarRows(keys), () => {
      requireKey(keys.table);
      return [{ text: deleteStatement(keys.table) }];
    });
  }

  async deleteUnreferred(
    keys: KeyRows,
    references: readonly TableReference[],
  ): Promise<void> {
    await this.#written(columnarRows(keys), () => {
      requireKey(keys.table);
      return [{ text: deleteUnreferredStatement(keys.table, references) }];
    });
  }

  async moveKeys(moves: KeyMoves): Promise<void> {
    const { table, from, to, rowCount } = moves;
    const columns = [...table.primaryKey, ...table.primaryKey];
    const values = textValues([...from, ...to], rowCount);
    await this.#written({ table, columns, values, rowCount }, () => {
      requireKey(table);
      return movePlan(table, { passesKeys: passesKeys(moves) });
    });
  }

  async insert(rows: ShapeRows): Promise<void> {
    await this.#written(rows, () => {
      requireColumns(rows);
      return [{ text: insertStatement(rows.table, rows.columns) }];
    });
  }

  async deleteEqual(rows: ShapeRows): Promise<void> {
    await this.#written(rows, () => {
      requireColumns(rows);
      return [{ text: deleteEqualStatement(rows.table, rows.columns) }];
    });
  }

  async truncate(
    tables: readonly TableShape[],
    restartIdentity: boolean,
  ): Promise<void> {
    await this.#query(truncateStatement(tables, restartIdentity));
  }

  deadLetters(schema: SchemaName, tableName: string): DeadLetterBox {
    const run: RunStatement = ({ text, values }) => this.#query(text, values);
    return new TransactionDeadLetters(
      { dialect: deadLetterDialect, schema, tableName },
      run,
    );
  }

  async checkConstraints(): Promise<void> {
    await this.#query('set constraints all immediate');
  }

  async keepAlive(): Promise<void> {
    await this.#query('select 1');
  }

  waitsForLock(): Promise<boolean> {
    return this.#isBlocked(this.#connection.processId);
  }

  async vacateUniqueKeys(keys: KeyRows): Promise<boolean> {
    requireKey(keys.table);
    const statement = vacateStatement(keys.table);
    if (statement === null) {
      return false;
    }
    const text = `${statement}\n${unlessFollowed(keys.table)}`;
    await this.#written(columnarRows(keys), () => [{ text }]);
    return true;
  }

  commit(mark: CommitMark | null): Promise<void> {
    return this.#inTurn(() => this.#commit(mark));
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

  /** A statement that is not kept prepared. */
  async #query(
    text: string,
    values?: readonly string[],
  ): Promise<Record<string, string | null>[]> {
    const { rows } = await this.#inTurn(async () => {
      try {
        return await this.#ask(text, values);
      } catch (error) {
        throw this.#fail(error, 'statement');
      }
    });
    return rows;
  }

  #ask(
    text: string,
    values?: readonly string[],
  ): Promise<{ readonly rows: Record<string, string | null>[] }> {
    return this.#calls.make(() => this.#connection.query(text, values));
  }

  #written(
    rows: ColumnarRows,
    plan: () => readonly PlannedStatement[],
  ): Promise<void> {
    return this.#inTurn(() => this.#write(rows, plan));
  }

  /** A value that cannot be written fails the transaction as the server would. */
  async #write(
    rows: ColumnarRows,
    plan: () => readonly PlannedStatement[],
  ): Promise<void> {
    try {
      await Promise.all(await this.#send(rows, plan()));
    } catch (error) {
      throw this.#fail(error, 'statement');
    }
  }

  /** Resolves when the statements are on their way, or in line. */
  async #send(
    rows: ColumnarRows,
    statements: readonly PlannedStatement[],
  ): Promise<Promise<unknown>[]> {
    const parameters = this.#parametersOf(rows);
    const run = async ({ text, refusal }: PlannedStatement) => {
      try {
        return await this.#calls.make(() =>
          this.#connection.execute(text, parameters),
        );
      } catch (error) {
        const isRefusal =
          refusal && isServerError(error) && error.code === '22012';
        throw isRefusal ? refusal() : placedFailure(error, rows, this.#signal);
      }
    };
    const [repeated] = statements.filter(({ repeats }) => repeats);
    const others = statements.filter(({ repeats }) => !repeats);
    const sent = repeated
      ? await this.#behindRepeated(
          () => run(repeated),
          () => others.map(run),
        )
      : others.map(run);
    this.#letGoOf(parameters);
    return sent;
  }

  #parametersOf(rows: ColumnarRows): BoundParameters {
    const parameters = rowParameters(rows, this.#policies);
    rows.values.release();
    return parameters;
  }

  #letGoOf(parameters: BoundParameters): void {
    this.#calls.behind(() => parameters.release());
  }

  #behindRepeated<T>(
    repeated: () => Promise<{ readonly rowCount: number | null }>,
    others: () => T,
  ): Promise<T> {
    return this.#turn.take(async () => {
      for (let round = 0; round < maxRounds; round += 1) {
        // Behind a rollback it would be a transaction of its own.
        this.#throwIfOver();
        if (((await repeated()).rowCount ?? 0) === 0) {
          break;
        }
      }
      this.#throwIfOver();
      return others();
    });
  }

  /** What may not join the guesses ends them first, and so does what comes when they are many. */
  #inTurn<T>(
    work: () => Promise<T>,
    mayJoin: () => boolean = () => false,
  ): Promise<T> {
    return this.#turn.begin(
      async () => {
        this.#throwIfOver();
        return await work();
      },
      () => {
        const guessed = this.#guessed;
        if (guessed && (guessed.isFull || !mayJoin())) {
          this.#endGuesses(guessed).catch(() => {});
        }
      },
    );
  }

  /** Without a guess as an upsert, which comes again too where others are refused. */
  async #writtenBehindSavepoint(
    rows: ShapeRows,
    guess: InsertGuess | null,
  ): Promise<void> {
    try {
      const text = guess?.insertText ?? upsertPlan(rows)[0]!.text;
      const parameters = this.#parametersOf(rows);
      const guessed = this.#guessed ?? this.#beginGuesses();
      const answer = this.#calls.make(() =>
        this.#connection.execute(text, parameters),
      );
      this.#letGoOf(parameters);
      guessed.add({ rows, answer, guess, upsert: rows });
      try {
        await answer;
      } catch {
        await this.#endGuesses(guessed);
      }
    } catch (error) {
      throw this.#fail(error, 'statement');
    }
  }

  #beginGuesses(): GuessedWrites {
    this.#guessCount += 1;
    this.#guessed = new GuessedWrites({
      ask: (text) => {
        this.#throwIfOver();
        return this.#ask(text);
      },
      again: (rows) => {
        this.#throwIfOver();
        return this.#send(rows, upsertPlan(rows));
      },
      placed: (error, rows) => placedFailure(error, rows, this.#signal),
    });
    return this.#guessed;
  }

  /** What comes meanwhile waits until all are written for good. */
  #endGuesses(guessed: GuessedWrites): Promise<void> {
    if (guessed === this.#guessed) {
      this.#guessed = null;
      guessed.end = this.#turn.take(async () => {
        try {
          await guessed.settle();
        } catch (error) {
          throw this.#fail(error, 'statement');
        }
      });
    }
    return guessed.end!;
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
    if (this.#failure === null || (this.#isEcho && !isEcho(error))) {
      this.#failure = orAbort(targetFailure(error, phase), this.#signal);
      this.#isEcho = isEcho(error);
    }
    return this.#failure;
  }
}
