/**
 * Applies dead letters again, while a daemon may be running.
 *
 * The letters of one row go together, in the order in which they were written,
 * in one target transaction, and so do those of rows that refer to one another
 * in a circle: lock and read them, apply them, remove them,
 * commit. Letters are locked before rows are, as the daemon does it, so that
 * the two take turns: whoever comes second sees what the first has left. A
 * letter that the daemon has superseded meanwhile is not applied, and one that
 * somebody discarded is not there any more.
 */
import { asReplicatorError, ReplicatorError } from '../../failure/failure.ts';
import { strongComponents } from '../../lib/strong-components.ts';
import type { Mutation } from '../../mutation/mutation.ts';
import type { SchemaName } from '../../mutation/schema-name.ts';
import type { DeadLetter } from '../../target/dead-letters.ts';
import { tableOrder } from '../../target/table-order.ts';
import type {
  Applier,
  ApplyOrder,
  SchemaShape,
  TableShape,
  Target,
} from '../../target/target.ts';

import { alignKeys } from '../reading/key-alignment.ts';
import { nameInShape } from '../reading/shape-names.ts';
import type { RowUnit } from './row-units.ts';
import { unitNeeds } from './unit-needs.ts';

/** The letters of one row; of several where a row went from key to key. */
export interface LetterGroup {
  readonly table: string;
  /** In the order of their ids. */
  readonly letters: readonly Pick<
    DeadLetter,
    'id' | 'keyColumns' | 'mutation'
  >[];
}

export interface GroupOutcome {
  readonly group: LetterGroup;
  /** How many were applied; those that had gone or were superseded are not. */
  readonly appliedCount: number;
  /** Null where what was left of the group was applied. */
  readonly failure: ReplicatorError | null;
}

export interface RetryContext {
  readonly target: Target;
  readonly schema: SchemaName;
  readonly shape: SchemaShape;
  readonly tableName: string;
  readonly applier: Applier;
  readonly signal: AbortSignal;
}

/** How often a deadlock or the like is tried again while nothing else moves. */
const idleRounds = 5;

const retryOrders: readonly ApplyOrder[] = ['upserts-first', 'deletes-first'];

/** Nothing more is tried: no letter would fare better. */
const endingCodes: readonly string[] = ['E4001', 'E4014', 'E4015', 'E4019'];

/** Groups by row, in the order of their first letters. */
export function groupLetters(letters: readonly DeadLetter[]): LetterGroup[] {
  const groups = new Map<string, { table: string; letters: DeadLetter[] }>();
  const placeOf = (table: string, key: string): string => `${table}\0${key}`;
  for (const letter of letters) {
    const { table, mutation } = letter;
    const place = placeOf(table, mutation.key);
    const group = groups.get(place) ?? { table, letters: [] };
    group.letters.push(letter);
    groups.set(place, group);
    if (mutation.movedFrom !== undefined) {
      const fromPlace = placeOf(table, mutation.movedFrom);
      const from = groups.get(fromPlace);
      groups.set(fromPlace, group);
      if (from && from !== group) {
        group.letters.push(...from.letters);
        for (const [known, other] of groups) {
          if (other === from) {
            groups.set(known, group);
          }
        }
      }
    }
  }
  return [...new Set(groups.values())].map((group) => ({
    table: group.table,
    letters: group.letters.toSorted((a, b) =>
      Number(BigInt(a.id) - BigInt(b.id)),
    ),
  }));
}

/**
 * Parents before children; what fails is tried again as long as others
 * succeed, for it may have waited for them. Rejects only where nothing can be
 * tried any more.
 */
export async function retryLetters(
  groups: readonly LetterGroup[],
  context: RetryContext,
): Promise<GroupOutcome[]> {
  const outcomes = new Map<LetterGroup, GroupOutcome>();
  let left = inTableOrder(groups, context.shape);
  let idleCount = 0;
  while (left.length > 0 && idleCount < idleRounds) {
    const failed: LetterGroup[] = [];
    let mayPass = false;
    for (const group of left) {
      const { applied, failure } = await retryTogether([group], context);
      outcomes.set(group, { group, appliedCount: applied.size, failure });
      if (failure) {
        failed.push(group);
        mayPass ||= failure.disposition === 'retry';
      }
    }
    if (failed.length === left.length) {
      // Letters whose key cannot be told go nowhere, and cannot be compared.
      const told = failed.filter(
        (group) => outcomes.get(group)!.failure?.code !== 'E4018',
      );
      for (const knot of knotsOf(told, context.shape)) {
        const { applied, failure } = await retryTogether(knot, context);
        if (failure === null) {
          for (const group of knot) {
            const ofGroup = group.letters.filter(({ id }) => applied.has(id));
            const appliedCount = ofGroup.length;
            outcomes.set(group, { group, appliedCount, failure: null });
            failed.splice(failed.indexOf(group), 1);
          }
        }
      }
    }
    const hasProgress = failed.length < left.length;
    if (!hasProgress && !mayPass) {
      break;
    }
    idleCount = hasProgress ? 0 : idleCount + 1;
    left = failed;
  }
  const inOrder = groups.map((group) => outcomes.get(group)!);
  for (const outcome of inOrder) {
    await explain(outcome, context);
  }
  return inOrder;
}

