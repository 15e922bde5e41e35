/**
 * Applies dead letters again, while a daemon may be running.
 *
 * The letters of one row go together, in the order in which they were written,
 * in one target transaction: lock and read them, apply them, remove them,
 * commit. Letters are locked before rows are, as the daemon does it, so that
 * the two take turns: whoever comes second sees what the first has left. A
 * letter that the daemon has superseded meanwhile is not applied, and one that
 * somebody discarded is not there any more.
 */
import { asReplicatorError, ReplicatorError } from '../../failure/failure.ts';
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

/** The letters of one row; of several where a row went from key to key. */
export interface LetterGroup {
  readonly table: string;
  /** In the order of their ids. */
  readonly letters: readonly Pick<DeadLetter, 'id' | 'mutation'>[];
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
      const outcome = await retryGroup(group, context);
      outcomes.set(group, outcome);
      if (outcome.failure) {
        failed.push(group);
        mayPass ||= outcome.failure.disposition === 'retry';
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

async function retryGroup(
  group: LetterGroup,
  context: RetryContext,
): Promise<GroupOutcome> {
  const orders: ApplyOrder[] = ['upserts-first', 'deletes-first'];
  for (const order of orders) {
    try {
      const appliedCount = await applyGroup(group, order, context);
      return { group, appliedCount, failure: null };
    } catch (error) {
      context.signal.throwIfAborted();
      const failure = asReplicatorError(error);
      if (endingCodes.includes(failure.code)) {
        throw failure;
      }
      if (failure.disposition !== 'defer' || order === orders.at(-1)) {
        return { group, appliedCount: 0, failure };
      }
    }
  }
  throw new Error('unreachable');
}

async function applyGroup(
  { table, letters }: LetterGroup,
  order: ApplyOrder,
  { target, schema, shape, tableName, applier, signal }: RetryContext,
): Promise<number> {
  await using transaction = await target.begin(signal);
  const box = transaction.deadLetters(schema, tableName);
  const taken = await box.take(letters.map(({ id }) => id));
  const open = taken.filter(({ supersededAt }) => supersededAt === null);
  if (open.length === 0) {
    return 0;
  }
  const tableShape = shape.tables.get(table);
  if (!tableShape) {
    throw new ReplicatorError('E4012', {
      detail: `there is no table ${schema}.${table} at the target`,
      remedy:
        'create the table; letters that nobody needs can be discarded (replicator dlq discard)',
    });
  }
  const mutations = open.flatMap(
    ({ keyColumns, mutation }) =>
      alignKeys({ table, keyColumns, mutations: [mutation] }, shape).mutations,
  );
  await applier.apply(
    [{ table: tableShape, mutations }],
    transaction,
    signal,
    order,
  );
  await box.remove(open.map(({ id }) => id));
  await transaction.commit(null);
  return open.length;
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
