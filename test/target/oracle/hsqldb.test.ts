/** What our statements mean, on a database that reads Oracle's dialect. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { zeroTimestamp } from '../../../src/mutation/timestamp.ts';
import type { SchemaName } from '../../../src/mutation/schema-name.ts';
import {
  deleteStatement,
  nullStatement,
  upsertStatement,
} from '../../../src/target/oracle/statements/statements.ts';
import {
  claimCheckpointStatement,
  fenceStatement,
  moveCheckpointStatement,
  readCheckpointStatement,
} from '../../../src/target/oracle/statements/watermark-statements.ts';
import {
  type Hsqldb,
  hsqldbMissing,
  startHsqldb,
} from '../../support/oracle-hsqldb.ts';
import { inHsqldb } from '../../support/oracle-hsqldb-session.ts';
import { column, number, tableShape, text } from './shapes.ts';

const missing = hsqldbMissing();
const schema = '"SHOP"' as SchemaName;
const item = tableShape('ITEM', [
  column('TENANT', text(20), { keyOrdinal: 1 }),
  column('ID', number, { keyOrdinal: 0 }),
  column('CODE', text(20)),
  column('PRICE', number, { hasDefault: true }),
  column('PARENT', number),
]);
const carrying = (...names: string[]) =>
  item.columns.filter(({ name }) => names.includes(name));

if (missing !== null) {
  console.log(
    `the statements and transactions of Oracle are not run on HSQLDB: ${missing}`,
  );
}

describe.skipIf(missing !== null)('a statement of Oracle in HSQLDB', () => {
  let database: Hsqldb;
  const run = (statement: string, ...values: (string | null)[]) =>
    database.run(inHsqldb(statement), values);
  const rows = () => run('select * from "SHOP"."ITEM" order by "ID", "TENANT"');

  beforeAll(async () => {
    database = startHsqldb();
    await run('create schema "SHOP"');
    await run(
      `create table "SHOP"."ITEM" ("TENANT" varchar2(20) not null, "ID" number(19) not null, "CODE" varchar2(20) unique, "PRICE" number(9,2) default 7, "PARENT" number(19), primary key ("ID", "TENANT"))`,
    );
    await run(
      `create table "SHOP".REPLICATOR_CHECKPOINT (schema_name varchar2(128) primary key, applied varchar2(64) not null, epoch number(19) not null, staging_id varchar2(255) not null, updated_at timestamp (6) with time zone default systimestamp not null)`,
    );
  }, 120_000);

  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  test('inserts a row, with defaults for what it does not carry', async () => {
    const sparse = carrying('TENANT', 'ID', 'CODE');
    expect(await run(upsertStatement(item, sparse), 'a', '1', 'x')).toBe(1);
    expect(await run(upsertStatement(item, sparse), 'b', '1', 'y')).toBe(1);
    expect(await rows()).toEqual([
      ['a', '1', 'x', '7.00', null],
      ['b', '1', 'y', '7.00', null],
    ]);
  });

  test('updates the row of that whole key, and only what it carries', async () => {
    const sparse = carrying('TENANT', 'ID', 'PRICE');
    expect(await run(upsertStatement(item, sparse), 'a', '1', '5.50')).toBe(1);
    expect(await rows()).toEqual([
      ['a', '1', 'x', '5.50', null],
      ['b', '1', 'y', '7.00', null],
    ]);
  });

  test('sets what is carried as null to null', async () => {
    const sparse = carrying('TENANT', 'ID', 'PARENT');
    await run(upsertStatement(item, sparse), 'a', '1', '9');
    await run(upsertStatement(item, sparse), 'b', '1', null);
    expect(await rows()).toEqual([
      ['a', '1', 'x', '5.50', '9'],
      ['b', '1', 'y', '7.00', null],
    ]);
  });

  test('gives a row that came back its defaults again', async () => {
    const sparse = carrying('TENANT', 'ID', 'CODE');
    const statement = upsertStatement(item, sparse, { replace: true });
    expect(await run(statement, 'a', '1', 'z')).toBe(1);
    expect(await rows()).toEqual([
      ['a', '1', 'z', '7.00', null],
      ['b', '1', 'y', '7.00', null],
    ]);
  });

  test('of a key alone inserts it once', async () => {
    const statement = upsertStatement(item, carrying('TENANT', 'ID'));
    expect(await run(statement, 'k', '2')).toBe(1);
    expect(await run(statement, 'k', '2')).toBe(0);
  });

  test('inserts null for a reference that comes later, and leaves a known one', async () => {
    const statement = upsertStatement(item, carrying('TENANT', 'ID', 'PRICE'), {
      nulled: carrying('PARENT'),
    });
    await run(
      upsertStatement(item, carrying('TENANT', 'ID', 'PARENT')),
      'k',
      '2',
      '1',
    );
    await run(statement, 'k', '2', '3');
    await run(statement, 'k', '3', '3');
    expect((await rows()) as unknown[]).toEqual(
      expect.arrayContaining([
        ['k', '2', null, '3.00', '1'],
        ['k', '3', null, '3.00', null],
      ]),
    );
  });

  test('never takes the row that holds a unique value for the row of the key', async () => {
    await expect(
      run(
        upsertStatement(item, carrying('TENANT', 'ID', 'CODE')),
        'k',
        '9',
        'z',
      ),
    ).rejects.toThrow(/unique/i);
  });

  test('takes unique values away, and deletes, by the whole key', async () => {
    expect(await run(nullStatement(item, carrying('CODE')), '1', 'a')).toBe(1);
    expect(await run(deleteStatement(item), '1', 'b')).toBe(1);
    expect(await run(deleteStatement(item), '1', 'b')).toBe(0);
    expect(await rows()).toEqual([
      ['a', '1', null, '7.00', null],
      ['k', '2', null, '3.00', '1'],
      ['k', '3', null, '3.00', null],
    ]);
  });

  test('claims the watermark, and hands it to another store only while it is zero', async () => {
    const claim = claimCheckpointStatement(schema);
    const read = () => run(readCheckpointStatement(schema), 'SHOP');
    expect(await run(claim, 'SHOP', zeroTimestamp, 'here', '-1')).toBe(1);
    expect(await run(claim, 'SHOP', zeroTimestamp, 'there', '-1')).toBe(1);
    expect(await read()).toEqual([[zeroTimestamp, '2', 'there']]);
    const move = moveCheckpointStatement(schema);
    expect(await run(move, '5', 'SHOP', '1', zeroTimestamp)).toBe(0);
    expect(await run(move, '5', 'SHOP', '2', '4')).toBe(0);
    expect(await run(move, '5', 'SHOP', '2', zeroTimestamp)).toBe(1);
    expect(await run(claim, 'SHOP', zeroTimestamp, 'here', '-1')).toBe(0);
    expect(await run(claim, 'SHOP', zeroTimestamp, 'there', '-1')).toBe(1);
    expect(await read()).toEqual([['5', '3', 'there']]);
  });

  test('claims an epoch that is given only above the one there, and holds to it', async () => {
    const claim = claimCheckpointStatement(schema);
    const name = 'OTHER';
    expect(await run(claim, name, zeroTimestamp, 'here', '7')).toBe(1);
    expect(await run(claim, name, zeroTimestamp, 'here', '7')).toBe(0);
    expect(await run(claim, name, zeroTimestamp, 'here', '6')).toBe(0);
    expect(await run(claim, name, zeroTimestamp, 'here', '9')).toBe(1);
    const fence = fenceStatement(schema);
    expect(await run(fence, name, '7')).toBe(0);
    expect(await run(fence, name, '9')).toBe(1);
  });
});
