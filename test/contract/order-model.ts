/**
 * Random tables that refer to one another and hold unique values, and random
 * source transactions over them. The source looks at its constraints when a
 * transaction commits, so that only the state at its end must satisfy them.
 */
import fc from 'fast-check';
import type { Mutation } from '../../src/mutation/mutation.ts';
import { row } from './target-fixture.ts';

export interface ModelReference {
  /** Of its columns `<name>` and, to a key of two columns, `<name>k`. */
  readonly name: string;
  readonly parent: number;
  readonly nullable: boolean;
  readonly deferrable: boolean;
  readonly onDelete: 'no action' | 'cascade' | 'set null';
}

export interface ModelTable {
  /** The key is (k, id), else (id). */
  readonly isComposite: boolean;
  readonly references: readonly ModelReference[];
  /** Of the columns u and w. */
  readonly isValueNullable: boolean;
  readonly valueType: 'integer' | 'text';
  readonly uniqueKeys: readonly (readonly string[])[];
}

type Values = Readonly<Record<string, string | null>>;
/** Rows by key, a map for each table. */
export type ModelState = readonly ReadonlyMap<string, Values>[];

export interface ModelTransaction {
  /** By table name; of one source timestamp. */
  readonly mutations: Readonly<Record<string, readonly Mutation[]>>;
  readonly after: ModelState;
}

export interface Model {
  readonly tables: readonly ModelTable[];
  readonly before: ModelState;
  readonly transactions: readonly ModelTransaction[];
}

const id = fc.integer({ min: 1, max: 5 });
const pair = fc.tuple(fc.integer({ min: 1, max: 2 }), id);

interface Draft {
  readonly table: number;
  readonly key: readonly [number, number];
  readonly other: readonly [number, number];
  readonly kind: 'put' | 'delete' | 'replace' | 'swap' | 'refer' | 'pass';
  readonly u: number;
  readonly w: number;
  readonly up: readonly (readonly [number, number])[];
  readonly isNull: number;
  readonly isSparse: boolean;
}

const draft: fc.Arbitrary<Draft> = fc.record({
  table: fc.nat(9),
  key: pair,
  other: pair,
  kind: fc.constantFrom(
    'put',
    'put',
    'delete',
    'replace',
    'replace',
    'swap',
    'refer',
    'pass',
  ),
  u: fc.nat(3),
  w: fc.nat(3),
  up: fc.tuple(pair, pair, pair),
  isNull: fc.nat(15),
  isSparse: fc.boolean(),
});

const reference = (deferrable: boolean): fc.Arbitrary<ModelReference> =>
  fc
    .record({
      name: fc.constant(''),
      parent: fc.nat(9),
      nullable: fc.boolean(),
      deferrable: deferrable
        ? fc.constantFrom(false, false, false, true)
        : fc.constant(false),
      onDelete: fc.constantFrom(
        'no action' as const,
        'no action' as const,
        'cascade' as const,
        'set null' as const,
      ),
    })
    .map((each) => ({
      ...each,
      onDelete:
        each.onDelete === 'set null' && !each.nullable
          ? 'cascade'
          : each.onDelete,
    }));

const tableOf = (deferrable: boolean): fc.Arbitrary<ModelTable> =>
  fc
    .record({
      isComposite: fc.constantFrom(false, false, true),
      references: fc.array(reference(deferrable), { maxLength: 2 }),
      isValueNullable: fc.boolean(),
      valueType: fc.constantFrom('integer' as const, 'text' as const),
      uniqueKeys: fc.uniqueArray(
        fc.constantFrom<readonly string[]>(
          ['u'],
          ['w'],
          ['u', 'w'],
          ['r0'],
          ['r0', 'u'],
          ['id', 'u'],
        ),
        { maxLength: 2, selector: (names) => names.join() },
      ),
    })
    .map((table) => {
      const references = table.references.map((each, index) => ({
        ...each,
        name: `r${index}`,
      }));
      return {
        ...table,
        references,
        uniqueKeys: table.uniqueKeys.filter(
          (names) => !names.includes('r0') || references.length > 0,
        ),
      };
    });

