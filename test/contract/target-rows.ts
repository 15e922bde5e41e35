/** Cases of the target contract: what becomes of rows, values and names. */
import { expect } from 'vitest';
import {
  type RegisterCase,
  type TargetFixture,
  applyTo,
  failureOf,
  row,
  rowsOf,
  shapeOf,
  transact,
} from './target-fixture.ts';

export function registerRowsCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('inserts new rows, updates known ones and deletes', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, name ${text})`,
    );
    await applyTo(fixture, {
      item: [
        row(1, [1], { id: '1', name: '"one"' }),
        row(1, [2], { id: '2', name: '"two"' }),
        row(1, [3], { id: '3', name: 'null' }),
      ],
    });
    await applyTo(fixture, {
      item: [
        row(2, [1], { id: '1', name: '"uno"' }),
        row(2, [2], null),
        row(2, [4], { id: '4', name: '"four"' }),
        row(2, [5], null),
      ],
    });
    expect(await fixture.rows('select id, name from item order by id')).toEqual(
      [
        ['1', 'uno'],
        ['3', null],
        ['4', 'four'],
      ],
    );
  });

  test('applies the same batch twice without harm', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, name ${text})`,
    );
    const item = [
      row(1, [1], { id: '1', name: '"a"' }),
      row(2, [1], { id: '1', name: '"b"' }),
      row(2, [2], { id: '2', name: '"c"' }),
      row(3, [2], null),
    ];
    await applyTo(fixture, { item });
    await applyTo(fixture, { item }, { collapse: false });
    expect(await fixture.rows('select id, name from item')).toEqual([
      ['1', 'b'],
    ]);
  });

  test('writes only the columns that a row carries', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, a ${text}, b ${text}, c ${text})`,
    );
    await applyTo(fixture, {
      item: [
        row(1, [1], { id: '1', a: '"a1"', b: '"b1"', c: '"c1"' }),
        row(1, [2], { id: '2', a: '"a2"', b: '"b2"', c: '"c2"' }),
        row(1, [3], { id: '3', a: '"a3"', b: '"b3"', c: '"c3"' }),
      ],
    });
    await applyTo(fixture, {
      item: [
        row(2, [1], { id: '1', b: '"B1"' }),
        row(2, [2], { c: '"C2"', id: '2' }),
        row(2, [3], { b: '"B3"', id: '3' }),
        row(3, [3], { id: '3', c: 'null' }),
      ],
    });
    expect(
      await fixture.rows('select id, a, b, c from item order by id'),
    ).toEqual([
      ['1', 'a1', 'B1', 'c1'],
      ['2', 'a2', 'b2', 'C2'],
      ['3', 'a3', 'B3', null],
    ]);
  });

  test('gives a column that an inserted row lacks its default, and leaves it alone afterwards', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, a ${shortText(20)} default 'given', b ${shortText(20)})`,
    );
    await applyTo(fixture, { item: [row(1, [1], { id: '1', b: '"x"' })] });
    await fixture.sql(`update item set a = 'changed'`);
    await applyTo(fixture, { item: [row(2, [1], { id: '1', b: '"y"' })] });
    expect(await fixture.rows('select id, a, b from item')).toEqual([
      ['1', 'changed', 'y'],
    ]);
  });

  test('leaves a column alone that is not carried, may not be null and has no default', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} not null primary key, a ${shortText(20)} not null, b ${shortText(20)})`,
    );
    await fixture.sql(`insert into item values (1, 'kept', 'old')`);
    await applyTo(fixture, { item: [row(1, [1], { id: '1', b: '"x"' })] });
    const failure = await failureOf(
      applyTo(fixture, { item: [row(2, [2], { id: '2', b: '"x"' })] }),
    );
    expect(failure.code).toBe('E4005');
    expect(await fixture.rows('select id, a, b from item')).toEqual([
      ['1', 'kept', 'x'],
    ]);
  });

  test('gives a row that was deleted and came back sparse its defaults again', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, a ${shortText(20)} default 'given', b ${shortText(20)})`,
    );
    await fixture.sql(`insert into item values (1, 'old', 'old')`);
    await applyTo(fixture, {
      item: [row(2, [1], null), row(3, [1], { id: '1' })],
    });
    expect(await fixture.rows('select id, a, b from item')).toEqual([
      ['1', 'given', null],
    ]);
  });

  test('takes the key from the key when the row does not repeat it', async () => {
    await using fixture = await open();
    const { integer, text } = fixture.ddl;
    await fixture.sql(
      `create table item (a ${integer}, b ${integer}, c ${text}, primary key (b, a))`,
    );
    await applyTo(fixture, { item: [row(1, [2, 1], { c: '"x"' })] });
    expect(await fixture.rows('select a, b, c from item')).toEqual([
      ['1', '2', 'x'],
    ]);
  });

  test('tells composite keys apart by all of their columns', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (tenant ${shortText(20)} not null, id ${integer} not null, n ${integer}, primary key (tenant, id))`,
    );
    const keyed = (
      second: number,
      tenant: string,
      id: number,
      n: number | null,
    ) =>
      row(
        second,
        [`"${tenant}"`, id],
        n === null
          ? null
          : { tenant: `"${tenant}"`, id: String(id), n: String(n) },
      );
    await applyTo(fixture, {
      item: [keyed(1, 'a', 1, 11), keyed(1, 'a', 2, 12), keyed(1, 'b', 1, 21)],
    });
    await applyTo(fixture, {
      item: [
        keyed(2, 'a', 1, 110),
        keyed(2, 'b', 1, null),
        keyed(2, 'b', 2, 22),
        keyed(2, 'a', 9, null),
      ],
    });
    expect(
      await fixture.rows('select tenant, id, n from item order by tenant, id'),
    ).toEqual([
      ['a', '1', '110'],
      ['a', '2', '12'],
      ['b', '2', '22'],
    ]);
  });

  test('drops generated columns and writes identity columns', async () => {
    await using fixture = await open();
    const { integer, identityAlways, identityByDefault, generated } =
      fixture.ddl;
    await fixture.sql(
      `create table always_item (id ${integer} ${identityAlways} primary key, n ${integer}, twice ${generated(integer, 'n * 2')})`,
    );
    await fixture.sql(
      `create table default_item (id ${integer} ${identityByDefault} primary key, n ${integer})`,
    );
    await applyTo(fixture, {
      always_item: [row(1, [41], { id: '41', n: '7', twice: '999' })],
      default_item: [row(1, [42], { id: '42', n: '8' })],
    });
    await applyTo(fixture, {
      always_item: [row(2, [41], { id: '41', n: '9', twice: '0' })],
      default_item: [row(2, [42], { id: '42', n: '10' })],
    });
    expect(await fixture.rows('select id, n, twice from always_item')).toEqual([
      ['41', '9', '18'],
    ]);
    expect(await fixture.rows('select id, n from default_item')).toEqual([
      ['42', '10'],
    ]);
  });

  test('changes an identity column that is not the key, and keeps what the row does not carry', async () => {
    await using fixture = await open();
    const { integer, text, identityAlways } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, serial ${integer} ${identityAlways}, a ${text}, b ${text})`,
    );
    await applyTo(fixture, {
      item: [
        row(1, [1], { id: '1', serial: '100', a: '"a"', b: '"b"' }),
        row(1, [2], { id: '2', serial: '200', a: '"a"', b: '"b"' }),
      ],
    });
    await applyTo(fixture, {
      item: [
        row(2, [1], { id: '1', serial: '101', a: '"A"' }),
        row(2, [2], { id: '2', serial: '200', a: '"A"' }),
      ],
    });
    expect(
      await fixture.rows('select id, serial, a, b from item order by id'),
    ).toEqual([
      ['1', '101', 'A', 'b'],
      ['2', '200', 'A', 'b'],
    ]);
  });

  test('refuses to change an identity column when the children of the row would go with it', async () => {
    await using fixture = await open();
    const { integer, identityAlways } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, serial ${integer} ${identityAlways})`,
    );
    await fixture.sql(
      `create table child (id ${integer} primary key, item ${integer}, foreign key (item) references item (id) on delete cascade)`,
    );
    await applyTo(fixture, {
      item: [row(1, [1], { id: '1', serial: '100' })],
      child: [row(1, [1], { id: '1', item: '1' })],
    });
    await applyTo(fixture, { item: [row(2, [1], { id: '1', serial: '100' })] });
    const failure = await failureOf(
      applyTo(fixture, { item: [row(3, [1], { id: '1', serial: '101' })] }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4005', 'set-aside']);
    expect(failure.message).toContain('"serial"');
    expect(await fixture.rows('select id, item from child')).toEqual([
      ['1', '1'],
    ]);
  });

  test('keeps tables that are nothing but their key', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table pair (b ${integer}, a ${integer}, primary key (a, b))`,
    );
    await applyTo(fixture, {
      pair: [
        row(1, [1, 2], { a: '1', b: '2' }),
        row(1, [1, 3], { a: '1', b: '3' }),
      ],
    });
    await applyTo(fixture, {
      pair: [row(2, [1, 2], { a: '1', b: '2' }), row(2, [1, 3], null)],
    });
    expect(await fixture.rows('select a, b from pair')).toEqual([['1', '2']]);
  });

  test('lists a table without a primary key, and refuses to write to it by key', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(`create table heap (a ${integer})`);
    const heap = (await shapeOf(fixture)).tables.get('heap')!;
    expect(heap.primaryKey).toEqual([]);
    const changed = row(1, [1], { a: '1' });
    for (const work of [
      () => applyTo(fixture, { heap: [{ ...changed, before: changed.after }] }),
      () =>
        transact(fixture, (transaction) =>
          transaction.upsert(rowsOf(heap, [{ a: '1' }])),
        ),
    ]) {
      const failure = await failureOf(work());
      expect([failure.code, failure.disposition]).toEqual(['E4008', 'halt']);
    }
    expect(await fixture.rows('select a from heap')).toEqual([]);
  });

  test('digits of any size arrive unchanged', async () => {
    await using fixture = await open();
    const { integer, decimal } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, d ${decimal})`,
    );
    const digits = `${'1234567890'.repeat(3)}.5`;
    await applyTo(fixture, {
      item: [
        row(1, ['9223372036854775807'], {
          id: '9223372036854775807',
          d: digits,
        }),
        row(1, ['-9223372036854775808'], {
          id: '-9223372036854775808',
          d: `-${digits}`,
        }),
      ],
    });
    const stored = await fixture.rows('select id, d from item order by id');
    expect(stored.map(([id]) => id)).toEqual([
      '-9223372036854775808',
      '9223372036854775807',
    ]);
    expect(stored.map(([, d]) => d!.replace(/0+$/, ''))).toEqual([
      `-${digits}`,
      digits,
    ]);
  });

  test('a value that does not fit is refused, never cut', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, code ${shortText(3)})`,
    );
    const failure = await failureOf(
      applyTo(fixture, {
        item: [
          row(1, [1], { id: '1', code: '"fits"' }),
          row(1, [2], { id: '2', code: '"ok"' }),
        ],
      }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4006', 'set-aside']);
    expect(failure.line).not.toContain('fits');
    expect(await fixture.rows('select * from item')).toEqual([]);
  });

  test('a column that the target does not have halts, for its values would be lost', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(`create table item (id ${integer} primary key)`);
    const failure = await failureOf(
      applyTo(fixture, { item: [row(1, [1], { id: '1', gone: '2' })] }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4012', 'halt']);
    expect(failure.message).toContain('"gone"');
  });
}
