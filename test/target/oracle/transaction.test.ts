/**
 * Our transaction, statement by statement, on a database that looks at
 * constraints when Oracle does: at the end of each statement.
 */
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  test,
} from 'vitest';
import type { Mutation } from '../../../src/mutation/mutation.ts';
import type { SchemaName } from '../../../src/mutation/schema-name.ts';
import { zeroTimestamp } from '../../../src/mutation/timestamp.ts';
import { createApplier } from '../../../src/target/applier.ts';
import { OracleTransaction } from '../../../src/target/oracle/transaction.ts';
import type { ApplyOrder, TableShape } from '../../../src/target/target.ts';
import { refusingPolicies } from '../../../src/target/value-policy.ts';
import { at, failureOf, row } from '../../contract/target-fixture.ts';
import {
  hsqldbMissing,
  startHsqldb,
  type Hsqldb,
} from '../../support/oracle-hsqldb.ts';
import { hsqldbSession } from '../../support/oracle-hsqldb-session.ts';
import { column, number, tableShape, text } from './shapes.ts';
import { textValues } from '../../../src/target/row-values.ts';

const missing = hsqldbMissing();
const schema = '"SHOP"' as SchemaName;
const reference = (
  name: string,
  parentTable: string,
): TableShape['foreignKeys'][number] => ({
  name: `${name}_${parentTable}`,
  columns: [name],
  parentSchema: schema,
  parentTable,
  parentColumns: ['ID'],
  deferrable: false,
});
const id = column('ID', number, { keyOrdinal: 0 });
const top = tableShape('TOP', [id, column('CODE', text(20))], {
  uniqueKeys: [['CODE']],
});
const tree = tableShape(
  'TREE',
  [id, column('TOP', number), column('PARENT', number)],
  { foreignKeys: [reference('TOP', 'TOP'), reference('PARENT', 'TREE')] },
);
const chain = tableShape(
  'CHAIN',
  [id, column('NEXT', number, { nullable: false })],
  { foreignKeys: [reference('NEXT', 'CHAIN')] },
);

const account = tableShape(
  'ACCOUNT',
  [id, column('EMAIL', text(40), { nullable: false }), column('HEAD', number)],
  { uniqueKeys: [['EMAIL']], foreignKeys: [reference('HEAD', 'ITEM')] },
);
const item = tableShape(
  'ITEM',
  [id, column('ACCOUNT', number, { nullable: false })],
  { foreignKeys: [reference('ACCOUNT', 'ACCOUNT')] },
);

