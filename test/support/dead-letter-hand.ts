/** What an operator does with the dead letters of a schema. */
import { ReplicatorError } from '../../src/failure/failure.ts';
import { createApplier } from '../../src/target/applier.ts';
import type { DeadLetter } from '../../src/target/dead-letters.ts';
import type { ApplyOrder, SchemaShape } from '../../src/target/target.ts';
import type { SchemaName } from '../../src/mutation/schema-name.ts';
import type { Target } from '../../src/target/target.ts';

export const dlqTable = 'replicator_dlq';

interface House {
  readonly target: Target;
  readonly schema: SchemaName;
}

export async function lettersOf(house: House): Promise<DeadLetter[]> {
  return await house.target
    .deadLetters(house.schema, dlqTable)
    .list({}, 10_000, null);
}

/** `t [1] E4005 {"id":1}` */
export async function lettersInShort(house: House): Promise<string[]> {
  return (await lettersOf(house)).map(
    ({ table, mutation, code }) =>
      `${table} ${mutation.key} ${code} ${mutation.after ?? 'gone'}`,
  );
}

/** All letters in their order: together where that goes, else one by one. */
export async function retryAll(house: House): Promise<void> {
  const letters = await lettersOf(house);
  const shape = (await house.target.introspect(house.schema))!;
  for (const order of ['upserts-first', 'deletes-first'] as const) {
    if (await retry(house, letters, shape, order)) {
      return;
    }
  }
  // One may wait for a later one: as long as any goes, the others may too.
  let left: DeadLetter[] = letters;
  for (let count = Infinity; left.length < count;) {
    count = left.length;
    const refused: DeadLetter[] = [];
    for (const letter of left) {
      if (!(await retry(house, [letter], shape, 'upserts-first'))) {
        refused.push(letter);
      }
    }
    left = refused;
  }
  if (left.length > 0) {
    throw new Error(`${left.length} letters do not go`);
  }
}

async function retry(
  house: House,
  letters: readonly DeadLetter[],
  shape: SchemaShape,
  order: ApplyOrder,
): Promise<boolean> {
  const ids = letters.map(({ id }) => id);
  try {
    await using transaction = await house.target.begin();
    const box = transaction.deadLetters(house.schema, dlqTable);
    // One may have been superseded since it was listed.
    const taken = (await box.take(ids)).filter(
      ({ supersededAt }) => supersededAt === null,
    );
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
