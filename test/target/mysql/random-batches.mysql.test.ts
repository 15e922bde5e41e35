/** Random tables and batches against a model that knows no SQL. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Mutation } from '../../../src/mutation/mutation.ts';
import { applyTo, row } from '../../contract/target-fixture.ts';
import { MYSQL_PRODUCTS } from '../../support/mysql-test-database.ts';
import { type MysqlFixture, mysqlFixture } from './fixture.ts';
import { untilLate } from '../../support/until-late.ts';

type KeyKind = 'int' | 'text' | 'both';

interface Table {
  readonly keyKind: KeyKind;
  /** Of the column `code`. */
  readonly unique: 'none' | 'nullable' | 'not null';
  /** Of the column `up`, which holds the key of a parent. */
  readonly parent: 'none' | 'nullable' | 'not null';
}

const table: fc.Arbitrary<Table> = fc.oneof(
  fc.record<Table>({
    keyKind: fc.constantFrom('int', 'text', 'both'),
    unique: fc.constantFrom('none', 'nullable', 'not null'),
    parent: fc.constant('none'),
  }),
  fc.record<Table>({
    keyKind: fc.constant('int'),
    unique: fc.constantFrom('none', 'nullable', 'not null'),
    parent: fc.constantFrom('nullable', 'not null'),
  }),
);

/** Row `n` has the n-th key; a state is what each of them holds, as JSON tokens. */
type Columns = Readonly<Record<string, string>>;
type State = ReadonlyMap<number, Columns>;

const rowCount = 7;
const noteDefault = '"unset"';

/** Alike but for case, blanks, marks, and what files and JSON write otherwise. */
const texts = [
  'a',
  'A',
  'a ',
  'ä',
  String.raw`\N`,
  'tab\tand\nline',
  `quote ' " \\ \0 \b \u{1F600}`,
];

function numberedKey(n: number): string {
  return String(n * 1_000_003 - 3);
}

function keyOf(keyKind: KeyKind, n: number): Columns {
  const text = JSON.stringify(texts[n]);
  switch (keyKind) {
    case 'int':
      return { id: numberedKey(n) };
    case 'text':
      return { id: text };
    case 'both':
      return { id: String(n % 3), name: text };
  }
}

/** What happens to one row in one source transaction; the model bends it to what can be. */
const step = fc.record({
  n: fc.nat(rowCount - 1),
  kind: fc.constantFrom('put', 'put', 'sparse', 'delete', 'again', 'hand over'),
  note: fc.constantFrom('null', ...texts.map((text) => JSON.stringify(text))),
  amount: fc.constantFrom('null', '0', '-7.25', '98765432109876543210.5'),
  code: fc.nat(rowCount),
  up: fc.nat(rowCount - 1),
  with: fc.nat(rowCount - 1),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const history = fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), {
  minLength: 1,
  maxLength: 6,
});

interface SourceTransaction {
  readonly mutations: readonly Mutation[];
  /** Some row was deleted and came back. */
  readonly replaces: boolean;
  readonly after: State;
}

/** Every state is one that the source could have had: keys and references hold. */
function play(
  shape: Table,
  batches: readonly (readonly Step[])[],
): SourceTransaction[] {
  let state = new Map<number, Columns>();
  return batches.map((steps, index) => {
    const before = state;
    const mutations: Mutation[] = [];
    state = new Map(before);
    for (const each of steps) {
      const tried = new Map(state);
      const written = change(shape, tried, each);
      if (isPossible(shape, tried)) {
        state = tried;
        mutations.push(
          ...written.map(({ n, after }) => {
            const key = keyOf(shape.keyKind, n);
            return row(index + 1, Object.values(key), after);
          }),
        );
      }
    }
    return {
      mutations,
      replaces: steps.some(({ kind }) => kind === 'again'),
      after: state,
    };
  });
}

interface Write {
  readonly n: number;
  readonly after: Columns | null;
}

/** Changes the state and says what the feed would carry. */
function change(
  shape: Table,
  state: Map<number, Columns>,
  each: Step,
): Write[] {
  const { n } = each;
  const old = state.get(n);
  const key = keyOf(shape.keyKind, n);
  const whole = {
    ...key,
    note: each.note,
    amount: each.amount,
    ...(shape.unique !== 'none' && {
      code: each.code === rowCount ? 'null' : String(each.code),
    }),
    ...(shape.parent !== 'none' && {
      up:
        shape.parent === 'not null'
          ? numberedKey(Math.min(each.up, n))
          : each.up === n
            ? 'null'
            : numberedKey(each.up),
    }),
  };
  switch (each.kind) {
    case 'put':
      state.set(n, whole);
      return [{ n, after: whole }];
    case 'sparse': {
      if (!old) {
        return [];
      }
      const after = { ...key, amount: each.amount };
      state.set(n, { ...old, ...after });
      return [{ n, after }];
    }
    case 'delete':
      state.delete(n);
      return old ? [{ n, after: null }] : [];
    case 'again': {
      if (!old) {
        return [];
      }
      const { note: _, ...sparse } = whole;
      state.set(n, { ...whole, note: noteDefault });
      return [
        { n, after: null },
        { n, after: sparse },
      ];
    }
    case 'hand over': {
      const other = state.get(each.with);
      if (!old || !other || shape.unique === 'none' || each.with === n) {
        return [];
      }
      const mine = { ...old, code: other['code']! };
      const theirs = { ...other, code: old['code']! };
      state.set(n, mine);
      state.set(each.with, theirs);
      return [
        { n, after: mine },
        { n: each.with, after: theirs },
      ];
    }
  }
  return each.kind satisfies never;
}

