/** What an operator does with the dead letters of a house (house.ts). */
import { ReplicatorError } from '../../src/failure/failure.ts';
import { createApplier } from '../../src/target/applier.ts';
import type { DeadLetter } from '../../src/target/dead-letters.ts';
import type { ApplyOrder, SchemaShape } from '../../src/target/target.ts';
import type { TestHouse } from './house.ts';

export const dlqTable = 'replicator_dlq';

export async function lettersOf(house: TestHouse): Promise<DeadLetter[]> {
  return await house.target
    .deadLetters(house.schema, dlqTable)
    .list({}, 10_000, null);
}

/** `t [1] E4005 {"id":1}` */
export async function lettersInShort(house: TestHouse): Promise<string[]> {
  return (await lettersOf(house)).map(
    ({ table, mutation, code }) =>
      `${table} ${mutation.key} ${code} ${mutation.after ?? 'gone'}`,
  );
}

/** All letters in their order: together where that goes, else one by one. */
export async function retryAll(house: TestHouse): Promise<void> {
  const letters = await lettersOf(house);
  const shape = (await house.target.introspect(house.schema))!;
  for (const order of ['upserts-first', 'deletes-first'] as const) {
    if (await retry(house, letters, shape, order)) {
      return;
    }
  }
  for (const letter of letters) {
    if (!(await retry(house, [letter], shape, 'upserts-first'))) {
      throw new Error(`the letter ${letter.id} does not go`);
    }
  }
}

async function retry(
  house: TestHouse,
  letters: readonly DeadLetter[],
  shape: SchemaShape,
  order: ApplyOrder,
): Promise<boolean> {
  const ids = letters.map(({ id }) => id);
  try {
    await using transaction = await house.target.begin();
    const box = transaction.deadLetters(house.schema, dlqTable);
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
    if (error instanceof ReplicatorError && error.disposition !== 'retry') {
      return false;
    }
    throw error;
  }
}
