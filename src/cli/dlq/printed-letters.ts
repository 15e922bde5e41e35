/** Letters as commands print them: never what a row holds beside its key. */
import { printTimestamp } from '../../mutation/timestamp.ts';
import type { DeadLetter } from '../../target/dead-letters.ts';
import { isoTime, textTable } from '../printed-text.ts';

export function operationOf({ mutation }: DeadLetter): string {
  if (mutation.after === null) {
    return 'delete';
  }
  return mutation.movedFrom === undefined ? 'upsert' : 'move';
}

/** The keys of rows without a key hold all their values: then they are row data. */
function shownKey({ keyColumns, mutation }: DeadLetter): string {
  if (keyColumns.length === 0) {
    return '(the row)';
  }
  return mutation.movedFrom === undefined
    ? mutation.key
    : `${mutation.movedFrom} to ${mutation.key}`;
}

export function stateOf({ supersededAt }: DeadLetter): 'open' | 'superseded' {
  return supersededAt === null ? 'open' : 'superseded';
}

export function letterTable(letters: readonly DeadLetter[]): string {
  return textTable(
    ['ID', 'TIME', 'TABLE', 'OP', 'KEY', 'CODE', 'STATE', 'CAUSE'],
    letters.map((letter) => [
      letter.id,
      isoTime(letter.mutation.time),
      letter.table,
      operationOf(letter),
      shownKey(letter),
      letter.code,
      stateOf(letter),
      oneLine(letter.cause),
    ]),
  );
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, 200);
}

/** Without what the row holds. */
export function letterJson(letter: DeadLetter): object {
  const { mutation } = letter;
  return {
    id: letter.id,
    table: letter.table,
    operation: operationOf(letter),
    time: printTimestamp(mutation.time),
    key: letter.keyColumns.length === 0 ? null : mutation.key,
    keyColumns: letter.keyColumns,
    movedFrom:
      letter.keyColumns.length === 0 ? null : (mutation.movedFrom ?? null),
    code: letter.code,
    cause: letter.cause,
    state: stateOf(letter),
    createdAt: letter.createdAt.toISOString(),
    supersededAt: letter.supersededAt?.toISOString() ?? null,
  };
}
