/**
 * The door of the dead letters: rows that will not go, set aside
 * in a table of the target schema with what stood in their way.
 *
 * A letter is *open* from the transaction that writes it until it is retried
 * or discarded (then it is deleted) or superseded: a later version of the row
 * that is whole, or its deletion, was applied over it. While a key has an open
 * letter, later versions that are not whole follow it here, so that no newer
 * state is built on a hole.
 */
import type { JsonText, Mutation } from '../mutation/mutation.ts';
import type { Timestamp } from '../mutation/timestamp.ts';

/** A row about to be set aside. */
export interface NewDeadLetter {
  /** The table's name in the schema's shape. */
  readonly table: string;
  /** The columns whose values the key holds; empty without a primary key. */
  readonly keyColumns: readonly string[];
  readonly mutation: Mutation;
  /** The code of the failure (`E4006`), or of the letter that it follows. */
  readonly code: string;
  /** What happened, in one sentence. */
  readonly cause: string;
}

export interface DeadLetter extends NewDeadLetter {
  /** Opaque; ascending in the order in which letters were written. */
  readonly id: string;
  readonly createdAt: Date;
  readonly supersededAt: Date | null;
}

/** Every part given must fit. */
export interface DeadLetterFilter {
  readonly ids?: readonly string[];
  readonly table?: string;
  readonly key?: JsonText;
  readonly code?: string;
  /** Source times, both inclusive. */
  readonly from?: Timestamp;
  readonly through?: Timestamp;
  readonly includeSuperseded?: boolean;
}

/** The dead letters of one target schema, outside any transaction. */
export interface DeadLetters {
  /**
   * Makes the table where there is none. E4019 (halt), with the statement to
   * run in its remedy, where the account may not, or where a table of that
   * name lacks columns.
   */
  prepare(signal?: AbortSignal): Promise<void>;
  /** Keys with open letters, by table; empty where there is no table. */
  openKeys(
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, ReadonlySet<JsonText>>>;
  /** How many fit; 0 where there is no table. */
  count(filter: DeadLetterFilter, signal?: AbortSignal): Promise<number>;
  /** In the order of their ids, behind `after`; empty where there is no table. */
  list(
    filter: DeadLetterFilter,
    limit: number,
    after: string | null,
    signal?: AbortSignal,
  ): Promise<DeadLetter[]>;
}

/** The same, as part of an open transaction; in call order with its statements. */
export interface DeadLetterBox {
  add(letters: readonly NewDeadLetter[]): Promise<void>;
  /**
   * Which of the keys have open letters, and the latest time of these. Their letters are locked until the
   * transaction ends: nobody retries or discards them meanwhile.
   */
  lockKeys(
    table: string,
    keys: readonly JsonText[],
  ): Promise<ReadonlyMap<JsonText, Timestamp>>;
  /** All open letters of the table, where it has been emptied. */
  supersedeTable(table: string): Promise<void>;
  /** The open letters of keys that are locked. */
  supersede(table: string, keys: readonly JsonText[]): Promise<void>;
  /** The letters that are still there, locked, in the order of their ids. */
  take(ids: readonly string[]): Promise<DeadLetter[]>;
  remove(ids: readonly string[]): Promise<void>;
  /** What stands in the way of those that are open by now. */
  explain(
    ids: readonly string[],
    why: Pick<NewDeadLetter, 'code' | 'cause'>,
  ): Promise<void>;
}
