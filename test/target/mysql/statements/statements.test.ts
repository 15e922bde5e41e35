import { describe, expect, test } from 'vitest';
import type { JsonText } from '../../../../src/mutation/mutation.ts';
import type { SchemaName } from '../../../../src/mutation/schema-name.ts';
import type { Timestamp } from '../../../../src/mutation/timestamp.ts';
import { emptyStatement } from '../../../../src/target/mysql/statements/empty-tables.ts';
import {
  countStatement,
  deleteKindsStatement,
  hashStatement,
  kindTableOf,
} from '../../../../src/target/mysql/statements/joined-equal-rows.ts';
import { equalRows } from '../../../../src/target/mysql/statements/equal-rows.ts';
import {
  deleteLeavesStatement,
  deleteStatement,
  deleteUnreferredStatement,
  keyCondition,
  setNullStatement,
} from '../../../../src/target/mysql/statements/key-statements.ts';
import {
  collectMovedStatement,
  lockRowsStatement,
  movedTable,
  moveRows,
  moveStatement,
  rewriteMovedStatements,
} from '../../../../src/target/mysql/statements/move-keys.ts';
import {
  jsonSource,
  temporarySource,
} from '../../../../src/target/mysql/values/row-source.ts';
import {
  collectRewrittenStatement,
  duplicateKeyUpsert,
  foldedKeyStatement,
  freeValuesStatement,
  insertMissingStatement,
  insertReadyStatement,
  insertStatement,
  repeatedKeyStatement,
  rewriteStatements,
  updateStatement,
  vacatedColumns,
} from '../../../../src/target/mysql/statements/statements.ts';
import {
  createMemoryStatement,
  createTemporaryStatement,
  loadStatement,
} from '../../../../src/target/mysql/statements/temporary-tables.ts';
import {
  claimCheckpointStatement,
  createCheckpointStatement,
  fenceStatement,
  lockCheckpointStatement,
  moveCheckpointStatement,
  readCheckpointStatement,
} from '../../../../src/target/mysql/statements/watermark-statements.ts';
import type { TableShape } from '../../../../src/target/target.ts';
import { refusingPolicies } from '../../../../src/target/value-policy.ts';
import { codecs, column, tableShape } from '../shapes.ts';
import { textValues } from '../../../../src/target/row-values.ts';

const item = tableShape('item', [
  column('id', codecs.bigint, { keyOrdinal: 0, nullable: false }),
  column('name', codecs.varchar),
  column('total', codecs.decimal),
]);

const orders = tableShape(
  'orders',
  [
    column('customer', { ...codecs.varchar, folds: true }, { keyOrdinal: 1 }),
    column('id', codecs.bigint, { keyOrdinal: 0 }),
    column('total', codecs.decimal, { hasDefault: true }),
    column('code', codecs.varchar),
    column('twice', codecs.decimal, { generated: true }),
  ],
  { uniqueKeys: [['code']] },
);

const movedOrders = moveRows({
  table: orders,
  from: [['1'], ['"a"']] as JsonText[][],
  to: [['2'], ['"b"']] as JsonText[][],
  rowCount: 1,
});

const everything = tableShape('Every `Thing`', [
  column('id', codecs.uuid, { keyOrdinal: 0 }),
  column('flags', codecs.bit),
  column('at', codecs.datetime),
  column('place', codecs.point),
]);

const node = tableShape(
  'node',
  [
    column('id', codecs.bigint, { keyOrdinal: 0, nullable: false }),
    column('up', { ...codecs.bigint, reference: 'self' }, { nullable: false }),
  ],
  {
    foreignKeys: [
      {
        name: 'up',
        columns: ['up'],
        parentSchema: 'shop' as SchemaName,
        parentTable: 'node',
        parentColumns: ['id'],
        deferrable: false,
      },
    ],
  },
);

const keyless = tableShape('keyless', [
  column('n', codecs.bigint),
  column('name', codecs.varchar),
  column('amount', codecs.decimal),
  column('flags', codecs.bit),
  column('place', codecs.point),
]);

const kinds = kindTableOf(keyless, keyless.columns);

const written = (table: TableShape) =>
  table.columns.filter(({ generated }) => !generated);
const sparse = (table: TableShape, ...names: string[]) =>
  table.columns.filter(({ name }) => names.includes(name));
const temporary = (table: TableShape) =>
  temporarySource(table, '`shop`.`replicator_rows_1`');
const parameter = (table: TableShape, columns = written(table)) =>
  jsonSource(table, columns);
const shop = 'shop' as SchemaName;

