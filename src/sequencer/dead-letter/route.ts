/**
 * Which way each mutation of a batch goes: to its table, or to the dead
 * letters.
 *
 * Row by row, in the order of time:
 *
 *     a verdict stands        to the letters; from here on the row is open;
 *                             deleted or whole, it supersedes older letters
 *     open, deleted or whole  to the table; older letters are superseded
 *     open, sparse            to the letters: it must not be built on a hole
 *     otherwise               to the table
 *
 * A row that was to change its key is open under both keys, and while it is
 * still at the old one whatever comes there goes to the letters: else that
 * would be taken for the row, and moved, when the letter is tried again.
 */
import {
  isTruncation,
  type JsonText,
  type Mutation,
} from '../../mutation/mutation.ts';
import { byVersion } from '../../mutation/row-version.ts';
import type { NewDeadLetter } from '../../target/dead-letters.ts';
import { wholeRowTest } from '../../target/row-shape.ts';
import type { TableRows, TableShape } from '../../target/target.ts';
import { noteLetter, type OpenRows, withMoves } from './open-letters.ts';

/** Why a row of one source transaction is set aside. */
export interface Verdict {
  readonly code: string;
  readonly cause: string;
  /** What has to be kept of it, as it was staged. */
  readonly mutations: readonly Mutation[];
}

export interface RouteContext {
  /** The table's name in the schema's shape. */
  readonly name: string;
  /** Rows of the table that are open under lock; left as the batch leaves them. */
  readonly open: OpenRows;
  verdictOf(mutation: Mutation): Verdict | undefined;
  /** Verdicts whose letters are written by this transaction already. */
  readonly written: Set<Verdict>;
}

export interface TableRoute {
  readonly goes: TableRows;
  /** In the order in which they must be written. */
  readonly letters: readonly NewDeadLetter[];
  /** Before the letters are written. */
  readonly superseded: ReadonlySet<JsonText>;
  /** All letters of the table are superseded before these are. */
  readonly isEmptied: boolean;
}

const followCause =
  'an earlier version of the row is set aside, and this one does not carry all its columns';

const heldCause =
  'an earlier version of the row at this key is set aside, and has not left it';

export function routeTable(rows: TableRows, context: RouteContext): TableRoute {
  const router = new Router(rows.table, context);
  const { mutations } = rows;
  const ordered = mutations.toSorted(byVersion);
  for (const [place, mutation] of ordered.entries()) {
    router.route(mutation, moveBeside(ordered, place));
  }
  return router.result();
}

/** The move whose delete of the old key this is; itself where it is one. */
function moveBeside(
  ordered: readonly Mutation[],
  place: number,
): Mutation | null {
  const mutation = ordered[place]!;
  if (mutation.movedFrom !== undefined) {
    return mutation;
  }
  if (mutation.after !== null) {
    return null;
  }
  const isMove = (other: Mutation | undefined): other is Mutation =>
    other?.movedFrom === mutation.key && other.time === mutation.time;
  return [ordered[place + 1], ordered[place - 1]].find(isMove) ?? null;
}

class Router {
  readonly #table: TableShape;
  readonly #keyColumns: readonly string[];
  readonly #isWhole: (after: JsonText) => boolean;
  readonly #context: RouteContext;
  readonly #goes: Mutation[] = [];
  /** By key, each with its place among all. */
  readonly #letters = new Map<
    JsonText,
    { place: number; letter: NewDeadLetter }[]
  >();
  #letterCount = 0;
  readonly #superseded = new Set<JsonText>();
  #isEmptied = false;
  /** What was decided of moves; their deletes go the same way. */
  readonly #moves = new Map<Mutation, Mutation | string>();

  constructor(table: TableShape, context: RouteContext) {
    this.#table = table;
    this.#keyColumns = table.primaryKey.map(({ name }) => name);
    this.#isWhole = wholeRowTest(table);
    this.#context = context;
  }

  route(mutation: Mutation, move: Mutation | null): void {
    if (isTruncation(mutation)) {
      this.#empty(mutation);
      return;
    }
    const verdict = this.#context.verdictOf(mutation);
    if (verdict) {
      this.#judge(verdict, move !== null);
    } else if (move) {
      this.#routeMove(mutation, move);
    } else {
      this.#routeRow(mutation);
    }
  }

