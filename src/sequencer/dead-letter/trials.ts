import { asReplicatorError, ReplicatorError } from '../../failure/failure.ts';
import type { Mutation } from '../../mutation/mutation.ts';
import type { Timestamp } from '../../mutation/timestamp.ts';
import { wholeRowTest } from '../../target/row-shape.ts';
import type {
  Applier,
  ApplyOrder,
  TableRows,
  TableShape,
  Target,
} from '../../target/target.ts';
import { type Finding, verdictName } from './desk.ts';
import { type Culprit, isolate, type IsolateOptions } from './isolate.ts';
import type { Verdict } from './route.ts';
import {
  neededMutations,
  type RowUnit,
  rowsOfUnits,
  rowUnits,
} from './row-units.ts';
import { unitNeeds } from './unit-needs.ts';

export interface TrialPlace {
  readonly target: Target;
  readonly applier: Applier;
  readonly nameOf: (table: TableShape) => string;
}

export interface TakeApartOptions extends IsolateOptions<RowUnit> {
  /** Tried one after the other, where a row waits for another (`defer`). */
  readonly orders: readonly ApplyOrder[];
  /** After so many trials the search rejects with the failure of the last (`defer`). */
  readonly trialLimit?: number;
}

/** In which rows may go that are all there. */
export const wholeOrders: readonly ApplyOrder[] = [
  'upserts-first',
  'deletes-first',
  'values-parked',
];

/** Finds out which rows of one source transaction do not go. */
export async function takeApart(
  place: TrialPlace,
  tables: readonly TableRows[],
  options: TakeApartOptions,
  signal: AbortSignal,
): Promise<{ aside: readonly Culprit<RowUnit>[]; order: ApplyOrder | null }> {
  await requireTruncations(place, tables, options.orders, signal);
  let order: ApplyOrder | null = null;
  let trialCount = 0;
  const { trialLimit = Number.POSITIVE_INFINITY } = options;
  const allUnits = rowUnits(tables);
  const { aside } = await isolate(
    allUnits,
    async (units) => {
      const answer = await tryRows(
        place,
        rowsOfUnits(tables, units),
        options.orders,
        signal,
      );
      trialCount += 1;
      if (answer instanceof ReplicatorError) {
        if (trialCount >= trialLimit && answer.disposition === 'defer') {
          throw answer;
        }
        return answer;
      }
      order = answer;
      return null;
    },
    { ...options, needsOf: unitNeeds(allUnits) },
  );
  return { aside, order };
}

/** A table that cannot be emptied is no bad row: nothing goes without that. */
async function requireTruncations(
  place: TrialPlace,
  tables: readonly TableRows[],
  orders: readonly ApplyOrder[],
  signal: AbortSignal,
): Promise<void> {
  const truncations = rowsOfUnits(tables, []);
  if (truncations.length > 0) {
    const answer = await tryRows(place, truncations, orders, signal);
    if (answer instanceof ReplicatorError) {
      throw answer.disposition === 'retry'
        ? answer
        : new ReplicatorError(answer.code, {
            detail: answer.message,
            disposition: 'halt',
            cause: answer,
          });
    }
  }
}

/** Applies the rows and takes all back. Resolves to the order in which they go. */
export async function tryRows(
  { target, applier }: TrialPlace,
  tables: readonly TableRows[],
  orders: readonly ApplyOrder[],
  signal: AbortSignal,
): Promise<ApplyOrder | ReplicatorError> {
  let first: ReplicatorError | null = null;
  for (const order of orders) {
    try {
      await using transaction = await target.begin(signal);
      await applier.apply(tables, transaction, signal, order);
      await transaction.checkConstraints();
      return order;
    } catch (error) {
      signal.throwIfAborted();
      const failure = asReplicatorError(error);
      first ??= failure;
      if (failure.disposition !== 'defer') {
        return failure;
      }
    }
  }
  return first!;
}

/** By source time; `order` is that in which the rest goes. */
export function findingsOf(
  { nameOf }: TrialPlace,
  culprits: readonly Culprit<RowUnit>[],
  order: ApplyOrder | null,
): Map<Timestamp, Finding> {
  const findings = new Map<
    Timestamp,
    { order: ApplyOrder | null; verdicts: Map<string, Verdict> }
  >();
  for (const { unit, error } of culprits) {
    const needed = new Set<Mutation>(
      neededMutations(unit, wholeRowTest(unit.table)),
    );
    for (const mutation of unit.mutations) {
      const finding = findings.get(mutation.time) ?? {
        order,
        verdicts: new Map(),
      };
      findings.set(mutation.time, finding);
      const name = verdictName(nameOf(unit.table), mutation.key);
      const verdict = finding.verdicts.get(name);
      finding.verdicts.set(name, {
        code: error.code,
        cause: error.message,
        mutations: [
          ...(verdict?.mutations ?? []),
          ...(needed.has(mutation) ? [mutation] : []),
        ],
      });
    }
  }
  return findings;
}