/** A letter that has failed again says why it has now. */
async function explain(
  { group, failure }: GroupOutcome,
  { target, schema, tableName, signal }: RetryContext,
): Promise<void> {
  if (failure === null || failure.disposition === 'retry') {
    return;
  }
  try {
    await using transaction = await target.begin(signal);
    await transaction.deadLetters(schema, tableName).explain(
      group.letters.map(({ id }) => id),
      { code: failure.code, cause: failure.message },
    );
    await transaction.commit(null);
  } catch {
    // The failure is the news, and whoever retries hears of it in any case.
    signal.throwIfAborted();
  }
}

/** In one transaction. */
async function retryTogether(
  groups: readonly LetterGroup[],
  context: RetryContext,
): Promise<{
  /** The ids of the letters; those that had gone or were superseded are not. */
  readonly applied: ReadonlySet<string>;
  readonly failure: ReplicatorError | null;
}> {
  for (const order of retryOrders) {
    try {
      const applied = await applyTogether(groups, order, context);
      return { applied: new Set(applied), failure: null };
    } catch (error) {
      context.signal.throwIfAborted();
      const failure = asReplicatorError(error);
      if (endingCodes.includes(failure.code)) {
        throw failure;
      }
      if (failure.disposition !== 'defer' || order === retryOrders.at(-1)) {
        return { applied: new Set(), failure };
      }
    }
  }
  throw new Error('unreachable');
}

async function applyTogether(
  groups: readonly LetterGroup[],
  order: ApplyOrder,
  { target, schema, shape, tableName, applier, signal }: RetryContext,
): Promise<string[]> {
  await using transaction = await target.begin(signal);
  const box = transaction.deadLetters(schema, tableName);
  const taken = await box.take(
    groups.flatMap(({ letters }) => letters.map(({ id }) => id)),
  );
  const open = taken.filter(({ supersededAt }) => supersededAt === null);
  if (open.length === 0) {
    return [];
  }
  const rows = Map.groupBy(open, ({ table }) => table)
    .entries()
    .map(([name, letters]) => {
      const table = shape.tables.get(name);
      if (!table) {
        throw new ReplicatorError('E4012', {
          detail: `there is no table ${schema}.${name} at the target`,
          remedy:
            'create the table; letters that nobody needs can be discarded (replicator dlq discard)',
        });
      }
      return { table, mutations: alignedMutations(name, letters, shape) };
    })
    .toArray();
  await applier.apply(rows, transaction, signal, order);
  const ids = open.map(({ id }) => id);
  await box.remove(ids);
  await transaction.commit(null);
  return ids;
}

/** Rows none of which can go before the others: they refer to one another. */
function knotsOf(
  groups: readonly LetterGroup[],
  shape: SchemaShape,
): LetterGroup[][] {
  const groupOf = new Map<RowUnit, LetterGroup>();
  for (const group of groups) {
    const table = shape.tables.get(group.table);
    if (table) {
      const mutations = alignedMutations(group.table, group.letters, shape);
      groupOf.set({ table, mutations }, group);
    }
  }
  const units = [...groupOf.keys()];
  return strongComponents(units, unitNeeds(units))
    .filter(({ length }) => length > 1)
    .map((knot) => knot.map((unit) => groupOf.get(unit)!));
}

function alignedMutations(
  table: string,
  letters: LetterGroup['letters'],
  shape: SchemaShape,
): readonly Mutation[] {
  return letters.flatMap(
    ({ keyColumns, mutation }) =>
      alignKeys({ table, keyColumns, mutations: [mutation] }, shape).mutations,
  );
}

function inTableOrder(
  groups: readonly LetterGroup[],
  shape: SchemaShape,
): LetterGroup[] {
  const names = new Set(groups.map(({ table }) => table));
  const known = [...names].flatMap((name) => shape.tables.get(name) ?? []);
  const nameOf = (each: TableShape): string => nameInShape(each, shape);
  const places = new Map(
    tableOrder(known)
      .flat()
      .map((each, place) => [nameOf(each), place]),
  );
  const placeOf = ({ table }: LetterGroup): number =>
    places.get(table) ?? places.size;
  return groups.toSorted((a, b) => placeOf(a) - placeOf(b));
}