  result(): TableRoute {
    return {
      goes: { table: this.#table, mutations: this.#goes },
      letters: [...this.#letters.values()]
        .flat()
        .toSorted((a, b) => a.place - b.place)
        .map(({ letter }) => letter),
      superseded: this.#superseded,
      isEmptied: this.#isEmptied,
    };
  }

  #empty(mutation: Mutation): void {
    this.#goes.push(mutation);
    this.#letters.clear();
    this.#superseded.clear();
    this.#context.open.clear();
    this.#isEmptied = true;
  }

  #judge(verdict: Verdict, isOfMove: boolean): void {
    if (!this.#context.written.has(verdict)) {
      this.#context.written.add(verdict);
      if (!isOfMove) {
        this.#replaceOlder(verdict);
      }
      for (const mutation of verdict.mutations) {
        this.#write(mutation, verdict);
      }
    }
  }

  /** A hot row has one open letter, not one for each of its versions. */
  #replaceOlder({ mutations }: Verdict): void {
    const [first] = mutations;
    const open = first && this.#context.open.get(first.key);
    const isStill = open?.movedFrom === undefined && !open?.movedTo;
    if (
      open &&
      isStill &&
      this.#keyColumns.length > 0 &&
      (first.after === null || this.#isWhole(first.after))
    ) {
      this.#close(first.key);
    }
  }

  #routeRow(mutation: Mutation): void {
    const { key, after } = mutation;
    const open = this.#context.open.get(key);
    if (!open) {
      this.#goes.push(mutation);
    } else if (this.#keyColumns.length === 0) {
      // One row more is one row more; one less takes back the one set aside.
      if (after === null) {
        this.#write(mutation, { code: open.code, cause: followCause });
      } else {
        this.#goes.push(mutation);
      }
    } else if (open.movedTo !== undefined) {
      this.#write(mutation, { code: open.code, cause: heldCause });
    } else if (after === null || this.#isWhole(after)) {
      this.#supersede(mutation);
      this.#goes.push(mutation);
    } else {
      this.#write(mutation, { code: open.code, cause: followCause });
    }
  }

  #routeMove(mutation: Mutation, move: Mutation): void {
    let way = this.#moves.get(move);
    if (way === undefined) {
      way = this.#wayOfMove(move);
      this.#moves.set(move, way);
    }
    if (typeof way === 'string') {
      this.#write(mutation, { code: way, cause: followCause });
    } else {
      this.#goes.push(mutation === move ? way : mutation);
    }
  }

  /** What is to be written, or the code of the letters that it follows. */
  #wayOfMove(move: Mutation): Mutation | string {
    const { key, after, movedFrom } = move;
    const from = this.#context.open.get(movedFrom!);
    const to = this.#context.open.get(key);
    if (!from && !to) {
      return move;
    }
    const isHeld = (from ?? to)?.movedTo !== undefined || to?.movedTo;
    if (isHeld || !this.#isWhole(after!)) {
      return (from ?? to)!.code;
    }
    const { movedFrom: _, ...plain } = move;
    this.#supersede(plain);
    if (!from) {
      return move;
    }
    this.#supersede({ ...plain, key: movedFrom! });
    return plain;
  }

  #write(
    mutation: Mutation,
    { code, cause }: Pick<Verdict, 'code' | 'cause'>,
  ): void {
    const letters = this.#letters.get(mutation.key) ?? [];
    this.#letters.set(mutation.key, letters);
    letters.push({
      place: this.#letterCount,
      letter: {
        table: this.#context.name,
        keyColumns: this.#keyColumns,
        mutation,
        code,
        cause,
      },
    });
    this.#letterCount += 1;
    noteLetter(this.#context.open, mutation, code);
  }

  /**
   * The row is known again, by what comes now. If it was to come here from
   * another key, the row that has stayed there goes, and so back to where it
   * really is.
   */
  #supersede({ key, time }: Mutation): void {
    const { open } = this.#context;
    let to = key;
    let from = this.#close(key);
    while (from !== undefined) {
      const left = open.get(from);
      const gone = to;
      if (!left?.movedTo?.includes(gone)) {
        return;
      }
      if (left.isTaken || left.movedTo.length > 1) {
        open.set(
          from,
          withMoves(left, (other) => other !== gone),
        );
        return;
      }
      this.#goes.push({ time, key: from, after: null, before: null });
      to = from;
      from = this.#close(from);
    }
  }

  /** Returns where its row was to come from. */
  #close(key: JsonText): JsonText | undefined {
    const movedFrom = this.#context.open.get(key)?.movedFrom;
    this.#letters.delete(key);
    this.#superseded.add(key);
    this.#context.open.delete(key);
    return movedFrom;
  }
}
