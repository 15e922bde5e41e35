/** Rows that come without their transaction: requests, and what recovery finds. */
import { type TableMutations, withMutations } from '../../mutation/mutation.ts';
import { inVersionOrder } from '../../mutation/row-version.ts';
import { createApplier } from '../../target/applier.ts';
import type { TableShape } from '../../target/target.ts';
import { tablesInShape } from '../reading/batch-tables.ts';
import type { SequencerContext } from '../sequencer.ts';
import type { DeadLetterDesk } from './desk.ts';
import { findingsOf, takeApart, wholeOrders } from './trials.ts';

/**
 * Finds the rows that can never go, and has the desk set them aside when the
 * others come again. A row that waits for another one rejects with its
 * failure, unless `mayWait` is false: then nothing more is to come.
 */
export async function takeRowsApart(
  context: SequencerContext,
  desk: DeadLetterDesk,
  tables: readonly TableMutations[],
  { mayWait }: { readonly mayWait: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { target, options } = context;
  desk.dropAll(tables);
  const place = {
    target,
    applier: createApplier({
      collapse: options.collapseMutations,
      ignoreUnknownColumns: options.ignoreUnknownColumns,
    }),
    nameOf: (table: TableShape) => desk.nameOf(table),
  };
  const orders = mayWait ? (['upserts-first'] as const) : wholeOrders;
  const limit = await desk.room(signal);
  const rows = await desk.withoutLetters(
    tablesInShape(
      // The last version of a row is what stands for it.
      tables.map((part) => withMutations(part, inVersionOrder(part.mutations))),
      context.shape(),
    ),
    signal,
  );
  const { aside } = await takeApart(place, rows, { orders, limit }, signal);
  const waiting = aside.find(({ error }) => error.disposition === 'defer');
  if (mayWait && waiting) {
    throw waiting.error;
  }
  desk.addAll(findingsOf(place, aside, null));
}
