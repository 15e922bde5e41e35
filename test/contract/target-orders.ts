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
import {
  applyTo,
  at,
  type RegisterCase,
  row,
  type TargetFixture,
} from './target-fixture.ts';

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
  return tables.some((_, place) => reaches(place, place));
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

/** Cases of the target contract: one source transaction against the usual plan and then each rung. */
export function registerOrdersCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  /** All in one source transaction; each rung is tried. */
  async function carry(
    fixture: TargetFixture,
    mutations: Readonly<Record<string, readonly Mutation[]>>,
  ): Promise<void> {
    const { refused } = await climb(fixture, [mutations], async () => {});
    expect(refused).toBeNull();
  }

  for (const action of ['', ' on delete cascade']) {
    test(`a row takes over the unique value and the children of another one that goes (references${action || ' without action'})`, async () => {
      await using fixture = await open();
      const { integer, shortText } = fixture.ddl;
      await fixture.sql(
        `create table account (id ${integer} not null primary key, email ${shortText(40)} not null unique)`,
      );
      await fixture.sql(
        `create table item (id ${integer} not null primary key, account ${integer} not null, note ${shortText(20)}, foreign key (account) references account (id)${action})`,
      );
      await fixture.sql(
        `create table part (id ${integer} not null primary key, item ${integer} not null, foreign key (item) references item (id)${action})`,
      );
      await fixture.sql(`insert into account values (1, 'a@x')`);
      await fixture.sql(`insert into item values (1, 1, 'kept')`);
      await fixture.sql(`insert into item values (2, 1, 'gone')`);
      await fixture.sql(`insert into part values (1, 1)`);
      await fixture.sql(`insert into part values (2, 2)`);
      await carry(fixture, {
        account: [row(2, [1], null), row(2, [2], { id: '2', email: '"a@x"' })],
        item: [row(2, [1], { id: '1', account: '2' }), row(2, [2], null)],
        part: [row(2, [2], null)],
      });
      expect(await fixture.rows('select id, email from account')).toEqual([
        ['2', 'a@x'],
      ]);
      expect(await fixture.rows('select id, account, note from item')).toEqual([
        ['1', '2', 'kept'],
      ]);
      expect(await fixture.rows('select id, item from part')).toEqual([
        ['1', '1'],
      ]);
    });
  }

  test('rows swap unique values that may not be null, whatever refers to them and whatever else they carry', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table account (id ${integer} not null primary key, email ${shortText(40)} not null unique, place ${integer} not null unique, note ${shortText(20)})`,
    );
    await fixture.sql(
      `create table item (id ${integer} not null primary key, account ${integer} not null, foreign key (account) references account (id) on delete cascade)`,
    );
    for (const n of [1, 2, 3]) {
      await fixture.sql(
        `insert into account values (${n}, 'e${n}', ${n}, 'n')`,
      );
      await fixture.sql(`insert into item values (${n}, ${n})`);
    }
    await carry(fixture, {
      account: [
        row(2, [1], { id: '1', email: '"e2"', place: '2', note: '"m"' }),
        row(2, [2], { id: '2', email: '"e1"' }),
        row(2, [2], { id: '2', email: '"e1"', place: '3' }),
        row(2, [3], { id: '3', place: '1', note: '"m"' }),
      ],
    });
    expect(
      await fixture.rows(
        'select id, email, place, note from account order by id',
      ),
    ).toEqual([
      ['1', 'e2', '2', 'm'],
      ['2', 'e1', '3', 'n'],
      ['3', 'e3', '1', 'm'],
    ]);
    expect(
      await fixture.rows('select id, account from item order by id'),
    ).toEqual([1, 2, 3].map((n) => [`${n}`, `${n}`]));
  });

  test('tables that refer to one another are written and emptied in one transaction', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table division (id ${integer} not null primary key, head ${integer}, other ${integer})`,
    );
    await fixture.sql(
      `create table person (id ${integer} not null primary key, division ${integer} not null, foreign key (division) references division (id))`,
    );
    await fixture.sql(
      'alter table division add constraint head_key foreign key (head) references person (id)',
    );
    await fixture.sql(
      'alter table division add constraint other_key foreign key (other) references division (id)',
    );
    const division = (id: number, head: string, other: string) =>
      row(1, [id], { id: `${id}`, head, other });
    const person = (id: number, at_: number) =>
      row(1, [id], { id: `${id}`, division: `${at_}` });
    await applyTo(fixture, {
      person: [person(1, 1), person(2, 2), person(3, 1)],
      division: [
        division(1, '1', '2'),
        division(2, '3', '1'),
        division(3, 'null', '3'),
      ],
    });
    const rows = (): Promise<(string | null)[][]> =>
      fixture.rows('select id, head, other from division order by id');
    expect(await rows()).toEqual([
      ['1', '1', '2'],
      ['2', '3', '1'],
      ['3', null, '3'],
    ]);
    await carry(fixture, {
      person: [row(2, [1], null), row(2, [4], { id: '4', division: '4' })],
      division: [
        row(2, [1], { id: '1', head: '4', other: 'null' }),
        row(2, [4], { id: '4', head: '3', other: '2' }),
      ],
    });
    expect(await rows()).toEqual([
      ['1', '4', null],
      ['2', '3', '1'],
      ['3', null, '3'],
      ['4', '3', '2'],
    ]);
    await carry(fixture, {
      division: [1, 2, 3, 4].map((id) => row(3, [id], null)),
      person: [2, 3, 4].map((id) => row(3, [id], null)),
    });
    expect(await rows()).toEqual([]);
    expect(await fixture.rows('select id from person')).toEqual([]);
  });

  test('a tree whose rows must have a parent grows, is turned over and goes in one transaction each', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table node (id ${integer} not null primary key, up ${integer} not null, foreign key (up) references node (id))`,
    );
    const node = (time: number, id: number, up: number) =>
      row(time, [id], { id: `${id}`, up: `${up}` });
    await carry(fixture, {
      node: [node(1, 3, 2), node(1, 2, 1), node(1, 1, 1), node(1, 4, 3)],
    });
    await carry(fixture, {
      node: [node(2, 1, 4), node(2, 2, 5), node(2, 5, 5), node(2, 4, 5)],
    });
    expect(await fixture.rows('select id, up from node order by id')).toEqual([
      ['1', '4'],
      ['2', '5'],
      ['3', '2'],
      ['4', '5'],
      ['5', '5'],
    ]);
    await carry(fixture, {
      node: [1, 2, 3, 4].map((id) => row(3, [id], null)),
    });
    expect(await fixture.rows('select id, up from node')).toEqual([['5', '5']]);
  });

  test('a circle of references that may not be null is refused with what would help, and nothing changes', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table chicken (id ${integer} not null primary key, egg ${integer} not null)`,
    );
    await fixture.sql(
      `create table egg (id ${integer} not null primary key, chicken ${integer} not null, foreign key (chicken) references chicken (id))`,
    );
    await fixture.sql(
      'alter table chicken add constraint egg_key foreign key (egg) references egg (id)',
    );
    const outcome = await climb(
      fixture,
      [
        {
          egg: [row(1, [1], { id: '1', chicken: '1' })],
          chicken: [row(1, [1], { id: '1', egg: '1' })],
        },
      ],
      async () => {},
    );
    expect(outcome.refused).toMatch(/^E4021/);
    expect(await fixture.rows('select id from egg')).toEqual([]);
    expect(await fixture.rows('select id from chicken')).toEqual([]);
  });

  test('a value that stands in for another and is refused is no fault of the row', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table account (id ${integer} not null primary key, email ${shortText(40)} not null unique, check (email like 'e%@x'))`,
    );
    await fixture.sql(
      `create table item (id ${integer} not null primary key, account ${integer} not null, foreign key (account) references account (id) on delete cascade)`,
    );
    await fixture.sql(`insert into account values (1, 'e1@x')`);
    await fixture.sql(`insert into account values (2, 'e2@x')`);
    await fixture.sql(`insert into item values (1, 1)`);
    const { refused } = await climb(
      fixture,
      [
        {
          account: [
            row(2, [1], { id: '1', email: '"e2@x"' }),
            row(2, [2], { id: '2', email: '"e1@x"' }),
          ],
        },
      ],
      async () => {},
    );
    // An engine that looks at the end of a statement needs no such value.
    if (refused !== null) {
      expect(refused).toMatch(/^E4013/);
    }
    expect(
      await fixture.rows('select id, email from account order by id'),
    ).toEqual(
      refused === null
        ? [
            ['1', 'e2@x'],
            ['2', 'e1@x'],
          ]
        : [
            ['1', 'e1@x'],
            ['2', 'e2@x'],
          ],
    );
    expect(await fixture.rows('select id from item')).toEqual([['1']]);
  });
}
