/** What an operator does once the cause is mended: all letters again. */
import { ReplicatorError } from '../../src/failure/failure.ts';
import { createApplier } from '../../src/target/applier.ts';
import type { DeadLetter } from '../../src/target/dead-letters.ts';
import type {
  ApplyOrder,
  SchemaShape,
  Target,
} from '../../src/target/target.ts';
import type { ModelTarget } from './model-database.ts';

const dlqTable = 'replicator_dlq';

/** Together where that goes, else one by one; `refused` where neither does. */
export async function retryLetters(
  target: Target,
  { main }: ModelTarget,
): Promise<'equal' | 'refused'> {
  const shape = (await target.introspect(main))!;
  const listed = (): Promise<DeadLetter[]> =>
    target.deadLetters(main, dlqTable).list({}, 10_000, null);
  let letters = await listed();
  let count = Number.POSITIVE_INFINITY;
  while (letters.length > 0 && letters.length < count) {
    count = letters.length;
    const isDone =
      (await retry(target, letters, { shape, order: 'upserts-first' })) ||
      (await retry(target, letters, { shape, order: 'deletes-first' }));
    for (const letter of isDone ? [] : letters) {
      await retry(target, [letter], { shape, order: 'upserts-first' });
    }
    letters = await listed();
  }
  return letters.length === 0 ? 'equal' : 'refused';
}

async function retry(
  target: Target,
  letters: readonly DeadLetter[],
  { shape, order }: { readonly shape: SchemaShape; readonly order: ApplyOrder },
): Promise<boolean> {
  const ids = letters.map(({ id }) => id);
  try {
    await using transaction = await target.begin();
    const box = transaction.deadLetters(shape.name, dlqTable);
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