/** A model of whose transactions every one ends in a state that may be. */
export function models({
  deferrable,
}: {
  readonly deferrable: boolean;
}): fc.Arbitrary<Model> {
  return fc
    .record({
      tables: fc.array(tableOf(deferrable), { minLength: 1, maxLength: 3 }),
      first: fc.array(draft, { minLength: 12, maxLength: 24 }),
      others: fc.array(fc.array(draft, { minLength: 1, maxLength: 8 }), {
        minLength: 1,
        maxLength: 3,
      }),
    })
    .map(({ tables: drawn, first, others }) => {
      const tables = drawn.map((table) => ({
        ...table,
        references: table.references.map((each) => ({
          ...each,
          parent: each.parent % drawn.length,
        })),
      }));
      const before = play(tables, emptyState(tables), first);
      let state = before;
      const transactions = others.map((drafts, index): ModelTransaction => {
        const after = play(tables, state, drafts);
        const sparse = new Set(
          drafts
            .filter(({ isSparse }) => isSparse)
            .map(({ table, key }) => `${table % tables.length} ${key[1]}`),
        );
        const mutations = changes(tables, {
          before: state,
          after,
          second: index + 1,
          sparse,
        });
        state = after;
        return { mutations, after };
      });
      return { tables, before, transactions };
    });
}

/** As `writtenModel` has it: what a seed once found, kept whatever is drawn later. */
export function readModel(text: string): Model {
  const { tables, before, transactions } = JSON.parse(text) as {
    tables: ModelTable[];
    before: [string, Values][][];
    transactions: {
      mutations: ModelTransaction['mutations'];
      after: [string, Values][][];
    }[];
  };
  return {
    tables,
    before: before.map((rows) => new Map(rows)),
    transactions: transactions.map(({ mutations, after }) => ({
      mutations,
      after: after.map((rows) => new Map(rows)),
    })),
  };
}

export function writtenModel({ tables, before, transactions }: Model): string {
  const rows = (state: ModelState) => state.map((own) => [...own]);
  return `${JSON.stringify(
    {
      tables,
      before: rows(before),
      transactions: transactions.map(({ mutations, after }) => ({
        mutations,
        after: rows(after),
      })),
    },
    null,
    1,
  )}\n`;
}

export function tableName(index: number): string {
  return `t${index}`;
}

export function referenceColumns(
  tables: readonly ModelTable[],
  { name, parent }: ModelReference,
): string[] {
  return tables[parent]!.isComposite ? [`${name}k`, name] : [name];
}

export function keyNames({ isComposite }: ModelTable): string[] {
  return isComposite ? ['k', 'id'] : ['id'];
}

export function columnNames(
  tables: readonly ModelTable[],
  table: ModelTable,
): string[] {
  return [
    ...keyNames(table),
    ...table.references.flatMap((each) => referenceColumns(tables, each)),
    'u',
    'w',
    'note',
  ];
}

type Mutable = Map<string, Record<string, string | null>>[];

function emptyState(tables: readonly ModelTable[]): ModelState {
  return tables.map(() => new Map());
}

/** What the drafts make of the state, bent to what the constraints allow. */
function play(
  tables: readonly ModelTable[],
  before: ModelState,
  drafts: readonly Draft[],
): ModelState {
  const state: Mutable = before.map(
    (rows) => new Map([...rows].map(([key, values]) => [key, { ...values }])),
  );
  for (const each of drafts) {
    change(tables, state, each);
  }
  repair(tables, state);
  return state;
}

function change(
  tables: readonly ModelTable[],
  state: Mutable,
  each: Draft,
): void {
  const place = each.table % tables.length;
  const table = tables[place]!;
  const rows = state[place]!;
  const key = keyText(table, each.key);
  const otherKey = keyText(table, each.other);
  const found = rows.get(key);
  const other = rows.get(otherKey);
  switch (each.kind) {
    case 'put':
      rows.set(key, newRow(tables, table, each, each.key));
      return;
    case 'delete':
      rows.delete(key);
      return;
    case 'replace':
      // Another row takes over all that the row had, its children too.
      if (found && !other) {
        rows.delete(key);
        rows.set(otherKey, { ...found, ...keyValues(table, each.other) });
        for (const [child, columns] of refersTo(tables, place)) {
          for (const values of state[child]!.values()) {
            const refers = columns.every(
              (name, index) => values[name] === keyOf(table, found)[index],
            );
            if (refers && each.u > 0) {
              columns.forEach((name, index) => {
                values[name] = keyParts(table, each.other)[index]!;
              });
            }
          }
        }
      }
      return;
    case 'swap':
      if (found && other && found !== other) {
        for (const name of each.w > 1 ? ['u', 'w'] : ['u']) {
          [found[name], other[name]] = [other[name]!, found[name]!];
        }
        if (each.u === 0 && table.references.length > 0) {
          for (const name of referenceColumns(tables, table.references[0]!)) {
            [found[name], other[name]] = [other[name]!, found[name]!];
          }
        }
      }
      return;
    case 'pass':
      // The row gets a value of another one, which gets a new value.
      if (found && other && found !== other) {
        found['u'] = other['u']!;
        other['u'] = String(each.u + 4);
      }
      return;
    case 'refer':
      if (found) {
        Object.assign(found, referring(tables, table, each));
      }
  }
}

