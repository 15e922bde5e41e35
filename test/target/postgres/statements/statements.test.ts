import { describe, expect, test } from 'vitest';
import type { SchemaName } from '../../../../src/mutation/schema-name.ts';
import {
  deleteEqualStatement,
  insertStatement,
} from '../../../../src/target/postgres/statements/keyless-statements.ts';
import {
  deleteStatement,
  deleteUnreferredStatement,
  freeValuesStatement,
  refuseRewriteStatement,
  rewriteStatement,
  updateStatement,
  upsertStatement,
  vacateStatement,
} from '../../../../src/target/postgres/statements/statements.ts';
import {
  movePlan,
  truncateStatement,
} from '../../../../src/target/postgres/statements/table-statements.ts';
import { upsertPlan } from '../../../../src/target/postgres/statements/upsert-plan.ts';
import {
  claimCheckpointStatement,
  createCheckpointStatement,
  fenceStatement,
  moveCheckpointStatement,
  readCheckpointStatement,
} from '../../../../src/target/postgres/statements/watermark-statements.ts';
import type { TableShape } from '../../../../src/target/target.ts';
import { column, tableShape } from '../shapes.ts';
import { textValues } from '../../../../src/target/row-values.ts';

const orders = tableShape(
  'orders',
  [
    column('customer', 'pg_catalog.text', { keyOrdinal: 1, nullable: false }),
    column('id', 'pg_catalog.int8', { keyOrdinal: 0, nullable: false }),
    column('total', 'pg_catalog.numeric', { hasDefault: true }),
    column('code', 'pg_catalog.bpchar'),
    column('twice', 'pg_catalog.numeric', { generated: true }),
  ],
  { uniqueKeys: [['code']] },
);

const everything = tableShape('Every "Thing"', [
  column('id', '"ext"."citext"', {
    keyOrdinal: 0,
    keyOperator: 'operator(ext.=)',
  }),
  column('tags', 'pg_catalog._text', {
    codec: { kind: 'array', element: { kind: 'scalar' } },
  }),
  column('pair', '"public"."pair"', {
    codec: { kind: 'composite', fields: [] },
  }),
  column('corner', 'pg_catalog.box', {
    codec: { kind: 'scalar', viaText: true },
  }),
  column('place', '"gis"."geometry"', {
    codec: { kind: 'geometry', srid: 3857 },
  }),
  column('where', '"gis"."geography"', {
    codec: { kind: 'geometry', srid: null },
  }),
]);

const serial = tableShape('serial', [
  column('id', 'pg_catalog.int8', { keyOrdinal: 0 }),
  column('number', 'pg_catalog.int8', { identity: 'always' }),
  column('a', 'pg_catalog.text'),
  column('b', 'pg_catalog.text'),
]);

const identityKey = tableShape('t', [
  column('id', 'pg_catalog.int8', { keyOrdinal: 0, identity: 'always' }),
  column('a', 'pg_catalog.text'),
]);

const written = (table: TableShape) =>
  table.columns.filter(({ generated }) => !generated);
const sparse = (table: TableShape, ...names: string[]) =>
  table.columns.filter(({ name }) => names.includes(name));