describe.skipIf(missing !== null)('a transaction of Oracle in HSQLDB', () => {
  let database: Hsqldb;
  let returnedCount = 0;

  const begin = (policies = refusingPolicies): OracleTransaction =>
    new OracleTransaction(
      {
        connection: hsqldbSession(database),
        isDue: () => false,
        async [Symbol.asyncDispose]() {
          returnedCount += 1;
        },
      },
      {
        isBlocked: async () => null,
        bindOptions: { policies, emptyString: 'error' },
        signal: undefined,
      },
    );
  const apply = async (
    changes: readonly (readonly [TableShape, readonly Mutation[]])[],
    order?: ApplyOrder,
  ): Promise<void> => {
    await using transaction = begin();
    await createApplier({ collapse: true }).apply(
      changes.map(([table, mutations]) => ({ table, mutations })),
      transaction,
      new AbortController().signal,
      order,
    );
    await transaction.commit(null);
  };
  const rows = (query: string) => database.run(query);

  beforeAll(async () => {
    database = startHsqldb();
    for (const statement of [
      'create schema "SHOP"',
      `create table "SHOP"."TOP" ("ID" number(19) primary key, "CODE" varchar2(20) unique)`,
      `create table "SHOP"."TREE" ("ID" number(19) primary key, "TOP" number(19) references "SHOP"."TOP" ("ID"), "PARENT" number(19) references "SHOP"."TREE" ("ID"))`,
      `create table "SHOP"."CHAIN" ("ID" number(19) primary key, "NEXT" number(19) not null references "SHOP"."CHAIN" ("ID"))`,
      `create table "SHOP"."ACCOUNT" ("ID" number(19) primary key, "EMAIL" varchar2(40) not null unique, "HEAD" number(19))`,
      `create table "SHOP"."ITEM" ("ID" number(19) primary key, "ACCOUNT" number(19) not null references "SHOP"."ACCOUNT" ("ID"))`,
      `alter table "SHOP"."ACCOUNT" add foreign key ("HEAD") references "SHOP"."ITEM" ("ID")`,
      `create table "SHOP".REPLICATOR_CHECKPOINT (schema_name varchar2(128) primary key, applied varchar2(64) not null, epoch number(19) not null, staging_id varchar2(255) not null, updated_at timestamp (6) with time zone default systimestamp not null)`,
    ]) {
      await database.run(statement);
    }
  }, 120_000);

  beforeEach(async () => {
    returnedCount = 0;
    for (const table of [
      '"CHAIN"',
      '"TREE"',
      '"TOP"',
      'REPLICATOR_CHECKPOINT',
    ]) {
      await database.run(`delete from "SHOP".${table}`);
    }
    await database.run('commit');
  });

  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  test('writes and deletes rows that refer to one another in a circle', async () => {
    const circle = [
      row(1, [1], { ID: '1', TOP: '7', PARENT: '2' }),
      row(1, [2], { ID: '2', TOP: '7', PARENT: '1' }),
      row(1, [3], { ID: '3', PARENT: '3' }),
    ];
    await apply([
      [tree, circle],
      [top, [row(1, [7], { ID: '7' })]],
    ]);
    expect(await rows('select * from "SHOP"."TREE" order by "ID"')).toEqual([
      ['1', '7', '2'],
      ['2', '7', '1'],
      ['3', null, '3'],
    ]);
    await apply([
      [top, [row(2, [7], null)]],
      [tree, [1, 2, 3].map((key) => row(2, [key], null))],
    ]);
    expect(await rows('select * from "SHOP"."TREE"')).toEqual([]);
    expect(await rows('select * from "SHOP"."TOP"')).toEqual([]);
  });

  test('finds an order for rows whose reference may not be null', async () => {
    const links = [0, 1, 2, 3, 4].map((key) =>
      row(1, [key], { ID: String(key), NEXT: String(Math.min(key + 1, 4)) }),
    );
    await apply([[chain, links]]);
    expect(await rows('select * from "SHOP"."CHAIN" order by "ID"')).toEqual([
      ['0', '1'],
      ['1', '2'],
      ['2', '3'],
      ['3', '4'],
      ['4', '4'],
    ]);
    await apply([[chain, [4, 3, 2, 1, 0].map((key) => row(2, [key], null))]]);
    expect(await rows('select * from "SHOP"."CHAIN"')).toEqual([]);
  });

  test('a reference that finds nothing is a failure to defer, and writes nothing', async () => {
    for (const changes of [
      [
        [
          chain,
          [
            row(1, [1], { ID: '1', NEXT: '1' }),
            row(1, [2], { ID: '2', NEXT: '99' }),
          ],
        ],
      ],
      [
        [
          tree,
          [
            row(1, [1], { ID: '1', PARENT: '1' }),
            row(1, [2], { ID: '2', PARENT: '99' }),
          ],
        ],
      ],
    ] as const) {
      const failure = await failureOf(apply(changes));
      expect([failure.code, failure.disposition]).toEqual(['E4004', 'defer']);
    }
    expect(await rows('select * from "SHOP"."CHAIN"')).toEqual([]);
    expect(await rows('select * from "SHOP"."TREE"')).toEqual([]);
    expect(returnedCount).toBe(2);
  });

  test('tells once of a value that it replaces, however often the row is written', async () => {
    const replaced: string[] = [];
    await using transaction = begin({
      policyOf: () => 'clamp',
      onReplaced: ({ key, reason }) => replaced.push(`${key} ${reason}`),
    });
    const named = tableShape(
      'TREE',
      [
        ...tree.columns.slice(0, 1),
        column('TOP', { kind: 'decimal', precision: 9, scale: 0 }),
        ...tree.columns.slice(2),
      ],
      { foreignKeys: [reference('PARENT', 'TREE')] },
    );
    await transaction.upsert({
      table: { ...top, primaryKey: [id] },
      columns: [id],
      values: textValues([['7']] as never, 1),
      rowCount: 1,
    });
    await transaction.upsert({
      table: named,
      columns: named.columns,
      values: textValues(
        [
          ['1', '2'],
          ['7.4', 'null'],
          ['2', '1'],
        ] as never,
        2,
      ),
      rowCount: 2,
    });
    await transaction.commit(null);
    expect(replaced).toEqual(['[1] has digits beyond the scale of 0']);
    expect(await rows('select * from "SHOP"."TREE" order by "ID"')).toEqual([
      ['1', '7', '2'],
      ['2', null, '1'],
    ]);
  });

  test('swaps unique values that may be null when deletes go first', async () => {
    const codes = (second: number, ...values: string[]) =>
      values.map((code, index) =>
        row(second, [index], { ID: String(index), CODE: `"${code}"` }),
      );
    await apply([[top, codes(1, 'x', 'y')]]);
    const swap = [[top, codes(2, 'y', 'x')]] as const;
    expect((await failureOf(apply(swap))).code).toBe('E4013');
    await apply(swap, 'deletes-first');
    expect(await rows('select * from "SHOP"."TOP" order by "ID"')).toEqual([
      ['0', 'y'],
      ['1', 'x'],
    ]);
  });

  test('after a failure every later call hears of that one', async () => {
    await using transaction = begin();
    const write = (key: string, code: string) =>
      transaction.upsert({
        table: top,
        columns: top.columns,
        values: textValues([[key], [`"${code}"`]] as never, 1),
        rowCount: 1,
      });
    const outcomes = await Promise.allSettled([
      write('1', 'same'),
      write('2', 'same'),
      write('3', 'other'),
      transaction.commit(null),
    ]);
    expect(
      outcomes.map((outcome) =>
        outcome.status === 'rejected' ? outcome.reason.code : 'done',
      ),
    ).toEqual(['done', 'E4013', 'E4013', 'E4013']);
    await transaction[Symbol.asyncDispose]();
    expect(await rows('select * from "SHOP"."TOP"')).toEqual([]);
    expect(returnedCount).toBe(1);
  });

  test('what is not committed is gone', async () => {
    {
      await using transaction = begin();
      await transaction.delete({
        table: top,
        keys: [['1']] as never,
        rowCount: 1,
      });
      await transaction.upsert({
        table: top,
        columns: [id],
        values: textValues([['1']] as never, 1),
        rowCount: 1,
      });
    }
    expect(await rows('select * from "SHOP"."TOP"')).toEqual([]);
    expect(returnedCount).toBe(1);
  });

  test('moves the watermark from where it was left, under the epoch that is there', async () => {
    await database.run(
      `insert into "SHOP".REPLICATOR_CHECKPOINT (schema_name, applied, epoch, staging_id) values ('SHOP', '${zeroTimestamp}', 3, 'here')`,
    );
    await database.run('commit');
    const step = async (epoch: number, from: number, to: number) => {
      await using transaction = begin();
      await transaction.upsert({
        table: top,
        columns: [id],
        values: textValues([[String(to)]] as never, 1),
        rowCount: 1,
      });
      await transaction.commit({
        schema,
        checkpoint: { applied: at(to), epoch },
        previous: from === 0 ? zeroTimestamp : at(from),
      });
    };
    await step(3, 0, 1);
    expect((await failureOf(step(2, 1, 2))).code).toBe('E4009');
    const failure = await failureOf(step(3, 2, 3));
    expect([failure.code, failure.disposition]).toEqual(['E4017', 'retry']);
    await step(3, 1, 4);
    expect(await rows('select "ID" from "SHOP"."TOP" order by "ID"')).toEqual([
      ['1'],
      ['4'],
    ]);
  });

  test('a row takes over the unique value of one that goes, in a circle of tables', async () => {
    const account_ = (
      second: number,
      key: number,
      email: string,
      head: string,
    ) => row(second, [key], { ID: `${key}`, EMAIL: `"${email}"`, HEAD: head });
    await apply([
      [account, [account_(1, 1, 'a', '1'), account_(1, 2, 'b', 'null')]],
      [item, [row(1, [1], { ID: '1', ACCOUNT: '1' })]],
    ]);
    await apply(
      [
        [
          account,
          [
            row(2, [1], null),
            account_(2, 2, 'a', '1'),
            account_(2, 3, 'b', '2'),
          ],
        ],
        [
          item,
          [
            row(2, [1], { ID: '1', ACCOUNT: '3' }),
            row(2, [2], { ID: '2', ACCOUNT: '2' }),
          ],
        ],
      ],
      'values-parked',
    );
    expect(
      await rows(
        'select "ID", "EMAIL", "HEAD" from "SHOP"."ACCOUNT" order by 1',
      ),
    ).toEqual([
      ['2', 'a', '1'],
      ['3', 'b', '2'],
    ]);
    await apply([
      [account, [row(3, [2], null), row(3, [3], null)]],
      [item, [row(3, [1], null), row(3, [2], null)]],
    ]);
    expect(await rows('select "ID" from "SHOP"."ITEM"')).toEqual([]);
  });
});
