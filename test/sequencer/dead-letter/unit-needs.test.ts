import { expect, test } from 'vitest';

import type { JsonText, Mutation } from '../../../src/mutation/mutation.ts';
import type { Timestamp } from '../../../src/mutation/timestamp.ts';
import { rowUnits } from '../../../src/sequencer/dead-letter/row-units.ts';
import { unitNeeds } from '../../../src/sequencer/dead-letter/unit-needs.ts';
import type {
  ColumnShape,
  ForeignKey,
  TableShape,
} from '../../../src/target/target.ts';
import { tableShapeIn } from '../../target/table-shape.ts';

const time = '1700000000000000001.0000000000' as Timestamp;
const newTable = tableShapeIn('public');

function column(name: string, keyOrdinal: number | null = null): ColumnShape {
  return {
    name,
    type: 'text',
    codec: { kind: 'text' },
    keyOrdinal,
    nullable: keyOrdinal === null,
    hasDefault: false,
    generated: false,
    identity: null,
  };
}

function link(
  parentTable: string,
  columns: readonly string[],
  parentColumns: readonly string[],
): ForeignKey {
  return {
    name: columns.join('_'),
    columns,
    parentSchema: 'public' as ForeignKey['parentSchema'],
    parentTable,
    parentColumns,
    deferrable: false,
  };
}

function row(
  key: unknown,
  after: object | null,
  before: object | null = null,
): Mutation {
  const text = (value: unknown): JsonText => JSON.stringify(value) as JsonText;
  return {
    time,
    key: text(key),
    after: after && text(after),
    before: before && text(before),
  };
}

/** `child <- what it needs`, by key. */
function needsAmong(
  tables: readonly { table: TableShape; mutations: readonly Mutation[] }[],
): Record<string, string[]> {
  const units = rowUnits(tables);
  const needsOf = unitNeeds(units);
  const nameOf = (unit: (typeof units)[number]): string =>
    `${unit.table.name}${unit.mutations[0]!.key}`;
  return Object.fromEntries(
    units
      .map((unit) => [nameOf(unit), [...needsOf(unit)].map(nameOf)] as const)
      .filter(([, needs]) => needs.length > 0),
  );
}

const nodes = newTable('n', [column('id', 0), column('up'), column('next')], {
  uniqueKeys: [['next']],
  foreignKeys: [link('n', ['up'], ['id']), link('n', ['next'], ['id'])],
});

test('a row needs the rows of its own table that it refers to, and not those that are not there', () => {
  expect(
    needsAmong([
      {
        table: nodes,
        mutations: [
          row([1], { id: 1, up: null, next: 2 }),
          row([2], { id: 2, up: 1, next: null }),
          row([3], { id: 3, up: 9, next: 3 }),
          row([4], { id: 4, up: 1.0 }),
        ],
      },
    ]),
  ).toEqual({ 'n[1]': ['n[2]'], 'n[2]': ['n[1]'], 'n[4]': ['n[1]'] });
});

test('a row needs parents of other tables, by composite keys in another order and by unique values', () => {
  const parent = newTable('p', [column('a', 0), column('b', 1), column('u')], {
    uniqueKeys: [['u']],
  });
  const child = newTable(
    'c',
    [column('id', 0), column('x'), column('y'), column('z')],
    {
      foreignKeys: [link('p', ['x', 'y'], ['b', 'a']), link('p', ['z'], ['u'])],
    },
  );
  expect(
    needsAmong([
      {
        table: child,
        mutations: [
          row([1], { id: 1, x: 'B', y: 'A', z: null }),
          row([2], { id: 2, x: null, y: 'A', z: 'U' }),
        ],
      },
      {
        table: parent,
        mutations: [row(['A', 'B'], { u: 1 }), row(['C', 'D'], { u: 'U' })],
      },
    ]),
  ).toEqual({ 'c[1]': ['p["A","B"]'], 'c[2]': ['p["C","D"]'] });
});

test('a row that is deleted needs those that referred to it, where the feed says so', () => {
  expect(
    needsAmong([
      {
        table: nodes,
        mutations: [
          row([1], null),
          row([2], null, { id: 2, up: 1, next: null }),
          row(
            [3],
            { id: 3, up: null, next: null },
            { id: 3, up: 2, next: null },
          ),
          row([4], null),
        ],
      },
    ]),
  ).toEqual({ 'n[1]': ['n[2]'], 'n[2]': ['n[3]'] });
});