function newRow(
  tables: readonly ModelTable[],
  table: ModelTable,
  each: Draft,
  key: readonly [number, number],
): Record<string, string | null> {
  return {
    ...keyValues(table, key),
    ...referring(tables, table, each),
    u: table.isValueNullable && each.isNull & 1 ? null : String(each.u),
    w: table.isValueNullable && each.isNull & 2 ? null : String(each.w),
    note: String(each.u * 4 + each.w),
  };
}

function referring(
  tables: readonly ModelTable[],
  table: ModelTable,
  each: Draft,
): Record<string, string | null> {
  const values: Record<string, string | null> = {};
  table.references.forEach((reference, index) => {
    const isNull = reference.nullable && (each.isNull & 12) === 4 * index;
    const parts = keyParts(tables[reference.parent]!, each.up[index]!);
    referenceColumns(tables, reference).forEach((name, part) => {
      values[name] = isNull ? null : parts[part]!;
    });
  });
  return values;
}

/** Until nothing is violated: references let go, else rows do. */
function repair(tables: readonly ModelTable[], state: Mutable): void {
  let isChanged = true;
  while (isChanged) {
    isChanged = false;
    tables.forEach((table, place) => {
      const rows = state[place]!;
      for (const names of table.uniqueKeys) {
        const seen = new Map<string, string>();
        for (const [key, values] of rows) {
          const parts = names.map((name) => values[name]!);
          if (parts.includes(null as never)) {
            continue;
          }
          const text = parts.join();
          const holder = seen.get(text);
          if (holder !== undefined) {
            // Often the row that was there goes, for the new one's sake.
            rows.delete(values['note'] === '0' ? key : holder);
            isChanged = true;
          }
          seen.set(text, key);
        }
      }
      for (const [key, values] of rows) {
        for (const reference of table.references) {
          const names = referenceColumns(tables, reference);
          const parts = names.map((name) => values[name]!);
          if (
            parts.includes(null as never) ||
            state[reference.parent]!.has(parts.join())
          ) {
            continue;
          }
          isChanged = true;
          if (reference.nullable) {
            for (const name of names) {
              values[name] = null;
            }
          } else {
            rows.delete(key);
          }
        }
      }
    });
  }
}

function changes(
  tables: readonly ModelTable[],
  {
    before,
    after,
    second,
    sparse,
  }: {
    readonly before: ModelState;
    readonly after: ModelState;
    readonly second: number;
    readonly sparse: ReadonlySet<string>;
  },
): Record<string, Mutation[]> {
  const all: Record<string, Mutation[]> = {};
  tables.forEach((table, place) => {
    const list: Mutation[] = [];
    for (const [key, was] of before[place]!) {
      if (!after[place]!.has(key)) {
        list.push(row(second, keyOf(table, was), null));
      }
    }
    for (const [key, is] of after[place]!) {
      const was = before[place]!.get(key);
      const changed = columnNames(tables, table).filter(
        (name) => !was || was[name] !== is[name],
      );
      if (changed.length === 0) {
        continue;
      }
      const sent =
        was && sparse.has(`${place} ${is['id']}`)
          ? [...keyNames(table), ...changed]
          : columnNames(tables, table);
      list.push(
        row(
          second,
          keyOf(table, is),
          Object.fromEntries(
            [...new Set(sent)].map((name) => [
              name,
              token(table, name, is[name]!),
            ]),
          ),
        ),
      );
    }
    if (list.length > 0) {
      all[tableName(place)] = list;
    }
  });
  return all;
}

function token(
  { valueType }: ModelTable,
  name: string,
  value: string | null,
): string {
  const isText =
    name === 'note' || (valueType === 'text' && (name === 'u' || name === 'w'));
  return value === null ? 'null' : isText ? JSON.stringify(value) : value;
}

function refersTo(
  tables: readonly ModelTable[],
  parent: number,
): [number, string[]][] {
  return tables.flatMap((table, place) =>
    table.references
      .filter((each) => each.parent === parent)
      .map((each): [number, string[]] => [
        place,
        referenceColumns(tables, each),
      ]),
  );
}

function keyParts(
  { isComposite }: ModelTable,
  [k, n]: readonly [number, number],
): string[] {
  return isComposite ? [String(k), String(n)] : [String(n)];
}

function keyText(table: ModelTable, key: readonly [number, number]): string {
  return keyParts(table, key).join();
}

function keyValues(
  table: ModelTable,
  key: readonly [number, number],
): Record<string, string> {
  const parts = keyParts(table, key);
  return Object.fromEntries(
    keyNames(table).map((name, index) => [name, parts[index]!]),
  );
}

function keyOf(table: ModelTable, values: Values): string[] {
  return keyNames(table).map((name) => values[name]!);
}
