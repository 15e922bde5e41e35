/**
 * Several target schemas as one, so that a transaction that touches all of
 * them stays whole. Tables of the main schema keep their names; those of the
 * others stand under the name of their schema, a dot, and their own.
 */
import { ReplicatorError } from '../failure/failure.ts';
import type { SchemaName } from '../mutation/schema-name.ts';
import type { SchemaShape, TableShape, Target } from '../target/target.ts';

/** The name of a table in the joined shape, in staging and in logs. */
export function joinedTableName(
  main: SchemaName,
  schema: SchemaName,
  table: string,
): string {
  return schema === main ? table : `${schema}.${table}`;
}

/**
 * The target, whose main schema has the tables of the others too. `target`
 * must be an object of functions (metered-target.ts), not a class.
 */
export function withJoinedSchemas(
  target: Target,
  main: SchemaName,
  others: readonly SchemaName[],
): Target {
  return others.length === 0
    ? target
    : {
        ...target,
        introspect: (schema, signal) =>
          schema === main
            ? introspectAll(target, main, others, signal)
            : target.introspect(schema, signal),
      };
}

async function introspectAll(
  target: Target,
  main: SchemaName,
  others: readonly SchemaName[],
  signal: AbortSignal | undefined,
): Promise<SchemaShape | null> {
  const shape = await target.introspect(main, signal);
  if (shape === null) {
    return null;
  }
  const tables = new Map<string, TableShape>(shape.tables);
  for (const schema of others) {
    const other = await target.introspect(schema, signal);
    if (other === null) {
      throw new ReplicatorError('E4001', {
        disposition: 'halt',
        detail: `the target has no schema ${schema}`,
        remedy: 'create it, or correct --schemaMap',
      });
    }
    for (const table of other.tables.values()) {
      const name = joinedTableName(main, schema, table.name);
      if (shape.tables.has(name)) {
        throw new ReplicatorError('E4011', {
          disposition: 'halt',
          detail: `the table ${JSON.stringify(name)} of ${main} has the name under which ${table.name} of ${schema} is known here`,
          remedy: 'rename one of them, or leave its schema out of --schemaMap',
        });
      }
      tables.set(name, table);
    }
  }
  return { name: main, tables };
}
