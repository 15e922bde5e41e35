/**
 * What one source transaction may do, whatever the order in which it did it:
 * through applier and ladder the target ends as the source, or the batch is
 * refused and nothing has changed.
 */
import { expect } from 'vitest';
import { ReplicatorError } from '../../src/failure/failure.ts';
import type { Mutation } from '../../src/mutation/mutation.ts';
import {
  type AttemptPlan,
  attemptPlan,
} from '../../src/sequencer/attempt-plan.ts';
import {
  columnNames,
  keyNames,
  type Model,
  type ModelState,
  type ModelTable,
  referenceColumns,
  tableName,
} from './order-model.ts';
import { applyTo, at, type TargetFixture } from './target-fixture.ts';

/** What the engine says in its own words. */
export interface OrderWords {
  /** Runs statements while no foreign key is looked at. */
  unchecked(statements: readonly string[]): Promise<void>;
}

export interface Outcome {
  /** Null where the target has all. */
  readonly refused: string | null;
  readonly attemptCount: number;
}

/** The usual plan, then rung by rung, as the sequencer goes. */
export async function climb(
  fixture: TargetFixture,
  transactions: readonly Readonly<Record<string, readonly Mutation[]>>[],
  onCommitted: (count: number) => Promise<void>,
): Promise<Outcome> {
  const usual = { parallelism: 1, timestampLimit: 1000 };
  let position = 0;
  let attemptCount = 0;
  let trouble: {
    readonly error: ReplicatorError;
    readonly failureCount: number;
    readonly position: number;
    readonly through: number;
  } | null = null;
  while (position < transactions.length) {
    const plan: AttemptPlan = attemptPlan(
      trouble && { ...trouble, applied: at(0), through: at(0) },
      usual,
    );
    const end = plan.timestampLimit === 1 ? position + 1 : transactions.length;
    attemptCount += 1;
    try {
      await applyTo(fixture, joined(transactions.slice(position, end)), {
        order: plan.order,
      });
    } catch (error) {
      if (
        !(error instanceof ReplicatorError) ||
        error.disposition === 'retry' ||
        error.disposition === 'halt'
      ) {
        throw error;
      }
      const failureCount: number =
        trouble && trouble.position === position ? trouble.failureCount + 1 : 1;
      trouble = { error, failureCount, position, through: end };
      if (failureCount > 10) {
        return { refused: `${error.code}: ${error.message}`, attemptCount };
      }
      continue;
    }
    position = end;
    await onCommitted(position);
    if (trouble && position >= trouble.through) {
      trouble = null;
    }
  }
  return { refused: null, attemptCount };
}

function joined(
  list: readonly Readonly<Record<string, readonly Mutation[]>>[],
): Record<string, Mutation[]> {
  const all: Record<string, Mutation[]> = {};
  for (const mutations of list) {
    for (const [table, own] of Object.entries(mutations)) {
      (all[table] ??= []).push(...own);
    }
  }
  return all;
}

export async function createModel(
  fixture: TargetFixture,
  words: OrderWords,
  { tables, before }: Pick<Model, 'tables' | 'before'>,
): Promise<void> {
  for (const [place, table] of tables.entries()) {
    await fixture.sql(createText(fixture, tables, { table, place }));
  }
  for (const [place, table] of tables.entries()) {
    for (const [index, reference] of table.references.entries()) {
      const parent = tables[reference.parent]!;
      await fixture.sql(
        [
          `alter table ${tableName(place)} add constraint fk_${place}_${index}`,
          `foreign key (${referenceColumns(tables, reference).join(', ')})`,
          `references ${tableName(reference.parent)} (${keyNames(parent).join(', ')})`,
          reference.onDelete === 'no action'
            ? ''
            : `on delete ${reference.onDelete}`,
          reference.deferrable ? 'deferrable' : '',
        ].join(' '),
      );
    }
  }
  const statements = before.flatMap((rows, place) =>
    [...rows.values()].map((values) => {
      const names = columnNames(tables, tables[place]!);
      const literals = names.map((name) =>
        values[name] === null ? 'null' : `'${values[name]}'`,
      );
      return `insert into ${tableName(place)} (${names.join(', ')}) values (${literals.join(', ')})`;
    }),
  );
  await words.unchecked(statements);
}

