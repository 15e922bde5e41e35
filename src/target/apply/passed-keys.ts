/** Moves in which rows pass keys to one another. */
import { ReplicatorError } from '../../failure/failure.ts';
import type { KeyMoves, TableShape } from '../target.ts';

/** Whether a row goes to a key that another row of the call leaves. */
export function passesKeys({ from, to, rowCount }: KeyMoves): boolean {
  const left = keySet(from, rowCount);
  return keySet(to, rowCount)
    .values()
    .some((key) => left.has(key));
}

/** Whether every key that is left is taken: the moves are circles, no more. */
export function areCircles({ from, to, rowCount }: KeyMoves): boolean {
  return keySet(from, rowCount).isSubsetOf(keySet(to, rowCount));
}

function keySet(keys: KeyMoves['from'], rowCount: number): Set<string> {
  const texts = new Set<string>();
  for (let row = 0; row < rowCount; row++) {
    texts.add(keys.map((column) => column[row]!).join());
  }
  return texts;
}

/** Where deleting a row would do more than that. */
export function passingRefusal({ schema, name }: TableShape): ReplicatorError {
  return new ReplicatorError('E4013', {
    detail: `rows of table ${schema}.${name} have passed their keys to one another at the source, and here they can only do so by being deleted and inserted again, to which foreign keys or triggers are tied`,
    remedy:
      'let the foreign keys to the table at the target take no action on delete, and drop its triggers on delete, until this has been applied',
  });
}
