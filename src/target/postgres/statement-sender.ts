/** Sends the statements of one open transaction, in the order of the calls. */
import type { HeldCalls } from '../connections/held-calls.ts';
import { Turn } from '../connections/turn.ts';
import type { ShapeRows } from '../target.ts';
import type { ValuePolicies } from '../value-policy.ts';
import type { ColumnarRows } from '../values/column-texts.ts';
import { GuessedWrites, mayJoin } from './guessed-writes.ts';
import type { PostgresConnection } from './session/driver.ts';
import { isServerError } from './session/errors.ts';
import {
  type InsertGuess,
  insertGuess,
  sampledKeys,
} from './statements/insert-guess.ts';
import { type PlannedStatement, upsertPlan } from './statements/upsert-plan.ts';
import { type BoundParameters, rowParameters } from './values/parameters.ts';
import { placedFailure } from './values/placed-failure.ts';

/** A chain of values may be as long; a longer one is refused. */
const maxRounds = 1_000;
/** Each leaves a subtransaction behind; of more than 64 the server loses track. */
const mostGuesses = 50;

/** What is sent of, and to which all that fails on the way belongs. */
export interface SendingTransaction {
  readonly connection: PostgresConnection;
  readonly calls: HeldCalls;
  readonly policies: ValuePolicies;
  readonly signal: AbortSignal | undefined;
  /** Throws when nothing more may be sent. */
  readonly throwIfOver: () => void;
  /** Takes down that it has failed; returns what its caller hears. */
  readonly fail: (error: unknown) => Error;
}

export class StatementSender {
  readonly #transaction: SendingTransaction;
  /** Of a statement that is run again and again, or of guesses that end. */
  readonly #turn = new Turn();
  /** Of rows that may be new; behind them only upserts go without a wait. */
  #guessed: GuessedWrites | null = null;
  #guessCount = 0;

  constructor(transaction: SendingTransaction) {
    this.#transaction = transaction;
  }

  async upsert(rows: ShapeRows): Promise<void> {
    const guess = insertGuess(rows);
    await this.inTurn(
      () => this.#upsert(rows, guess),
      () => mayJoin(rows, guess),
    );
  }

  write(
    rows: ColumnarRows,
    plan: () => readonly PlannedStatement[],
  ): Promise<void> {
    return this.inTurn(() => this.#write(rows, plan));
  }

  /** A statement that is not kept prepared. */
  async query(
    text: string,
    values?: readonly string[],
  ): Promise<Record<string, string | null>[]> {
    const { rows } = await this.inTurn(async () => {
      try {
        return await this.#ask(text, values);
      } catch (error) {
        throw this.#transaction.fail(error);
      }
    });
    return rows;
  }

  /** What may not join the guesses ends them first, and so does what comes when they are many. */
  inTurn<T>(
    work: () => Promise<T>,
    mayJoin: () => boolean = () => false,
  ): Promise<T> {
    return this.#turn.begin(
      async () => {
        this.#transaction.throwIfOver();
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
      const keys = rowParameters(sampled, this.#transaction.policies);
      const answer = this.#execute(guess.lookText, keys);
      guessed?.add({ rows: sampled, answer, guess: null, upsert: null });
      const [found] = (await answer).rows as { n: string }[];
      return Number(found!.n);
    } catch (error) {
      if (!guessed) {
        this.#transaction.fail(error);
      }
      return null;
    }
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
      const answer = this.#execute(text, parameters);
      this.#letGoOf(parameters);
      guessed.add({ rows, answer, guess, upsert: rows });
      try {
        await answer;
      } catch {
        await this.#endGuesses(guessed);
      }
    } catch (error) {
      throw this.#transaction.fail(error);
    }
  }

  #beginGuesses(): GuessedWrites {
    this.#guessCount += 1;
    this.#guessed = new GuessedWrites({
      ask: (text) => {
        this.#transaction.throwIfOver();
        return this.#ask(text);
      },
      again: (rows) => {
        this.#transaction.throwIfOver();
        return this.#send(rows, upsertPlan(rows));
      },
      placed: (error, rows) =>
        placedFailure(error, rows, this.#transaction.signal),
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
          throw this.#transaction.fail(error);
        }
      });
    }
    return guessed.end!;
  }

  /** A value that cannot be written fails the transaction as the server would. */
  async #write(
    rows: ColumnarRows,
    plan: () => readonly PlannedStatement[],
  ): Promise<void> {
    try {
      await Promise.all(await this.#send(rows, plan()));
    } catch (error) {
      throw this.#transaction.fail(error);
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
        return await this.#execute(text, parameters);
      } catch (error) {
        const isRefusal =
          refusal && isServerError(error) && error.code === '22012';
        throw isRefusal
          ? refusal()
          : placedFailure(error, rows, this.#transaction.signal);
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

  #behindRepeated<T>(
    repeated: () => Promise<{ readonly rowCount: number | null }>,
    others: () => T,
  ): Promise<T> {
    return this.#turn.take(async () => {
      for (let round = 0; round < maxRounds; round += 1) {
        // Behind a rollback it would be a transaction of its own.
        this.#transaction.throwIfOver();
        if (((await repeated()).rowCount ?? 0) === 0) {
          break;
        }
      }
      this.#transaction.throwIfOver();
      return others();
    });
  }

  #parametersOf(rows: ColumnarRows): BoundParameters {
    const parameters = rowParameters(rows, this.#transaction.policies);
    rows.values.release();
    return parameters;
  }

  #letGoOf(parameters: BoundParameters): void {
    this.#transaction.calls.behind(() => parameters.release());
  }

  #ask(
    text: string,
    values?: readonly string[],
  ): Promise<{ readonly rows: Record<string, string | null>[] }> {
    return this.#transaction.calls.make(() =>
      this.#transaction.connection.query(text, values),
    );
  }

  #execute(
    text: string,
    parameters: BoundParameters,
  ): ReturnType<PostgresConnection['execute']> {
    return this.#transaction.calls.make(() =>
      this.#transaction.connection.execute(text, parameters),
    );
  }
}
