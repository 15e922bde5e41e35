/**
 * The door of `mutation/`: what travels from the socket to the target.
 *
 * Everything here is immutable text. Digits stay text: no INT8,
 * DECIMAL or timestamp ever becomes a JavaScript number or Date.
 */
import type { Timestamp } from './timestamp.ts';

declare const jsonTextBrand: unique symbol;

/**
 * The untouched source text of one JSON value, validated once at the socket
 * and never parsed into objects. Its digits are the digits the source sent.
 */
export type JsonText = string & { readonly [jsonTextBrand]: true };

/**
 * One version of one row.
 *
 * `key` is the canonical JSON array of the primary key in the order of the
 * *target's* primary key: two mutations are of the same row exactly when
 * their keys are equal strings (see canonical-key.ts).
 *
 * Of a table without a primary key it holds all values of the row in the
 * order of the source's columns: rows are then told apart by what they hold,
 * an insert has `after`, a delete has the whole row in `before`, and of
 * several equal rows it does not matter which one goes.
 */
export interface Mutation {
  readonly time: Timestamp;
  readonly key: JsonText;
  /** The row after the change, a JSON object; null deletes the row. */
  readonly after: JsonText | null;
  /** The row before the change where the feed carries it (`diff`). */
  readonly before: JsonText | null;
  /**
   * The key that the row had before this change, where `after` lacks columns
   * that the change did not touch: they are those of the row at that key. The
   * delete of that key is its neighbour in the list. Where it stands before,
   * the two are never parted: the row would be gone when it is to move.
   */
  readonly movedFrom?: JsonText;
  /**
   * The time under which it came, where it counts as later: of two versions of
   * one row with the same `time` it tells which is newer (row-version.ts).
   */
  readonly cameAt?: Timestamp;
}

/**
 * A mutation of no row but of all: it empties its table. No row has this key,
 * for every key has a column. `before` is `true` where the counters of the
 * table's identity columns start again.
 */
const truncationKey = '[]' as JsonText;

export function truncation(
  time: Timestamp,
  restartsIdentity: boolean,
): Mutation {
  return {
    time,
    key: truncationKey,
    after: null,
    before: restartsIdentity ? ('true' as JsonText) : null,
  };
}

export function isTruncation({ key }: Mutation): boolean {
  return key === truncationKey;
}

export function restartsIdentity(mutation: Mutation): boolean {
  return isTruncation(mutation) && mutation.before !== null;
}

/** Mutations of one table, in the order in which they must take effect. */
export interface TableMutations {
  /** The table's exact name in the target's catalog. */
  readonly table: string;
  /**
   * The columns whose values the keys hold, in their order: the target's
   * primary key when the rows were decoded. Empty: it had none. Absent: it is
   * not known, and taken to be as it is now.
   */
  readonly keyColumns?: readonly string[];
  /**
   * Where there is an `encoded` they may be decoded anew each time they are asked
   * for: ask once, and hold them no longer than needed. Whoever must get the
   * same objects again (the desk, in immediate mode) says so where the table
   * is made (`joinedTable`).
   */
  readonly mutations: readonly Mutation[];
  readonly encoded?: EncodedRows;
}

/** The table with other mutations; what was encoded are those that it had. */
export function withMutations(
  { table, keyColumns }: Pick<TableMutations, 'table' | 'keyColumns'>,
  mutations: readonly Mutation[],
): TableMutations {
  return { table, ...(keyColumns && { keyColumns }), mutations };
}

/** Rows of one table that are not decoded yet, each with one key. */
export interface EncodedRows {
  readonly rowCount: number;
  /** What they count in a batch's `textLength`. */
  readonly textLength: number;
  readonly oldest: Timestamp;
  readonly newest: Timestamp;
  /** `textHash` of each row's key. */
  readonly keyHashes: Int32Array;
  /** One of them empties the table. */
  readonly isEmptied: boolean;
  /** In their order. */
  forEach(visit: VisitEncodedRow): void;
  /** The same, without making texts of them. */
  forEachKey(visit: VisitEncodedKey): void;
  /** Those, at least one, that have the mark in a list with one for each row. */
  picked(marks: Uint8Array, mark: number): EncodedRows;
}

/** The UTF-16 units of the row's key lie there from `start` to `end`. */
export type VisitEncodedKey = (
  units: Uint8Array | Uint16Array,
  start: number,
  end: number,
  keyHash: number,
  time: Timestamp,
) => void;

/**
 * The row's key lies in these bytes of UTF-8 from `keyStart` to `afterStart`, what
 * it became from there to `afterEnd`, which is -1 where it is deleted.
 */
export type VisitEncodedRow = (
  bytes: Buffer,
  keyStart: number,
  afterStart: number,
  afterEnd: number,
  time: Timestamp,
) => void;

/** Without decoding them. */
export function rowCountOf(
  part: Pick<TableMutations, 'encoded' | 'mutations'>,
): number {
  return part.encoded ? part.encoded.rowCount : part.mutations.length;
}

/** The oldest time of the rows that come after `after`; null without any. */
export function oldestTime(
  mutations: readonly Mutation[],
  after: Timestamp | '' = '',
): Timestamp | null {
  let oldest: Timestamp | null = null;
  let last = '';
  for (const { time } of mutations) {
    // Rows of one transaction mostly share one string: not compared by text.
    if (time !== last) {
      last = time;
      if ((oldest === null || time < oldest) && time > after) {
        oldest = time;
      }
    }
  }
  return oldest;
}

/** The same of several tables. */
export function oldestTimeOf(
  tables: readonly TableMutations[],
  after?: Timestamp,
): Timestamp | null {
  let oldest: Timestamp | null = null;
  for (const { mutations } of tables) {
    const time = oldestTime(mutations, after);
    if (time !== null && (oldest === null || time < oldest)) {
      oldest = time;
    }
  }
  return oldest;
}

/**
 * A run of whole source transactions, or a fragment of a giant one.
 *
 * Batches of one schema are strictly ordered: every mutation of a batch is
 * later than `through` of the batch before it, save that fragments share
 * their one timestamp. When `complete` is false more rows of the transaction
 * at `through` follow in the next batch, and both belong in one target
 * transaction.
 */
export interface Batch {
  readonly through: Timestamp;
  readonly complete: boolean;
  readonly tables: readonly TableMutations[];
  readonly rowCount: number;
  /** Characters of the rows' keys and of what they were and became. */
  readonly textLength: number;
  /**
   * A part of a transaction whose deletes come again in a later one: now their
   * rows only lose what they refer to.
   */
  readonly onlyUnlinks?: true;
  /**
   * Of fragments of which all rows give up their unique values before any is
   * written: `only` does nothing but that, and its rows come again in the
   * others (`done`).
   */
  readonly parking?: 'only' | 'done';
}

/** What an object and its strings take beside their text. */
export const rowOverheadBytes = 256;

/** About what a row takes in memory, of ASCII text mostly. */
export function rowBytes(mutation: Mutation): number {
  return textLengthOf(mutation) + rowOverheadBytes;
}

/** What a row counts in a batch's `textLength`. */
export function textLengthOf({
  key,
  after,
  before,
  movedFrom,
}: Mutation): number {
  return (
    key.length +
    (after?.length ?? 0) +
    (before?.length ?? 0) +
    (movedFrom?.length ?? 0)
  );
}
