import { ReplicatorError } from '../../failure/failure.ts';
import type { Mutation, TableMutations } from '../../mutation/mutation.ts';
import type { SchemaShape, TableShape } from '../../target/target.ts';

/**
 * Joins staged mutations with the target's tables as they are now. A table
 * that was there when its rows were staged and is gone halts the pipeline:
 * its rows must not be lost by looking away (E4012).
 */
export function tablesInShape(
  tables: readonly TableMutations[],
  shape: SchemaShape,
): { table: TableShape; mutations: readonly Mutation[] }[] {
  return tables.map(({ table, mutations }) => {
    const found = shape.tables.get(table);
    if (!found) {
      throw new ReplicatorError('E4012', {
        detail: `the table ${shape.name}.${table} is gone from the target, and ${mutations.length} staged rows need it`,
      });
    }
    return { table: found, mutations };
  });
}
