/** Which rows have open letters, as far as this daemon knows. */
import { detachedText } from '../../lib/detached-text.ts';
import type {
  JsonText,
  Mutation,
  TableMutations,
} from '../../mutation/mutation.ts';
import { sourceTime } from '../../mutation/row-version.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import type { DeadLetters, NewDeadLetter } from '../../target/dead-letters.ts';

export interface OpenLetter {
  /** The code that later letters of the row get too. */
  readonly code: string;
  /** At the source, of the latest version that is set aside; absent until it is committed. */
  readonly time?: Timestamp;
  /** The row was to come here from that key, and is still there. */
  readonly movedFrom?: JsonText;
  /**
   * The row here was to leave for that key, and has not; further keys are of
   * rows that were to come here behind it, and to leave too. Never empty.
   */
  readonly movedTo?: readonly JsonText[];
  /** Another row was to come here after that one has left. */
  readonly isTaken?: true;
}

/** Of one table, by key. */
export type OpenRows = Map<JsonText, OpenLetter>;

const pageRows = 500;

/** Operators retry and discard letters; so often it is asked whether any is left. */
const lookEveryMs = 5_000;

/**
 * Invariant: holds every key that has an open letter at the target, and may
 * hold others. So a key is added before the transaction that writes its
 * letter commits, and taken out after one has that found it closed. Whoever
 * meets a key here asks the target under lock (`lockKeys`). Moves are noted
 * when they are committed, and are exact.
 */
export class OpenLetters {
  readonly #tables = new Map<string, OpenRows>();
  /** Where rows with open letters have got, or may get, other keys. */
  readonly #tiedTables = new Set<string>();
  /** By table, the column names of which the keys of its letters hold the values. */
  readonly #layouts = new Map<string, Map<string, readonly string[]>>();
  #letterCount = 0;
  #lookDueAtMs = 0;

  /** Reads them anew. */
  async load(letters: DeadLetters, signal: AbortSignal): Promise<void> {
    this.#tables.clear();
    this.#tiedTables.clear();
    this.#layouts.clear();
    this.#letterCount = 0;
    let after: string | null = null;
    for (;;) {
      const page = await letters.list({}, pageRows, after, signal);
      for (const { table, keyColumns, mutation, code } of page) {
        noteLetter(this.#rowsOf(table), mutation, code);
        this.#noteLayout(table, keyColumns);
        if (mutation.movedFrom !== undefined) {
          this.#tiedTables.add(table);
        }
      }
      this.#letterCount += page.length;
      if (page.length < pageRows) {
        return;
      }
      after = page.at(-1)!.id;
    }
  }

  /**
   * Whether none of those that are known is open at the target any more, as
   * when operators have seen to them. Asks seldom, and not while none is known.
   */
  async areAllClosed(
    letters: DeadLetters,
    signal: AbortSignal,
  ): Promise<boolean> {
    const nowMs = performance.now();
    if (this.isEmpty || nowMs < this.#lookDueAtMs) {
      return false;
    }
    this.#lookDueAtMs = nowMs + lookEveryMs;
    return (await letters.count({}, signal)) === 0;
  }

  get rowCounts(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#tables].map(([table, rows]) => [table, rows.size]),
    );
  }

  get isEmpty(): boolean {
    return this.#tables.size === 0;
  }

  /** Letters that were open when they were counted last, and those written since. */
  get letterCount(): number {
    return this.#letterCount;
  }

  get(table: string): ReadonlyMap<JsonText, OpenLetter> | undefined {
    return this.#tables.get(table);
  }