const statements: Readonly<Record<string, string | null>> = {
  upsert: upsertStatement(orders, written(orders)),
  'upsert-sparse': upsertStatement(
    orders,
    sparse(orders, 'customer', 'id', 'total'),
  ),
  'upsert-replace': upsertStatement(
    orders,
    sparse(orders, 'customer', 'id', 'total'),
    {
      replace: true,
    },
  ),
  'upsert-in-key-order': upsertStatement(
    orders,
    sparse(orders, 'customer', 'id', 'total'),
    { replace: false, inKeyOrder: true },
  ),
  'upsert-key-only': upsertStatement(orders, sparse(orders, 'customer', 'id')),
  'upsert-identity-key': upsertStatement(identityKey, identityKey.columns),
  'upsert-types': upsertStatement(everything, everything.columns),
  'upsert-deferrable-key': upsertStatement(
    { ...orders, keyDeferrable: true },
    sparse(orders, 'customer', 'id', 'total'),
    { replace: true },
  ),
  'upsert-deferrable-key-only': upsertStatement(
    { ...orders, keyDeferrable: true },
    sparse(orders, 'customer', 'id'),
  ),
  'upsert-identity-column': upsertStatement(
    serial,
    sparse(serial, 'id', 'number', 'a'),
  ),
  'rewrite-identity-column': rewriteStatement(
    serial,
    sparse(serial, 'id', 'number', 'a'),
    sparse(serial, 'number'),
  ),
  'refuse-rewrite': refuseRewriteStatement(
    serial,
    sparse(serial, 'id', 'number', 'a'),
    sparse(serial, 'number'),
  ),
  'free-values': freeValuesStatement(
    {
      ...orders,
      uniqueKeys: [['code', 'total'], ['customer', 'code'], ['total']],
      foreignKeys: [
        {
          name: 'previous',
          columns: ['id', 'code'],
          parentSchema: orders.schema,
          parentTable: orders.name,
          parentColumns: ['id', 'customer'],
          deferrable: false,
        },
      ],
    },
    sparse(orders, 'customer', 'id', 'code'),
    sparse(orders, 'code'),
  ),
  delete: deleteStatement(serial),
  'delete-composite-key': deleteStatement(orders),
  'delete-unreferred': deleteUnreferredStatement(
    orders,
    [serial, orders].map((child) => ({
      child,
      key: {
        name: 'of',
        columns: ['a', 'number'],
        parentSchema: orders.schema,
        parentTable: orders.name,
        parentColumns: ['id', 'customer'],
        deferrable: false,
      },
    })),
  ),
  'delete-inherited': deleteStatement({ ...everything, hasInheritors: true }),
  vacate: vacateStatement(orders),
  'update-found': updateStatement(
    orders,
    orders.columns.filter(
      ({ keyOrdinal, name }) => keyOrdinal !== null || name === 'code',
    ),
  ),
  'move-keys': movePlan(orders, { passesKeys: false })[0]!.text,
  'pass-keys': movePlan(orders, { passesKeys: true })[0]!.text,
  'move-identity-keys': movePlan(identityKey, { passesKeys: false })[0]!.text,
  'refuse-move': movePlan(
    { ...identityKey, deleteHasEffects: true },
    { passesKeys: false },
  )[0]!.text,
  insert: insertStatement(identityKey, identityKey.columns),
  'insert-types': insertStatement(everything, everything.columns),
  'delete-equal': deleteEqualStatement(orders, written(orders)),
  'delete-equal-types': deleteEqualStatement(
    { ...everything, hasInheritors: true },
    everything.columns,
  ),
  truncate: truncateStatement(
    [orders, { ...serial, hasInheritors: true }],
    true,
  ),
  'truncate-odd-name': truncateStatement(
    [tableShape('a $body$ "b"', [])],
    false,
  ),
  'checkpoint-create': createCheckpointStatement('shop.public' as SchemaName),
  'checkpoint-claim': claimCheckpointStatement('shop.public' as SchemaName),
  'checkpoint-move': moveCheckpointStatement(
    'shop."Odd ""Schema"""' as SchemaName,
  ),
  'checkpoint-fence': fenceStatement('shop.public' as SchemaName),
  'checkpoint-read': readCheckpointStatement('shop.public' as SchemaName),
};

describe('the SQL of PostgreSQL', () => {
  test.each(Object.entries(statements))(
    '%s reads as reviewed',
    async (name, text) => {
      await expect(`${text}\n`).toMatchFileSnapshot(
        `../../../testdata/statements/postgres/${name}.sql`,
      );
    },
  );

  test('an upsert takes one statement, and two where a column can only be rewritten', () => {
    const first = (table: TableShape, ...names: string[]): string[] =>
      upsertPlan({
        table,
        columns: sparse(table, ...names),
        values: textValues([], 0),
        rowCount: 0,
        passUniqueValues: true,
      }).map(({ text }) => text.split(' ', 1)[0]!);
    expect(first(serial, 'id', 'a')).toEqual(['insert']);
    expect(first(serial, 'id', 'number')).toEqual(['with', 'insert']);
    expect(first(orders, 'customer', 'id', 'code')).toEqual(['insert']);
  });

  test('unique values that may not be null cannot be vacated', () => {
    const strict = tableShape(
      'strict',
      [
        column('id', 'pg_catalog.int8', { keyOrdinal: 0 }),
        column('code', 'pg_catalog.text', { nullable: false }),
      ],
      { uniqueKeys: [['code']] },
    );
    expect(vacateStatement(strict)).toBeNull();
    expect(vacateStatement(everything)).toBeNull();
  });
});
