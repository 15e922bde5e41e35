import { randomUUID } from 'node:crypto';

import { ReplicatorError } from '../../failure/failure.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import { printTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import type { ClaimedWatermark } from '../../sequencer/sequencer.ts';
import type { StagingStore } from '../../staging/staging.ts';
import type { SchemaShape, Target } from '../../target/target.ts';
import type { Logger } from '../../telemetry/logger.ts';

interface ClaimContext {
  readonly store: StagingStore;
  readonly target: Target;
  readonly shape: SchemaShape;
  readonly logger: Logger;
  /**
   * Where several daemons share staging: the epoch to claim under, above the
   * one given. Without it the target raises its own.
   */
  readonly raiseEpoch?: ((above: number) => Promise<number>) | undefined;
}

/**
 * Decides how far the target is, from what staging and the target each say,
 * at start and whenever the target turns out to have fallen back, and takes the target schema over from any earlier daemon.
 *
 *     target's watermark   against staging's copy      the truth is
 *     none (no permission)                             staging's: effectively-once,
 *                                                      which tables without a primary
 *                                                      key cannot bear
 *     of another store     its log may hold more       nobody knows: halt (E4016)
 *     at or after          committed, not yet noted    the later one
 *     after all resolved   the log was purged          the target's; of what lies
 *                                                      before it the log is silent
 *     before               the target was restored     the target's, if the log
 *                                                      still holds what is missing
 */
export async function claimWatermark(
  { store, target, shape, logger, raiseEpoch }: ClaimContext,
  signal: AbortSignal,
): Promise<ClaimedWatermark> {
  const schema = shape.name;
  const id = await stagingId(store, signal);
  const epoch = raiseEpoch
    ? await raiseEpoch((await target.checkpoint(schema, signal))?.epoch ?? 0)
    : null;
  const staged = await store.checkpoint(schema, signal);
  const there = await target.claimCheckpoint(schema, id, epoch, signal);
  if (!there) {
    logger.warn(
      { schema },
      'the target account may not create replicator_checkpoint: changes are applied effectively once (a crash may apply the last ones twice, which does no harm to rows with a primary key), and a second daemon is not fenced off',
    );
    const tables = tablesWithoutKey(shape);
    if (tables.length > 0) {
      logger.warn(
        { schema, tables },
        `without replicator_checkpoint a crash may insert rows twice where a table has no primary key (${tables.join(', ')}): where a slot brings rows of such tables, let the account create replicator_checkpoint, or give the tables primary keys`,
      );
    }
    return { applied: staged.applied, inTarget: null };
  }
  if (there.applied >= staged.appliedInTarget) {
    const applied =
      there.applied > staged.applied ? there.applied : staged.applied;
    // Read anew: another daemon may have gone on until it was fenced off.
    const { resolved } = await store.checkpoint(schema, signal);
    if (there.applied > resolved) {
      await forsakeLog(store, schema, there.applied, signal);
    }
    return { applied, inTarget: there };
  }
  if (!(await store.rewindApplied(schema, there.applied, signal))) {
    const { retired } = await store.checkpoint(schema, signal);
    throw new ReplicatorError('E3001', {
      detail: `the target ${schema} is at ${printTimestamp(there.applied)}, staging knows it was at ${printTimestamp(staged.appliedInTarget)}, and mutations through ${printTimestamp(retired)} are retired`,
    });
  }
  logger.warn(
    { schema, target: there.applied, staging: staged.appliedInTarget },
    'the target lies behind what was applied to it, as after a restore: applying the staged mutations between again',
  );
  return { applied: there.applied, inTarget: there };
}

/**
 * What is applied was resolved before, here: that it is not says that the log
 * has lost what it held. It counts as retired from now on.
 */
async function forsakeLog(
  store: StagingStore,
  schema: SchemaName,
  applied: Timestamp,
  signal: AbortSignal,
): Promise<void> {
  await store.commitApplied(schema, applied, true, signal);
  let goneCount = 1;
  while (goneCount > 0) {
    goneCount = await store.retire(schema, applied, 1_000, signal);
  }
}

/** Nothing tells their rows from the same ones that come again. */
function tablesWithoutKey({ tables }: SchemaShape): string[] {
  return [...tables]
    .filter(([, { primaryKey }]) => primaryKey.length === 0)
    .map(([name]) => name)
    .toSorted();
}

const stagingIdMemo = 'staging-id';

/** The name of a staging store, made when it is first used, and for good. */
async function stagingId(
  store: StagingStore,
  signal: AbortSignal,
): Promise<string> {
  return (
    (await store.memo(stagingIdMemo, signal)) ??
    (await store.exchangeMemo(stagingIdMemo, null, randomUUID(), signal))!
  );
}

/**
 * Rejects with E4016 where the target's watermark belongs to another staging
 * store, and changes nothing. For daemons that do not claim it.
 */
export async function refuseForeignWatermark(
  { store, target }: Pick<ClaimContext, 'store' | 'target'>,
  schema: SchemaName,
  signal: AbortSignal,
): Promise<void> {
  const id = await stagingId(store, signal);
  if ((await target.checkpoint(schema, signal)) === null) {
    return;
  }
  try {
    // No epoch is below zero: this one is never claimed.
    await target.claimCheckpoint(schema, id, 0, signal);
  } catch (error) {
    if (!(error instanceof ReplicatorError) || error.code !== 'E4009') {
      throw error;
    }
  }
}
