import { describe, expect, test } from 'vitest';
import { createApplier } from '../../../src/target/applier.ts';
import {
  applyTo,
  failureOf,
  row,
  shapeOf,
} from '../../contract/target-fixture.ts';
import { hasServer, isBabelfish, quoted, sqlserverFixture } from './fixture.ts';

const here = describe.skipIf(!hasServer);
/** What Babelfish cannot show. */
const onSqlServerOnly = test.skipIf(isBabelfish);

here('rows of SQL Server', () => {
  onSqlServerOnly(
    'pass unique values on in any order, where nulls are equal too',
    async () => {
      await using fixture = await sqlserverFixture();
      await fixture.sql(
        'create table item (id bigint primary key, code nvarchar(20) not null unique, spare int unique)',
      );
      for (const order of ['upserts-first', 'deletes-first'] as const) {
        await applyTo(fixture, {
          item: [
            row(1, [1], { id: '1', code: '"x"', spare: '1' }),
            row(1, [2], { id: '2', code: '"y"', spare: 'null' }),
            row(1, [3], { id: '3', code: '"z"', spare: '3' }),
          ],
        });
        await applyTo(
          fixture,
          {
            item: [
              row(2, [1], { id: '1', code: '"y"', spare: 'null' }),
              row(2, [2], { id: '2', code: '"z"', spare: '3' }),
              row(2, [3], { id: '3', code: '"x"', spare: '1' }),
            ],
          },
          { order },
        );
        expect(
          await fixture.rows('select id, code, spare from item order by id'),
        ).toEqual([
          ['1', 'y', null],
          ['2', 'z', '3'],
          ['3', 'x', '1'],
        ]);
      }
    },
  );

  test('whose keys a collation holds to be equal are never made one', async () => {
    await using fixture = await sqlserverFixture();
    const collation = isBabelfish ? '' : 'collate Latin1_General_CI_AI';
    await fixture.sql(
      `create table item (code nvarchar(20) ${collation} primary key, n int)`,
    );
    await applyTo(fixture, {
      item: [row(1, ['"a"'], { code: '"a"', n: '1' })],
    });
    const both = {
      item: [
        row(2, ['"a"'], { code: '"a"', n: '2' }),
        row(2, ['"A"'], { code: '"A"', n: '3' }),
      ],
    };
    expect((await failureOf(applyTo(fixture, both))).code).toBe('E4013');
    expect(
      (
        await failureOf(
          applyTo(fixture, {
            item: [row(2, ['"A"'], { code: '"A"', n: '4' })],
          }),
        )
      ).code,
    ).toBe('E4013');
    await applyTo(fixture, { item: [row(2, ['"A"'], null)] });
    expect(await fixture.rows('select code, n from item')).toEqual([
      ['a', '1'],
    ]);
    await applyTo(fixture, { item: [row(3, ['"a"'], null)] });
    expect(await fixture.rows('select code, n from item')).toEqual([]);
  });

  test('whose keys differ in blanks at their end are never made one', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table item (code varchar(20) collate latin1_general_bin2 primary key, n int)',
    );
    await applyTo(fixture, {
      item: [row(1, ['"a"'], { code: '"a"', n: '1' })],
    });
    const failure = await failureOf(
      applyTo(fixture, { item: [row(2, ['"a "'], { code: '"a "', n: '2' })] }),
    );
    expect(failure.code).toBe('E4013');
    expect(await fixture.rows('select code, n from item')).toEqual([
      ['a', '1'],
    ]);
  });

  test('that are there already may refer to rows of their table that come with them', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table staff (id bigint primary key, name nvarchar(20), boss bigint references staff (id))',
    );
    await applyTo(fixture, {
      staff: [
        row(1, [1], { id: '1', name: '"a"', boss: 'null' }),
        row(1, [2], { id: '2', name: '"b"', boss: '1' }),
      ],
    });
    await applyTo(fixture, {
      staff: [
        row(2, [1], { id: '1', name: '"c"', boss: '3' }),
        row(2, [2], { id: '2', name: '"d"', boss: 'null' }),
        row(2, [3], { id: '3', name: '"e"', boss: '2' }),
      ],
    });
    expect(
      await fixture.rows('select id, name, boss from staff order by id'),
    ).toEqual([
      ['1', 'c', '3'],
      ['2', 'd', null],
      ['3', 'e', '2'],
    ]);
  });

  test('of two tables with identity columns cross in one transaction, also after a failure', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table a (id bigint identity(1,1) primary key, n int check (n > 0))',
    );
    await fixture.sql(
      'create table b (id bigint identity(1,1) primary key, n int)',
    );
    await using target = await fixture.reopen({ poolSize: 1 });
    await applyTo(
      fixture,
      {
        a: [row(1, [10], { id: '10', n: '1' })],
        b: [row(1, [20], { id: '20', n: '1' })],
      },
      { target },
    );
    const refused = await failureOf(
      applyTo(
        fixture,
        { a: [row(2, [11], { id: '11', n: '-1' })] },
        { target },
      ),
    );
    expect(refused.code).toBe('E4005');
    // The same session again: IDENTITY_INSERT is not left on for the other table.
    await applyTo(
      fixture,
      { b: [row(3, [21], { id: '21', n: '2' })] },
      { target },
    );
    expect(target.poolCounts().dialCount).toBe(1);
    expect(await fixture.rows('select id from b order by id')).toEqual([
      ['20'],
      ['21'],
    ]);
  });

  test('of a table with a name of any kind cross', async () => {
    await using fixture = await sqlserverFixture();
    for (const name of [
      'a]b',
      "a'b",
      'a b',
      'select',
      't',
      'v',
      'c1',
      '[x]',
      '@rows',
      '--',
      '表',
      '$1',
      '%',
    ].filter((each) => !isBabelfish || /^[ -Z_-~]+$/.test(each))) {
      const table = quoted(name);
      await fixture.sql(
        `create table ${table} (${table} bigint ${isBabelfish ? '' : 'identity(1,1)'} primary key, [n] int)`,
      );
      for (const n of ['1', '2']) {
        await applyTo(fixture, { [name]: [row(1, [7], { [name]: '7', n })] });
      }
      expect(await fixture.rows(`select ${table}, n from ${table}`)).toEqual([
        ['7', '2'],
      ]);
      await applyTo(fixture, { [name]: [row(2, [7], null)] });
      expect(await fixture.rows(`select n from ${table}`)).toEqual([]);
    }
  });

  test('of 95 columns cross', async () => {
    await using fixture = await sqlserverFixture();
    const names = Array.from({ length: 94 }, (_, index) => `c${index}`);
    await fixture.sql(
      `create table wide (id bigint primary key, ${names.map((name) => `${name} int`).join(', ')})`,
    );
    const after = (value: string) => ({
      id: '1',
      ...Object.fromEntries(names.map((name) => [name, value])),
    });
    await applyTo(fixture, { wide: [row(1, [1], after('1'))] });
    await applyTo(fixture, { wide: [row(2, [1], after('2'))] });
    expect(await fixture.rows('select c0, c50, c93 from wide')).toEqual([
      ['2', '2', '2'],
    ]);
  });

  test('in thousands cross', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      'create table item (id bigint primary key, body nvarchar(max))',
    );
    await applyTo(fixture, {
      item: Array.from({ length: 10_000 }, (_, index) =>
        row(1, [index], { id: String(index), body: `"ä表 ${index}"` }),
      ),
    });
    expect(
      await fixture.rows('select body from item where id in (0, 9999)'),
    ).toEqual([['ä表 0'], ['ä表 9999']]);
    expect(await fixture.rows('select count(*) from item')).toEqual([
      ['10000'],
    ]);
    await applyTo(fixture, {
      item: Array.from({ length: 10_000 }, (_, index) => row(2, [index], null)),
    });
    expect(await fixture.rows('select count(*) from item')).toEqual([['0']]);
  });

  onSqlServerOnly('wait for a lock, and the target tells so', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql('create table item (id bigint primary key, n int)');
    await fixture.sql('insert into item values (1, 0)');
    const table = (await shapeOf(fixture)).tables.get('item')!;
    const write = async (n: string) => {
      const transaction = await fixture.target.begin();
      const written = createApplier({ collapse: true }).apply(
        [{ table, mutations: [row(1, [1], { id: '1', n })] }],
        transaction,
        new AbortController().signal,
      );
      return { transaction, written };
    };
    const holder = await write('1');
    await holder.written;
    expect(await holder.transaction.waitsForLock()).toBe(false);
    const waiter = await write('2');
    await expect
      .poll(() => waiter.transaction.waitsForLock(), { timeout: 60_000 })
      .toBe(true);
    await holder.transaction.commit(null);
    await waiter.written;
    await waiter.transaction.commit(null);
    expect(await fixture.rows('select n from item')).toEqual([['2']]);
  });

  test('are read with the shape that the catalog has', async () => {
    await using fixture = await sqlserverFixture();
    await fixture.sql(
      `create table parent (id bigint identity(1,1) primary key, doc nvarchar(max) check (isjson(doc) = 1))`,
    );
    await fixture.sql(
      `create table child (b int not null, a varchar(20) collate latin1_general_bin2 not null, parent bigint references parent (id), half as (b / 2), price decimal(10,2) default 0, constraint child_key primary key (a, b))`,
    );
    const { tables } = await shapeOf(fixture);
    const child = tables.get('child')!;
    expect(child.primaryKey.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(
      child.columns.map(({ name, type, nullable, generated }) => [
        name,
        type,
        nullable,
        generated,
      ]),
    ).toEqual([
      ['b', 'int', false, false],
      ['a', 'varchar(20)', false, false],
      ['parent', 'bigint', true, false],
      ['half', 'int', true, true],
      ['price', 'decimal(10, 2)', true, false],
    ]);
    expect(child.foreignKeys).toMatchObject([
      {
        columns: ['parent'],
        parentSchema: fixture.schema,
        parentTable: 'parent',
        parentColumns: ['id'],
      },
    ]);
    const parent = tables.get('parent')!;
    expect([parent.deleteHasEffects, parent.deleteTakes]).toEqual([
      true,
      false,
    ]);
    expect(parent.columnByName.get('id')!.referred).toBe(true);
    expect(parent.columnByName.get('id')).toMatchObject({ identity: 'always' });
    expect(parent.columnByName.get('doc')!.codec).toMatchObject({
      kind: 'json',
    });
  });
});