function isPossible(shape: Table, state: State): boolean {
  const codes = [...state.values()]
    .map(({ code }) => code)
    .filter((code) => code !== undefined && code !== 'null');
  const keys = new Set([...state.values()].map(({ id }) => id));
  return (
    new Set(codes).size === codes.length &&
    [...state.values()].every(
      ({ code, up }) =>
        (shape.unique !== 'not null' || code !== 'null') &&
        (up === undefined || up === 'null' || keys.has(up)),
    )
  );
}

async function createTable(
  fixture: MysqlFixture,
  { keyKind, unique, parent }: Table,
): Promise<void> {
  const exact =
    fixture.database.product === 'mysql'
      ? 'utf8mb4_0900_bin'
      : 'utf8mb4_nopad_bin';
  const text = `varchar(40) character set utf8mb4 collate ${exact}`;
  const columns = [
    `id ${keyKind === 'text' ? text : 'bigint'} not null`,
    ...(keyKind === 'both' ? [`name ${text} not null`] : []),
    `note ${text} default 'unset'`,
    'amount decimal(40,5)',
    ...(unique === 'none'
      ? []
      : [`code int ${unique === 'nullable' ? 'null' : unique} unique`]),
    ...(parent === 'none'
      ? []
      : [
          `up bigint ${parent === 'nullable' ? 'null' : parent}`,
          'foreign key (up) references item (id)',
        ]),
    `primary key (id${keyKind === 'both' ? ', name' : ''})`,
  ];
  await fixture.database.sql(
    `drop table if exists item; create table item (${columns.join(', ')})`,
  );
}

/** As the source's, whose tokens say how they read. */
function printed(shape: Table, state: State): string[] {
  return [...state.values()]
    .map((columns) =>
      JSON.stringify(
        columnNames(shape).map((name) => {
          const token = columns[name]!;
          return token === 'null'
            ? null
            : token.startsWith('"')
              ? (JSON.parse(token) as string)
              : name === 'amount'
                ? fixed(token)
                : token;
        }),
      ),
    )
    .toSorted();
}

function fixed(digits: string): string {
  const [whole, fraction = ''] = digits.split('.');
  return `${whole}.${fraction.padEnd(5, '0')}`;
}

function columnNames({ keyKind, unique, parent }: Table): string[] {
  return [
    ...Object.keys(keyOf(keyKind, 0)),
    'note',
    'amount',
    ...(unique === 'none' ? [] : ['code']),
    ...(parent === 'none' ? [] : ['up']),
  ];
}

async function stored(fixture: MysqlFixture, shape: Table): Promise<string[]> {
  const rows = await fixture.rows(
    `select ${columnNames(shape).join(', ')} from item`,
  );
  return rows.map((values) => JSON.stringify(values)).toSorted();
}

const orders = ['upserts-first', 'deletes-first'] as const;

/** Many source transactions at once, else one by one, in either order: as the sequencer does. */
async function applyAll(
  fixture: MysqlFixture,
  group: readonly SourceTransaction[],
  onApplied: (through: SourceTransaction) => void,
): Promise<'applied' | 'refused'> {
  for (const order of orders) {
    const mutations = group.flatMap((each) => each.mutations);
    if (await isApplied(fixture, mutations, order)) {
      onApplied(group.at(-1)!);
      return 'applied';
    }
  }
  if (group.length === 1) {
    return 'refused';
  }
  for (const each of group) {
    if ((await applyAll(fixture, [each], onApplied)) === 'refused') {
      return 'refused';
    }
  }
  return 'applied';
}

async function isApplied(
  fixture: MysqlFixture,
  mutations: readonly Mutation[],
  order: (typeof orders)[number],
): Promise<boolean> {
  try {
    await applyTo(fixture, { item: mutations }, { order });
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== 'E4004' && code !== 'E4013') {
      throw error;
    }
    return false;
  }
}

/**
 * The server looks at each row by itself: there are transactions of which no
 * order of statements is right in between. They are refused, not bent.
 */
function mayBeRefused(
  { unique, parent }: Table,
  group: readonly SourceTransaction[],
): boolean {
  return (
    (unique !== 'none' && parent !== 'none') ||
    (unique === 'not null' && group.some(({ replaces }) => replaces))
  );
}

const ways = MYSQL_PRODUCTS.flatMap((product) => [
  { product, way: 'LOAD DATA', fewRows: 0 },
  { product, way: 'parameters', fewRows: Infinity },
]);

describe.each(ways)('$product through $way', ({ product, fewRows }) => {
  test('random batches leave in random tables what a plain list of rows holds', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fc.assert(
      fc.asyncProperty(
        table,
        history,
        fc.integer({ min: 1, max: 3 }),
        untilLate(7_000, async (shape, batches, groupSize) => {
          await createTable(fixture, shape);
          const played = play(shape, batches);
          let applied: State = new Map();
          for (let at = 0; at < played.length; at += groupSize) {
            const group = played.slice(at, at + groupSize);
            const outcome = await applyAll(fixture, group, ({ after }) => {
              applied = after;
            });
            expect(await stored(fixture, shape)).toEqual(
              printed(shape, applied),
            );
            if (outcome === 'refused') {
              expect(mayBeRefused(shape, group)).toBe(true);
              return;
            }
          }
        }),
      ),
      { numRuns: 400 },
    );
  });
});
