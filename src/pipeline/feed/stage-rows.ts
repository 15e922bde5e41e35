import type { TableMutations } from '../../mutation/mutation.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { encodeEntries } from '../../staging/batch-codec.ts';
import type { NewEntry } from '../../staging/staging.ts';
import type { House } from '../house.ts';
import type { PipelineStatus } from '../watching/status.ts';
import type { Sifted } from './redelivery.ts';
import { siftAndStage, type StagingSteps } from './sift-and-stage.ts';

export interface RequestSteps<Ready> {
  readonly schema: SchemaName;
  readonly status: PipelineStatus;
  readonly sift: StagingSteps['sift'];
  /** Called before rows are staged. */
  readonly ready: () => Promise<Ready>;
}

export interface StagedRequest<Ready> {
  readonly staged: readonly TableMutations[];
  /** The same rows as they lie in staging. */
  readonly entries: readonly NewEntry[];
  /** What was ready before; null where there was nothing to stage. */
  readonly ready: Ready | null;
  /**
   * Resolves when the rows are on disk. Until then they may be worked upon,
   * and nothing may come of it that could not be taken back.
   */
  readonly durable: Promise<void>;
}

/**
 * Stages what of a request must be staged. Resolves when it is written, which
 * may be a disk's sync before it is durable.
 */
export async function stageRequest<Ready>(
  house: House,
  { schema, status, sift, ready }: RequestSteps<Ready>,
): Promise<StagedRequest<Ready>> {
  const { store, metrics } = house;
  let whatIsReady: Ready | null = null;
  let entries: readonly NewEntry[] = [];
  let durable = Promise.resolve(true);
  const { fresh, freshCount, redelivered } = await siftAndStage({
    sift,
    stage: async (sifted) => {
      whatIsReady = await ready();
      entries = encodeEntries(schema, sifted.fresh);
      const written = Promise.withResolvers<boolean>();
      durable = stageRows(house, schema, sifted, entries, () =>
        written.resolve(true),
      );
      durable.then(written.resolve, written.reject);
      return await written.promise;
    },
    resolved: async () => (await store.checkpoint(schema)).resolved,
  });
  for (const [table, count] of redelivered) {
    status.duplicateRowCount += count;
    metrics.stage_duplicate_mutations_total.inc({ schema, table }, count);
  }
  // A round that was refused has left what nobody staged.
  return freshCount === 0
    ? { staged: [], entries: [], ready: null, durable: Promise.resolve() }
    : {
        staged: fresh,
        entries,
        ready: whatIsReady,
        durable: durable.then(() => {
          status.stagedRowCount += freshCount;
        }),
      };
}

/**
 * Makes the mutations durable in staging, and counts them. False, and nothing
 * is staged, where more is resolved than they were sifted by.
 */
async function stageRows(
  { store, budget, metrics }: House,
  schema: SchemaName,
  { fresh, oldestNew }: Sifted,
  entries: readonly NewEntry[],
  onWritten: () => void,
): Promise<boolean> {
  const startedAtMs = performance.now();
  try {
    const guard = oldestNew !== null && { guard: { schema, above: oldestNew } };
    if (!(await store.append(entries, { ...guard, onWritten }))) {
      return false;
    }
  } catch (error) {
    metrics.stage_errors_total.inc({ schema });
    throw error;
  }
  metrics.stage_duration_seconds.observe(
    { schema },
    (performance.now() - startedAtMs) / 1_000,
  );
  for (const { table, mutations } of fresh) {
    metrics.stage_mutations_total.inc({ schema, table }, mutations.length);
  }
  for (const entry of entries) {
    budget.appended(entry.body.length);
  }
  return true;
}
