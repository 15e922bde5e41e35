import type { TableMutations } from '../../mutation/mutation.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { encodeEntries } from '../../staging/batch-codec.ts';
import type { House } from '../house.ts';

/** Makes the mutations durable in staging, and counts them. */
export async function stageRows(
  { store, budget, metrics }: House,
  schema: SchemaName,
  tables: readonly TableMutations[],
): Promise<void> {
  const entries = encodeEntries(schema, tables);
  const startedAtMs = performance.now();
  try {
    await store.append(entries);
  } catch (error) {
    metrics.stage_errors_total.inc({ schema });
    throw error;
  }
  metrics.stage_duration_seconds.observe(
    { schema },
    (performance.now() - startedAtMs) / 1_000,
  );
  for (const { table, mutations } of tables) {
    metrics.stage_mutations_total.inc({ schema, table }, mutations.length);
  }
  for (const entry of entries) {
    budget.appended(entry.body.length);
  }
}
