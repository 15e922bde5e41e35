/** Cases of the target contract: foreign keys, unique keys and the order of statements. */
import { expect } from 'vitest';
import {
  type RegisterCase,
  type TargetFixture,
  applyTo,
  failureOf,
  row,
  shapeOf,
} from './target-fixture.ts';

export function registerConstraintsCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  test('writes parents before children and deletes children before parents', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(`create table summit (id ${integer} primary key)`);
    await fixture.sql(
      `create table lft (id ${integer} primary key, summit ${integer}, foreign key (summit) references summit (id))`,
    );
    await fixture.sql(
      `create table rgt (id ${integer} primary key, summit ${integer}, foreign key (summit) references summit (id))`,
    );
    await fixture.sql(
      `create table bottom (id ${integer} primary key, l ${integer}, foreign key (l) references lft (id), r ${integer}, foreign key (r) references rgt (id), self ${integer}, foreign key (self) references bottom (id))`,
    );
    const written = {
      bottom: [
        row(1, [1], { id: '1', l: '1', r: '1', self: '2' }),
        row(1, [2], { id: '2', l: '1', r: '1', self: '1' }),
      ],
      rgt: [row(1, [1], { id: '1', summit: '1' })],
      lft: [row(1, [1], { id: '1', summit: '1' })],
      summit: [row(1, [1], { id: '1' })],
    };
    await applyTo(fixture, written);
    await applyTo(fixture, {
      summit: [row(2, [1], null), row(2, [2], { id: '2' })],
      lft: [row(2, [1], { id: '1', summit: '2' })],
      rgt: [row(2, [1], { id: '1', summit: '2' })],
    });
    expect(await fixture.rows('select id from summit')).toEqual([['2']]);
    await applyTo(fixture, {
      summit: [row(3, [2], null)],
      rgt: [row(3, [1], null)],
      lft: [row(3, [1], null)],
      bottom: [row(3, [1], null), row(3, [2], null)],
    });
    expect(await fixture.rows('select id from bottom')).toEqual([]);
    expect(await fixture.rows('select id from summit')).toEqual([]);
  });

  test('a missing parent is a failure to defer, and writes nothing', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(`create table parent (id ${integer} primary key)`);
    await fixture.sql(
      `create table child (id ${integer} primary key, parent ${integer}, foreign key (parent) references parent (id))`,
    );
    const failure = await failureOf(
      applyTo(fixture, {
        parent: [row(1, [1], { id: '1' })],
        child: [row(1, [1], { id: '1', parent: '99' })],
      }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4004', 'defer']);
    expect(await fixture.rows('select id from parent')).toEqual([]);
  });

  test('hands a unique value from a deleted row to a new one when deletes go first', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, code ${shortText(20)} not null unique)`,
    );
    await applyTo(fixture, { item: [row(1, [1], { id: '1', code: '"x"' })] });
    const handover = {
      item: [row(2, [1], null), row(2, [2], { id: '2', code: '"x"' })],
    };
    const failure = await failureOf(applyTo(fixture, handover));
    expect([failure.code, failure.disposition]).toEqual(['E4013', 'defer']);
    await applyTo(fixture, handover, { order: 'deletes-first' });
    expect(await fixture.rows('select id, code from item')).toEqual([
      ['2', 'x'],
    ]);
  });

  test('a child that has left its parent outlives it, with all that it has, whatever goes first', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table parent (id ${integer} not null primary key)`,
    );
    await fixture.sql(
      `create table child (id ${integer} not null primary key, parent ${integer}, note ${shortText(20)}, foreign key (parent) references parent (id) on delete cascade)`,
    );
    await fixture.sql(
      `create table grandchild (id ${integer} not null primary key, child ${integer}, foreign key (child) references child (id) on delete cascade)`,
    );
    await fixture.sql(
      `create table loud (id ${integer} not null primary key, n ${integer} not null unique)`,
    );
    await applyTo(fixture, {
      parent: [1, 2, 3].map((id) => row(1, [id], { id: `${id}` })),
      child: [
        row(1, [1], { id: '1', parent: '1', note: '"kept"' }),
        row(1, [2], { id: '2', parent: '2', note: '"gone"' }),
      ],
      grandchild: [
        row(1, [1], { id: '1', child: '1' }),
        row(1, [2], { id: '2', child: '2' }),
      ],
      loud: [row(1, [1], { id: '1', n: '7' })],
    });
    const changes = {
      parent: [row(2, [1], null), row(2, [2], null)],
      child: [row(2, [1], { id: '1', parent: '3' }), row(2, [2], null)],
      grandchild: [row(2, [2], null)],
      loud: [row(2, [1], null), row(2, [2], { id: '2', n: '7' })],
    };
    expect((await failureOf(applyTo(fixture, changes))).code).toBe('E4013');
    await applyTo(fixture, changes, { order: 'deletes-first' });
    expect(await fixture.rows('select id from parent')).toEqual([['3']]);
    expect(await fixture.rows('select id, parent, note from child')).toEqual([
      ['1', '3', 'kept'],
    ]);
    expect(await fixture.rows('select id, child from grandchild')).toEqual([
      ['1', '1'],
    ]);
    expect(await fixture.rows('select id, n from loud')).toEqual([['2', '7']]);
  });

  test('swaps unique values between rows when deletes go first', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, code ${shortText(20)} unique)`,
    );
    await fixture.sql(
      `create table child (id ${integer} primary key, item ${integer}, foreign key (item) references item (id) on delete cascade)`,
    );
    await applyTo(fixture, {
      item: [
        row(1, [1], { id: '1', code: '"x"' }),
        row(1, [2], { id: '2', code: '"y"' }),
      ],
      child: [row(1, [1], { id: '1', item: '1' })],
    });
    const swap = {
      item: [
        row(2, [1], { id: '1', code: '"y"' }),
        row(2, [2], { id: '2', code: '"x"' }),
      ],
    };
    expect((await failureOf(applyTo(fixture, swap))).code).toBe('E4013');
    await applyTo(fixture, swap, { order: 'deletes-first' });
    expect(await fixture.rows('select id, code from item order by id')).toEqual(
      [
        ['1', 'y'],
        ['2', 'x'],
      ],
    );
    expect(await fixture.rows('select id, item from child')).toEqual([
      ['1', '1'],
    ]);
  });

  test('swaps unique values that may not be null, where deleting a row has no other effect', async () => {
    await using fixture = await open();
    const { integer, shortText, text } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, code ${shortText(20)} not null unique, note ${text})`,
    );
    await fixture.sql(
      `create table child (id ${integer} primary key, item ${integer}, foreign key (item) references item (id))`,
    );
    for (const values of [`1, 'x', 'n1'`, `2, 'y', 'n2'`, `3, 'z', 'n3'`]) {
      await fixture.sql(`insert into item values (${values})`);
    }
    await fixture.sql(`insert into child values (1, 1)`);
    const rotated = {
      item: [
        row(2, [1], { id: '1', code: '"y"' }),
        row(2, [2], { id: '2', code: '"z"' }),
        row(2, [3], { id: '3', code: '"x"' }),
      ],
    };
    expect((await failureOf(applyTo(fixture, rotated))).code).toBe('E4013');
    await applyTo(fixture, rotated, { order: 'deletes-first' });
    const rotatedRows = [
      ['1', 'y', 'n1'],
      ['2', 'z', 'n2'],
      ['3', 'x', 'n3'],
    ];
    expect(
      await fixture.rows('select id, code, note from item order by id'),
    ).toEqual(rotatedRows);
    await fixture.sql(
      `create table heir (id ${integer} primary key, item ${integer}, foreign key (item) references item (id) on delete cascade)`,
    );
    await fixture.sql(`insert into heir values (1, 1)`);
    const back = {
      item: [
        row(3, [1], { id: '1', code: '"z"' }),
        row(3, [2], { id: '2', code: '"y"' }),
      ],
    };
    const failure = await failureOf(
      applyTo(fixture, back, { order: 'deletes-first' }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4013', 'defer']);
    expect(
      await fixture.rows('select id, code, note from item order by id'),
    ).toEqual(rotatedRows);
    expect(await fixture.rows('select id from heir')).toEqual([['1']]);
  });

  test('never touches a stranger that holds a unique value', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, code ${shortText(20)} unique)`,
    );
    await fixture.sql(`insert into item values (9, 'taken')`);
    for (const order of ['upserts-first', 'deletes-first'] as const) {
      const failure = await failureOf(
        applyTo(
          fixture,
          { item: [row(1, [1], { id: '1', code: '"taken"' })] },
          { order },
        ),
      );
      expect(failure.code).toBe('E4013');
    }
    expect(await fixture.rows('select id, code from item')).toEqual([
      ['9', 'taken'],
    ]);
    expect((await shapeOf(fixture)).tables.get('item')!.uniqueKeys).toEqual([
      ['code'],
    ]);
  });

  test('applies source times one after the other without collapse', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table item (id ${integer} primary key, code ${shortText(20)} not null unique)`,
    );
    await applyTo(fixture, {
      item: [
        row(1, [1], { id: '1', code: '"x"' }),
        row(1, [2], { id: '2', code: '"y"' }),
      ],
    });
    const throughThird = {
      item: [
        row(2, [1], { id: '1', code: '"tmp"' }),
        row(3, [2], { id: '2', code: '"x"' }),
        row(4, [1], { id: '1', code: '"y"' }),
      ],
    };
    await applyTo(fixture, throughThird, { collapse: false });
    expect(await fixture.rows('select id, code from item order by id')).toEqual(
      [
        ['1', 'y'],
        ['2', 'x'],
      ],
    );
  });
}
