/** What an operator does with the dead letters of a schema. */
import { ReplicatorError } from '../../src/failure/failure.ts';
import {
  groupLetters,
  retryLetters,
} from '../../src/sequencer/dead-letter/retry-letters.ts';
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

/** Throws where letters are left. */
export async function retryAll(house: House): Promise<void> {
  const leftCount = await retryWhatGoes(house);
  if (leftCount > 0) {
    throw new Error(`${leftCount} letters do not go`);
  }
}

/**
 * Together where that goes, else row by row as `replicator dlq retry` does, as
 * long as any goes. Resolves to how many are left.
 */
export async function retryWhatGoes(house: House): Promise<number> {
  const { target, schema } = house;
  const shape = (await target.introspect(schema))!;
  let letters = await lettersOf(house);
  let count = Number.POSITIVE_INFINITY;
  while (letters.length > 0 && letters.length < count) {
    count = letters.length;
    const isDone =
      (await retryTogether(house, letters, shape, 'upserts-first')) ||
      (await retryTogether(house, letters, shape, 'deletes-first'));
    if (!isDone) {
      await retryLetters(groupLetters(letters), {
        target,
        schema,
        shape,
        tableName: dlqTable,
        applier: createApplier({ collapse: true }),
        signal: new AbortController().signal,
      });
    }
    letters = await lettersOf(house);
  }
  return letters.length;
}

/** The command does not, for there may be any number of them. */
async function retryTogether(
  { target, schema }: House,
  letters: readonly DeadLetter[],
  shape: SchemaShape,
  order: ApplyOrder,
): Promise<boolean> {
  const ids = letters.map(({ id }) => id);
  try {
    await using transaction = await target.begin();
    const box = transaction.deadLetters(schema, dlqTable);
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
    if (error instanceof ReplicatorError) {
      return false;
    }
    throw error;
  }
}
