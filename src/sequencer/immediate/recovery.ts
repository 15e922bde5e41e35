import { setTimeout as sleep } from 'node:timers/promises';

import { backoffMs } from '../../failure/backoff.ts';
import {
  asReplicatorError,
  type ReplicatorError,
} from '../../failure/failure.ts';
import {
  type Batch,
  type Mutation,
  type TableMutations,
  withMutations,
} from '../../mutation/mutation.ts';
import { maxTimestamp, type Timestamp } from '../../mutation/timestamp.ts';
import { createApplier } from '../../target/applier.ts';
import { anySparse } from '../../target/row-shape.ts';
import type { CommitMark, SchemaShape } from '../../target/target.ts';
import type { AppliedWatermark } from '../applied-watermark.ts';
import {
  decodedTables,
  joinedBatch,
  tablesInShape,
} from '../reading/batch-tables.ts';
import type { DeadLetterDesk } from '../dead-letter/desk.ts';
import { takeRowsApart } from '../dead-letter/lone-rows.ts';
import { lastMode, noteMode } from '../mode-memo.ts';
import { readBatches } from '../reading/read-batches.ts';
import type { SequencerContext } from '../sequencer.ts';
import type { VersionGuard } from '../version-guard.ts';

export interface RecoveryMemory {
  readonly guard: VersionGuard;
  readonly desk: DeadLetterDesk;
  readonly applied: AppliedWatermark;
}

export interface RecoveryOptions {
  /** What every commit is tied to. */
  readonly mark: () => CommitMark | null;
  /** Ends it before another attempt. */
  readonly stop: AbortSignal;
  /** Called after each attempt that failed, before the next one. */
  readonly failed: (failure: ReplicatorError, attempt: number) => void;
}

/** Rows that were refused, by table and code of the failure. */
type LeftOut = Map<
  string,
  { table: string; rowCount: number; readonly error: ReplicatorError }
>;

type Recovering = RecoveryMemory & { readonly leftOut: LeftOut };

interface AttemptOptions extends Pick<RecoveryOptions, 'mark'> {
  /**
   * True when every staged row may have been acknowledged already, as after
   * consistent mode: then a row that cannot be applied stops the recovery.
   * After immediate mode only applied rows were acknowledged: a row that is
   * refused now was refused before, and its sender has it still.
   */
  readonly strict: boolean;
}

/**
 * The start of immediate mode: brings the target to what is staged beyond the
 * watermark, fills the guard, and moves the watermark. Tries until it is done;
 * null where it was stopped before, else the shape by which the guard has its
 * keys.
 */
export async function recoverUntilDone(
  context: SequencerContext,
  memory: RecoveryMemory,
  { mark, stop, failed }: RecoveryOptions,
  signal: AbortSignal,
): Promise<SchemaShape | null> {
  for (let attempt = 1; !stop.aborted; attempt += 1) {
    // One for all of an attempt: keys are laid out by it.
    const shape = context.shape();
    try {
      await recover({ ...context, shape: () => shape }, memory, mark, signal);
      return shape;
    } catch (error) {
      signal.throwIfAborted();
      const failure = asReplicatorError(error);
      if (isFencedOff(failure)) {
        throw error;
      }
      failed(failure, attempt);
      await sleep(backoffMs(attempt, context.options.backoff), undefined, {
        signal: AbortSignal.any([signal, stop]),
      }).catch(() => {});
      await context.refreshShape().catch(() => {});
    }
  }
  return null;
}

/** What was read here of staging and target is not how they are any more. */
export function isFencedOff({ code }: ReplicatorError): boolean {
  return code === 'E4009' || code === 'E4017';
}

async function recover(
  context: SequencerContext,
  memory: RecoveryMemory,
  mark: RecoveryOptions['mark'],
  signal: AbortSignal,
): Promise<void> {
  const { store, schema } = context;
  const { guard, desk, applied } = memory;
  const strict = (await lastMode(store, schema)) !== 'immediate';
  if (strict) {
    // From the first row on the target may be ahead of the watermark.
    await noteMode(store, schema, 'recovering');
  }
  await desk.load(signal);
  guard.clear();
  const through = await applyStaged(context, memory, { strict, mark }, signal);
  await applied.advanceTo(through);
  await noteMode(store, schema, 'immediate');
  guard.forgetThrough(through);
}

/**
 * Resolves to how far the watermark may move.
 *
 * Rows come in time order. A version is left out when a later one of its row
 * is staged too, for that one may be at the target already, and nothing must
 * bring the older one back. In tables with sparse rows all versions come: the
 * later one does not carry what the older one does.
 */
