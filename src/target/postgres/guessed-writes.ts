/**
 * Statements behind one savepoint, on the guess that the rows of some of them
 * are new. All go ahead; what they have done is known when the savepoint ends:
 *
 *     savepoint ─ insert ─ insert ─ upsert ─ insert ─ release
 *     savepoint ─ insert ─ insert ✗ upsert ✗ ─ rollback to savepoint ─ all again, as upserts
 *
 * One savepoint for each statement costs a hundred rows as much as the guess
 * gains, most of all by the round trip behind each.
 */
import type { ShapeRows } from '../target.ts';
import type { ColumnarRows } from '../values/column-texts.ts';
import { violatesConstraint } from './session/errors.ts';
import type { InsertGuess } from './statements/insert-guess.ts';
import { isPlain, upsertPlan } from './statements/upsert-plan.ts';

/** Whether it can come behind a savepoint with others. */
export function mayJoin(rows: ShapeRows, guess: InsertGuess | null): boolean {
  return (
    guess?.isLikely === true ||
    (rows.table.primaryKey.length > 0 && isPlain(upsertPlan(rows)))
  );
}

export interface GuessedWrite {
  /** Rows that are written, or keys that are looked up. */
  readonly rows: ColumnarRows;
  readonly answer: Promise<unknown>;
  /** Null where it was none, but an upsert or a look. */
  readonly guess: InsertGuess | null;
  /** What comes again where another one is refused; null for a look. */
  readonly upsert: ShapeRows | null;
}

/** What they need of their transaction; throws once that is over. */
export interface GuessingTransaction {
  readonly ask: (text: string) => Promise<unknown>;
  /** Sends them as an upsert; resolves when it is on its way, or in line. */
  readonly again: (rows: ShapeRows) => Promise<Promise<unknown>[]>;
  /** The failure, with the row that is to blame. */
  readonly placed: (error: unknown, rows: ColumnarRows) => Error;
}

/** More would be held for long by a transaction that has no end in sight. */
const mostWrites = 128;
const mostRows = 10_000;

export class GuessedWrites {
  readonly #transaction: GuessingTransaction;
  readonly #writes: GuessedWrite[] = [];
  #rowCount = 0;
  /** Settled when all are written for good; null while more may come. */
  end: Promise<void> | null = null;

  /** Sends the savepoint. */
  constructor(transaction: GuessingTransaction) {
    this.#transaction = transaction;
    transaction.ask('savepoint guess').catch(() => {});
  }

  get isFull(): boolean {
    return this.#writes.length >= mostWrites || this.#rowCount >= mostRows;
  }

  /** In the order in which they are sent. */
  add(write: GuessedWrite): void {
    write.answer.catch(() => {});
    this.#writes.push(write);
    this.#rowCount += write.rows.rowCount;
  }

  /**
   * Waits for all answers, and writes all again where a guess was wrong. Any
   * other refusal is one for good, as is that of an upsert.
   */
  async settle(): Promise<void> {
    const { ask, again, placed } = this.#transaction;
    const answers = await Promise.allSettled(
      this.#writes.map(({ answer }) => answer),
    );
    const at = answers.findIndex(({ status }) => status === 'rejected');
    const answer = answers[at];
    if (answer?.status !== 'rejected') {
      ask('release savepoint guess').catch(() => {});
      return;
    }
    const { guess, rows } = this.#writes[at]!;
    if (!guess || !violatesConstraint(answer.reason)) {
      throw placed(answer.reason, rows);
    }
    guess.refused();
    const sent: Promise<unknown>[] = [];
    const send = (answer: Promise<unknown>): void => {
      // Nobody awaits it where the transaction ends before all are sent.
      answer.catch(() => {});
      sent.push(answer);
    };
    // To go back to a savepoint does not end it.
    send(ask('rollback to savepoint guess; release savepoint guess'));
    for (const { upsert } of this.#writes) {
      if (upsert) {
        (await again(upsert)).forEach(send);
      }
    }
    await Promise.all(sent);
  }
}