function createText(
  { ddl }: TargetFixture,
  tables: readonly ModelTable[],
  { table, place }: { readonly table: ModelTable; readonly place: number },
): string {
  const value = table.valueType === 'text' ? ddl.shortText(40) : ddl.integer;
  const nullness = table.isValueNullable ? '' : ' not null';
  return `create table ${tableName(place)} (${[
    ...keyNames(table).map((name) => `${name} ${ddl.integer} not null`),
    ...table.references.flatMap((reference) =>
      referenceColumns(tables, reference).map(
        (name) =>
          `${name} ${ddl.integer}${reference.nullable ? '' : ' not null'}`,
      ),
    ),
    `u ${value}${nullness}`,
    `w ${value}${nullness}`,
    `note ${ddl.shortText(20)}`,
    `primary key (${keyNames(table).join(', ')})`,
    ...table.uniqueKeys.map((names) => `unique (${names.join(', ')})`),
  ].join(', ')})`;
}

export function dropTexts(tables: readonly ModelTable[]): string[] {
  return tables
    .flatMap((table, place) =>
      table.references.map(
        (_, index) =>
          `alter table ${tableName(place)} drop constraint fk_${place}_${index}`,
      ),
    )
    .concat(tables.map((_, place) => `drop table ${tableName(place)}`));
}

export async function storedState(
  fixture: TargetFixture,
  tables: readonly ModelTable[],
): Promise<string[][]> {
  const all: string[][] = [];
  for (const [place, table] of tables.entries()) {
    const rows = await fixture.rows(
      `select ${columnNames(tables, table).join(', ')} from ${tableName(place)}`,
    );
    all.push(rows.map((values) => JSON.stringify(values)).toSorted());
  }
  return all;
}

export function printedState(
  tables: readonly ModelTable[],
  state: ModelState,
): string[][] {
  return tables.map((table, place) =>
    [...state[place]!.values()]
      .map((values) =>
        JSON.stringify(
          columnNames(tables, table).map((name) => values[name] ?? null),
        ),
      )
      .toSorted(),
  );
}

/** What no order of statements could do: rows in a circle from the start. */
export function mayBeRefused({ tables }: Pick<Model, 'tables'>): boolean {
  const reaches = (from: number, to: number): boolean => {
    const seen = new Set<number>();
    const waiting = [from];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      for (const { parent, nullable, deferrable } of tables[next]!.references) {
        if (!nullable && !deferrable) {
          if (parent === to) {
            return true;
          }
          if (!seen.has(parent)) {
            seen.add(parent);
            waiting.push(parent);
          }
        }
      }
    }
    return false;
  };
  return tables.some(
    (_, place) => reaches(place, place) || isUnparkable(tables, place),
  );
}

/**
 * A gap that is known: a unique key of nothing but references that may not be
 * null has no value to stand in for another, and where deleting its rows may
 * take others along they are not deleted first.
 */
function isUnparkable(tables: Model['tables'], place: number): boolean {
  const { references, uniqueKeys } = tables[place]!;
  const fixed = new Set(
    references
      .filter(({ nullable }) => !nullable)
      .flatMap(({ name }) => [name, `${name}k`]),
  );
  const takes = tables.some((child) =>
    child.references.some(
      ({ parent, onDelete }) => parent === place && onDelete !== 'no action',
    ),
  );
  return (
    takes && uniqueKeys.some((key) => key.every((column) => fixed.has(column)))
  );
}

/** Plays the model; at every commit the target is as the source was then. */
export async function playModel(
  fixture: TargetFixture,
  words: OrderWords,
  { tables, before, transactions }: Model,
): Promise<Outcome> {
  await createModel(fixture, words, { tables, before });
  try {
    let state = before;
    const outcome = await climb(
      fixture,
      transactions.map(({ mutations }) => mutations),
      async (count) => {
        state = transactions[count - 1]!.after;
        expect(await storedState(fixture, tables)).toEqual(
          printedState(tables, state),
        );
      },
    );
    expect(await storedState(fixture, tables)).toEqual(
      printedState(tables, state),
    );
    return outcome;
  } finally {
    for (const text of dropTexts(tables)) {
      await fixture.sql(text);
    }
  }
}