  /**
   * What batches must not share beside their rows, asked in their order. A
   * row that was to change its key is open under both, and what comes to one
   * of them may close the other, or must know what has come there. So a table
   * of which such a row has open letters, or gets some by a batch that is
   * under way, is one lock, until none of its letters is open.
   */
  locksOf(tables: readonly TableMutations[]): string[] {
    const open = tables.filter(({ table }) => this.#tables.has(table));
    for (const { table, mutations } of open) {
      if (mutations.some(({ movedFrom }) => movedFrom !== undefined)) {
        this.#tiedTables.add(table);
      }
    }
    return open
      .filter(({ table }) => this.#tiedTables.has(table))
      .map(({ table }) => `\u0000letters ${table}`);
  }

  /**
   * Letters of the table whose keys hold values of other columns, or in another
   * order, than its rows have now: their columns. Which row they mean cannot be
   * told by their keys. Null where there are none.
   */
  foreignLayout(
    table: string,
    keyColumns: readonly string[],
  ): readonly string[] | null {
    for (const layout of this.#layouts.get(table)?.values() ?? []) {
      if (layoutName(layout) !== layoutName(keyColumns)) {
        return layout;
      }
    }
    return null;
  }

  /** A letter is about to be written. */
  expect({ table, keyColumns, mutation, code }: NewDeadLetter): void {
    if (!this.#tables.has(table)) {
      this.#layouts.delete(table);
    }
    this.#noteLayout(table, keyColumns);
    const rows = this.#rowsOf(table);
    for (const key of [mutation.key, mutation.movedFrom]) {
      if (key !== undefined && !rows.has(key)) {
        rows.set(detachedText(key), { code });
      }
    }
  }

  /** Keys of a table without a primary key are never met by another one. */
  #noteLayout(table: string, keyColumns: readonly string[]): void {
    if (keyColumns.length > 0) {
      const layouts = this.#layouts.get(table) ?? new Map();
      this.#layouts.set(table, layouts);
      layouts.set(layoutName(keyColumns), keyColumns);
    }
  }

  /** As a transaction that is committed has left them; null is closed. */
  settle(
    table: string,
    rows: Iterable<readonly [JsonText, OpenLetter | null]>,
  ): void {
    const open = this.#rowsOf(table);
    for (const [key, letter] of rows) {
      if (letter) {
        open.set(detachedText(key), letter);
        if (letter.movedFrom !== undefined || letter.movedTo !== undefined) {
          this.#tiedTables.add(table);
        }
      } else {
        open.delete(key);
      }
    }
    if (open.size === 0) {
      this.#tables.delete(table);
      this.#tiedTables.delete(table);
    }
  }

  counted(count: number): void {
    this.#letterCount = count;
  }

  written(count: number): void {
    this.#letterCount += count;
  }

  #rowsOf(table: string): OpenRows {
    let rows = this.#tables.get(table);
    if (!rows) {
      rows = new Map();
      this.#tables.set(table, rows);
    }
    return rows;
  }
}

function layoutName(keyColumns: readonly string[]): string {
  return JSON.stringify(keyColumns);
}

/** What is known of the rows of a mutation once its letter is written. */
export function noteLetter(
  rows: OpenRows,
  mutation: Mutation,
  code: string,
): void {
  const { after } = mutation;
  const key = detachedText(mutation.key);
  const movedFrom = mutation.movedFrom && detachedText(mutation.movedFrom);
  const time = detachedText(sourceTime(mutation));
  const known = rows.get(key);
  rows.set(key, {
    ...known,
    code,
    time: known?.time !== undefined && known.time > time ? known.time : time,
    ...(movedFrom !== undefined && { movedFrom }),
    // The delete of the key that was left is a part of the move.
    ...(known?.movedTo !== undefined && after !== null && { isTaken: true }),
  });
  if (movedFrom !== undefined) {
    const left = rows.get(movedFrom);
    const movedTo = [...(left?.movedTo ?? []).filter((to) => to !== key), key];
    rows.set(movedFrom, { code, ...left, movedTo });
  }
}

/** The same without the moves that fail the test. */
export function withMoves(
  letter: OpenLetter,
  isOpen: (to: JsonText) => boolean,
): OpenLetter {
  const { movedTo, isTaken, ...rest } = letter;
  const left = movedTo?.filter(isOpen) ?? [];
  return left.length === 0
    ? rest
    : { ...rest, movedTo: left, ...(isTaken && { isTaken }) };
}
