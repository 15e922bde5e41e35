/** What an operator does once the cause is mended: all letters again. */
import { ReplicatorError } from '../../src/failure/failure.ts';
import {
  groupLetters,
  retryLetters as retryRowByRow,
} from '../../src/sequencer/dead-letter/retry-letters.ts';
import { createApplier } from '../../src/target/applier.ts';
import type { DeadLetter } from '../../src/target/dead-letters.ts';
import type {
  ApplyOrder,
  SchemaShape,
  Target,
} from '../../src/target/target.ts';
import type { ModelTarget } from './model-database.ts';

const tableName = 'replicator_dlq';

/** Together where that goes, else row by row; `refused` where neither does. */
export async function retryLetters(
  target: Target,
  { main }: ModelTarget,
): Promise<'equal' | 'refused'> {
  const shape = (await target.introspect(main))!;
  const listed = (): Promise<DeadLetter[]> =>
    target.deadLetters(main, tableName).list({}, 10_000, null);
  let letters = await listed();
  let count = Number.POSITIVE_INFINITY;
  while (letters.length > 0 && letters.length < count) {
    count = letters.length;
    const isDone =
      (await retryTogether(target, letters, shape, 'upserts-first')) ||
      (await retryTogether(target, letters, shape, 'deletes-first'));
    if (!isDone) {
      await retryRowByRow(groupLetters(letters), {
        target,
        schema: main,
        shape,
        tableName,
        applier: createApplier({ collapse: true }),
        signal: new AbortController().signal,
      });
    }
    letters = await listed();
  }
  return letters.length === 0 ? 'equal' : 'refused';
}

/** `replicator dlq retry` does not, for there may be any number of them. */
async function retryTogether(
  target: Target,
  letters: readonly DeadLetter[],
  shape: SchemaShape,
  order: ApplyOrder,
): Promise<boolean> {
  const ids = letters.map(({ id }) => id);
  try {
    await using transaction = await target.begin();
    const box = transaction.deadLetters(shape.name, tableName);
    const taken = await box.take(ids);
    await createApplier({ collapse: true }).apply(
      [...Map.groupBy(taken, ({ table }) => table)].map(([table, list]) => ({
        table: shape.tables.get(table)!,
        mutations: list.map(({ mutation }) => mutation),
      })),
      transaction,
      new AbortController().signal,
      order,
    );
    await box.remove(ids);
    await transaction.commit(null);
    return true;
  } catch (error) {
    if (error instanceof ReplicatorError) {
      return false;
    }
    throw error;
  }
}