async function applyStaged(
  context: SequencerContext,
  memory: RecoveryMemory,
  options: AttemptOptions,
  signal: AbortSignal,
): Promise<Timestamp> {
  const applied = memory.applied.value;
  // Read before the rows: what it covers is durable, hence among them.
  const { resolved } = await context.store.checkpoint(context.schema, signal);
  const { guard } = memory;
  const shape = context.shape();
  const sparseTables = new Set<string>();
  const leftOut: LeftOut = new Map();
  const recovering = { ...memory, leftOut };
  for await (const batch of stagedBatches(context, applied, shape, signal)) {
    guard.note(batch.tables);
    noteSparse(batch.tables, shape, sparseTables);
  }
  for await (const batch of stagedBatches(context, applied, shape, signal)) {
    const wanted = batch.tables
      .map((part) =>
        sparseTables.has(part.table)
          ? part
          : withMutations(
              part,
              part.mutations.filter(
                (mutation) => !guard.knowsLater(part.table, mutation),
              ),
            ),
      )
      .filter(({ mutations }) => mutations.length > 0);
    await applyBatch(context, recovering, wanted, options, signal);
  }
  for (const { table, rowCount, error } of leftOut.values()) {
    context.observer.leftOut(table, rowCount, error);
  }
  return resolved > applied ? resolved : applied;
}

/**
 * Without those that are of use inside one transaction only. Decoded once and
 * for all: the desk knows a row of theirs by its object.
 */
async function* stagedBatches(
  { store, schema, options }: SequencerContext,
  applied: Timestamp,
  shape: SchemaShape,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  for await (const batch of readBatches(
    store,
    schema,
    applied,
    maxTimestamp,
    options,
    shape,
    signal,
  )) {
    if (!batch.onlyUnlinks) {
      yield { ...batch, tables: decodedTables(batch.tables) };
    }
  }
}

function noteSparse(
  tables: readonly TableMutations[],
  shape: SchemaShape,
  sparseTables: Set<string>,
): void {
  for (const { table, mutations } of tables) {
    const known = shape.tables.get(table);
    if (known && !sparseTables.has(table) && anySparse(known, mutations)) {
      sparseTables.add(table);
    }
  }
}

async function applyBatch(
  context: SequencerContext,
  memory: Recovering,
  tables: readonly TableMutations[],
  { strict, mark }: AttemptOptions,
  signal: AbortSignal,
): Promise<void> {
  const marked = { ...context, mark };
  const { desk } = memory;
  try {
    await applyTables(marked, desk, tables, signal);
  } catch (error) {
    signal.throwIfAborted();
    const { code, disposition } = asReplicatorError(error);
    const isOfRows = disposition === 'set-aside' || disposition === 'defer';
    if (strict && isOfRows && context.options.onRowError === 'deadLetter') {
      // What was staged before is all there: nothing more is to come.
      const mayWait = false;
      await takeRowsApart(context, desk, tables, { mayWait }, signal);
      await applyTables(marked, desk, tables, signal);
      desk.dropAll(tables);
      return;
    }
    if (strict || disposition === 'retry' || code === 'E4009') {
      throw error;
    }
    for (const { table, mutations } of tables) {
      for (const mutation of mutations) {
        await applyAlone(marked, memory, table, mutation, signal);
      }
    }
  }
}

/** A row that is refused is forgotten, so that its redelivery is tried. */
async function applyAlone(
  context: MarkedContext,
  { guard, desk, leftOut }: Recovering,
  table: string,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<void> {
  try {
    const tables = [{ table, mutations: [mutation] }];
    await applyTables(context, desk, tables, signal);
  } catch (error) {
    signal.throwIfAborted();
    const failure = asReplicatorError(error);
    const { code, disposition } = failure;
    if (disposition === 'retry' || code === 'E4009') {
      throw error;
    }
    guard.forget(table, mutation);
    const name = `${table}\0${code}`;
    const found = leftOut.get(name) ?? { table, rowCount: 0, error: failure };
    found.rowCount += 1;
    leftOut.set(name, found);
  }
}

type MarkedContext = SequencerContext & Pick<RecoveryOptions, 'mark'>;

async function applyTables(
  { target, options, observer, mark, ...context }: MarkedContext,
  desk: DeadLetterDesk,
  tables: readonly TableMutations[],
  signal: AbortSignal,
): Promise<void> {
  if (tables.length === 0) {
    return;
  }
  const applier = desk.applier(
    createApplier({
      collapse: options.collapseMutations,
      ignoreUnknownColumns: options.ignoreUnknownColumns,
    }),
  );
  const startedAtMs = performance.now();
  await using transaction = await target.begin(signal);
  await applier.apply(
    tablesInShape(tables, context.shape()),
    transaction,
    signal,
  );
  await transaction.commit(mark());
  const batch = joinedBatch(tables);
  desk.committed(batch);
  observer.batchCommitted(batch, performance.now() - startedAtMs);
}