const statements: Readonly<Record<string, string | null>> = {
  upsert: duplicateKeyUpsert(item, written(item), temporary(item)),
  'upsert-parameter': duplicateKeyUpsert(item, written(item), parameter(item)),
  'upsert-key-only': duplicateKeyUpsert(
    item,
    sparse(item, 'id'),
    temporary(item),
  ),
  'upsert-table-named-v': duplicateKeyUpsert(
    tableShape('V', item.columns),
    written(item),
    temporary(tableShape('V', item.columns)),
  ),
  'upsert-types': duplicateKeyUpsert(
    everything,
    everything.columns,
    temporary(everything),
  ),
  'upsert-types-parameter': duplicateKeyUpsert(
    everything,
    everything.columns,
    parameter(everything),
  ),
  update: updateStatement(orders, written(orders), temporary(orders)),
  'update-parameter': updateStatement(
    orders,
    written(orders),
    parameter(orders),
  ),
  'update-defaults': updateStatement(
    orders,
    sparse(orders, 'customer', 'id', 'code'),
    temporary(orders),
    sparse(orders, 'total'),
  ),
  'insert-missing': insertMissingStatement(
    orders,
    written(orders),
    temporary(orders),
  ),
  'insert-ready': insertReadyStatement(node, node.columns, temporary(node)),
  'delete-unreferred': deleteUnreferredStatement(
    orders,
    [item, orders].map((child) => ({
      child,
      key: {
        name: 'of',
        columns: ['total', 'name'],
        parentSchema: orders.schema,
        parentTable: orders.name,
        parentColumns: ['id', 'customer'],
        deferrable: false,
      },
    })),
    '`id` in (1)',
  ),
  'free-values': freeValuesStatement(
    {
      ...orders,
      uniqueKeys: [
        ['code', 'total'],
        ['customer', 'code'],
      ],
    },
    sparse(orders, 'code'),
    temporary(orders),
  ),
  'folded-key': foldedKeyStatement(orders, temporary(orders)),
  'repeated-key': repeatedKeyStatement(orders, parameter(orders)),
  'rewrite-collect': collectRewrittenStatement(
    orders,
    sparse(orders, 'customer', 'id', 'code'),
    {
      watched: sparse(orders, 'code'),
      source: temporary(orders),
      into: '`shop`.`replicator_again_1`',
    },
  ),
  rewrite: rewriteStatements(orders, '`shop`.`replicator_again_1`').join(';\n'),
  load: loadStatement('`shop`.`replicator_rows_1`', everything.columns),
  'temporary-table': createTemporaryStatement(
    '`shop`.`replicator_rows_1`',
    everything,
    everything.columns,
  ),
  'temporary-table-memory': createMemoryStatement(
    '`shop`.`replicator_memory_1`',
    orders,
    written(orders),
    { lengths: [20, null, null, 20], isKeyed: true },
  ),
  delete: deleteStatement(item, keyCondition(item, [['1', '-2']])),
  'delete-composite-key': deleteStatement(
    orders,
    keyCondition(orders, [
      ['1', '2'],
      [`it's`, 'back\\slash'],
    ]),
  ),
  'delete-bytes': deleteStatement(
    everything,
    keyCondition(everything, [['00ff00ff00ff00ff00ff00ff00ff00ff']]),
  ),
  'delete-leaves': deleteLeavesStatement(
    node,
    keyCondition(node, [['1']]),
    false,
  ),
  'delete-own-parents': deleteLeavesStatement(
    node,
    keyCondition(node, [['1']]),
    true,
  ),
  'pass-keys-lock': lockRowsStatement(movedOrders, { isMariadb: false }),
  'pass-keys-collect': collectMovedStatement(
    movedOrders,
    movedTable(orders),
    '`shop`.`replicator_moved_1`',
  ),
  'pass-keys': rewriteMovedStatements(
    movedTable(orders),
    '`shop`.`replicator_moved_1`',
    { comeBack: true },
  ).join(';\n'),
  'pass-keys-one-way': rewriteMovedStatements(
    movedTable(node),
    '`shop`.`replicator_moved_1`',
    { comeBack: false },
  ).join(';\n'),
  'move-keys': moveStatement(movedOrders),
  insert: insertStatement(item, written(item), temporary(item)),
  'insert-parameter': insertStatement(item, written(item), parameter(item)),
  'temporary-table-keyless': createTemporaryStatement(
    '`shop`.`replicator_rows_1`',
    keyless,
    keyless.columns,
  ),
  'delete-equal': equalRows(
    {
      table: keyless,
      columns: keyless.columns,
      values: textValues(
        [
          ['1', '1', 'null'],
          [`"it's"`, `"it's"`, '"b"'],
          ['1.50', '1.50', 'null'],
          ['"1010"', '"1010"', 'null'],
          ['"POINT(1 2)"', '"POINT(1 2)"', 'null'],
        ] as JsonText[][],
        3,
      ),
      rowCount: 3,
    },
    refusingPolicies,
  )
    .map(({ statement }) => statement)
    .join(';\n'),
  'delete-equal-hash': hashStatement('`shop`.`replicator_equal_1`', kinds),
  'delete-equal-count': countStatement('`shop`.`replicator_equal_1`', kinds),
  'delete-equal-joined': deleteKindsStatement(
    '`shop`.`replicator_equal_1`',
    kinds,
  ),
  empty: emptyStatement(item),
  vacate: setNullStatement(
    orders,
    vacatedColumns(orders)!,
    keyCondition(orders, [['1'], ['x']]),
  ),
  'checkpoint-create': createCheckpointStatement(shop),
  'checkpoint-lock': lockCheckpointStatement(shop, 'here', '0.0'),
  'checkpoint-claim': claimCheckpointStatement(shop, 'here', 7),
  'checkpoint-fence': fenceStatement({ schema: shop, epoch: 7 }),
  'checkpoint-move': moveCheckpointStatement({
    schema: '"Odd `Name`"' as SchemaName,
    checkpoint: { applied: '2.0' as Timestamp, epoch: 7 },
    previous: '1.0' as Timestamp,
  }),
  'checkpoint-read': readCheckpointStatement(shop),
};

describe('the SQL of MySQL and MariaDB', () => {
  test.each(Object.entries(statements))(
    '%s reads as reviewed',
    async (name, text) => {
      await expect(`${text}\n`).toMatchFileSnapshot(
        `../../../testdata/statements/mysql/${name}.sql`,
      );
    },
  );

  test('a key that cannot be null has nothing to be vacated', () => {
    expect(vacatedColumns(item)).toBeNull();
    const fixed = tableShape(
      'fixed',
      [
        column('id', codecs.bigint, { keyOrdinal: 0 }),
        column('code', codecs.varchar, { nullable: false }),
      ],
      { uniqueKeys: [['code']] },
    );
    expect(vacatedColumns(fixed)).toBeNull();
  });
});
