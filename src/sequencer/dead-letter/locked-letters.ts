/** Which of the rows of a batch have letters that are open, now that nobody else may close them. */
import {
  isTruncation,
  type JsonText,
  type Mutation,
} from '../../mutation/mutation.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import { type OpenLetter, type OpenRows, withMoves } from './open-letters.ts';

/** Of one table. */
interface KnownLetters {
  /** Of the daemon; some may be closed by now. */
  readonly known: ReadonlyMap<JsonText, OpenLetter> | undefined;
  /** As the transaction has left them so far, under its locks; null is closed. */
  readonly ours: ReadonlyMap<JsonText, OpenLetter | null> | undefined;
}

/** `lock`: of the keys given, those with open letters, and the latest time of these. */
export async function lockedLetters(
  mutations: readonly Mutation[],
  { known, ours }: KnownLetters,
  lock: (
    keys: readonly JsonText[],
  ) => Promise<ReadonlyMap<JsonText, Timestamp>>,
): Promise<{
  readonly open: OpenRows;
  /** That were known, and are closed. */
  readonly closed: readonly JsonText[];
} | null> {
  const touched = touchedKeys(mutations, known);
  if (touched.size === 0 && ours === undefined) {
    return null;
  }
  const open: OpenRows = new Map();
  const asked = [...touched].filter((key) => !ours?.has(key));
  const stillOpen =
    asked.length > 0 ? await lock(asked) : new Map<JsonText, Timestamp>();
  const closed: JsonText[] = [];
  for (const key of asked) {
    const time = stillOpen.get(key);
    if (time !== undefined) {
      // Of a commit whose answer was lost nothing else knows.
      open.set(key, { ...known!.get(key)!, time });
    } else {
      closed.push(key);
    }
  }
  for (const [key, letter] of ours ?? []) {
    if (letter) {
      open.set(key, letter);
    }
  }
  dropEndedMoves(open);
  return { open, closed };
}

function touchedKeys(
  mutations: readonly Mutation[],
  known: KnownLetters['known'],
): ReadonlySet<JsonText> {
  const touched = new Set<JsonText>();
  for (const { key, movedFrom } of mutations) {
    touch(touched, key, known);
    if (movedFrom !== undefined) {
      touch(touched, movedFrom, known);
    }
  }
  if (mutations.some(isTruncation)) {
    for (const key of known?.keys() ?? []) {
      touched.add(key);
    }
  }
  return touched;
}

/** The key, and what its row was to do with other keys. */
function touch(
  touched: Set<JsonText>,
  key: JsonText,
  known: KnownLetters['known'],
): void {
  const letter = known?.get(key);
  if (letter === undefined || touched.has(key)) {
    return;
  }
  touched.add(key);
  for (const other of [letter.movedFrom, ...(letter.movedTo ?? [])]) {
    if (other !== undefined) {
      touch(touched, other, known);
    }
  }
}

/** Moves of which the letter is not open any more hold nothing. */
function dropEndedMoves(open: OpenRows): void {
  for (const [key, letter] of open) {
    if (letter.movedTo?.some((to) => !open.has(to))) {
      open.set(
        key,
        withMoves(letter, (to) => open.has(to)),
      );
    }
  }
}
