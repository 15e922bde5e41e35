/** Cases of the target contract: unique values for which nothing can stand in. */
import { expect } from 'vitest';
import type { Mutation } from '../../src/mutation/mutation.ts';
import { climb } from './order-ladder.ts';
import {
  type RegisterCase,
  row,
  type TargetFixture,
} from './target-fixture.ts';

export function registerChainsCases(
  open: () => Promise<TargetFixture>,
  test: RegisterCase,
): void {
  /** All in one source transaction; each rung is tried. */
  async function carry(
    fixture: TargetFixture,
    mutations: Readonly<Record<string, readonly Mutation[]>>,
  ): Promise<void> {
    const { refused } = await climb(fixture, [mutations], async () => {});
    expect(refused).toBeNull();
  }

  test('unique references that may not be null go along a chain of rows, though their deletes would cascade', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table person (id ${integer} not null primary key)`,
    );
    await fixture.sql(
      `create table account (id ${integer} not null primary key, person ${integer} not null unique, note ${shortText(20)}, foreign key (person) references person (id))`,
    );
    await fixture.sql(
      `create table item (id ${integer} not null primary key, account ${integer} not null, foreign key (account) references account (id) on delete cascade)`,
    );
    for (const n of [1, 2, 3, 4]) {
      await fixture.sql(`insert into person values (${n})`);
      await fixture.sql(`insert into account values (${n}, ${n}, 'n')`);
      await fixture.sql(`insert into item values (${n}, ${n})`);
    }
    const account = (id: number, person: number) =>
      row(2, [id], { id: `${id}`, person: `${person}` });
    await carry(fixture, {
      person: [row(2, [5], { id: '5' })],
      // Whichever comes first: each gets what the next one gives up.
      account: [account(9, 1), account(1, 2), account(2, 4), account(4, 5)],
      item: [row(2, [3], null), row(2, [4], { id: '4', account: '9' })],
    });
    expect(
      await fixture.rows('select id, person, note from account order by id'),
    ).toEqual([
      ['1', '2', 'n'],
      ['2', '4', 'n'],
      ['3', '3', 'n'],
      ['4', '5', 'n'],
      ['9', '1', null],
    ]);
    expect(
      await fixture.rows('select id, account from item order by id'),
    ).toEqual([
      ['1', '1'],
      ['2', '2'],
      ['4', '9'],
    ]);
  });

  test('values that rows refer to go along a chain of rows, though their deletes would cascade', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table place (id ${integer} not null primary key, number ${integer} not null unique)`,
    );
    await fixture.sql(
      `create table sign (id ${integer} not null primary key, number ${integer} not null, foreign key (number) references place (number) on delete cascade)`,
    );
    for (const n of [1, 2, 3]) {
      await fixture.sql(`insert into place values (${n}, ${n})`);
    }
    await fixture.sql('insert into sign values (1, 1)');
    const place = (id: number, number: number) =>
      row(2, [id], { id: `${id}`, number: `${number}` });
    await carry(fixture, {
      place: [place(4, 2), place(2, 3), place(3, 5)],
      sign: [row(2, [2], { id: '2', number: '5' })],
    });
    expect(
      await fixture.rows('select id, number from place order by id'),
    ).toEqual([
      ['1', '1'],
      ['2', '3'],
      ['3', '5'],
      ['4', '2'],
    ]);
    expect(
      await fixture.rows('select id, number from sign order by id'),
    ).toEqual([
      ['1', '1'],
      ['2', '5'],
    ]);
  });

  test('a row with a unique reference that may not be null is written anew under another key, though its delete would cascade', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table person (id ${integer} not null primary key)`,
    );
    await fixture.sql(
      `create table account (id ${integer} not null primary key, person ${integer} not null unique, foreign key (person) references person (id))`,
    );
    await fixture.sql(
      `create table item (id ${integer} not null primary key, account ${integer} not null, foreign key (account) references account (id) on delete cascade)`,
    );
    await fixture.sql(
      `create table part (id ${integer} not null primary key, item ${integer} not null, note ${shortText(20)}, foreign key (item) references item (id) on delete cascade)`,
    );
    for (const n of [1, 2, 3]) {
      await fixture.sql(`insert into person values (${n})`);
      await fixture.sql(`insert into account values (${n}, ${n})`);
      await fixture.sql(`insert into item values (${n}, ${n})`);
      await fixture.sql(`insert into part values (${n}, ${n}, 'n')`);
    }
    await carry(fixture, {
      account: [
        row(2, [1], null),
        row(2, [9], { id: '9', person: '1' }),
        row(2, [2], { id: '2', person: '2' }),
      ],
      // Others are kept, and are not to go with it.
      item: [
        row(2, [1], null),
        row(2, [9], { id: '9', account: '9' }),
        row(2, [2], { id: '2', account: '9' }),
      ],
      part: [
        row(2, [1], null),
        row(2, [3], { id: '3', item: '9' }),
        row(2, [9], { id: '9', item: '9' }),
      ],
    });
    expect(
      await fixture.rows('select id, person from account order by id'),
    ).toEqual([
      ['2', '2'],
      ['3', '3'],
      ['9', '1'],
    ]);
    expect(
      await fixture.rows('select id, account from item order by id'),
    ).toEqual([
      ['2', '9'],
      ['3', '3'],
      ['9', '9'],
    ]);
    expect(
      await fixture.rows('select id, item, note from part order by id'),
    ).toEqual([
      ['2', '2', 'n'],
      ['3', '9', 'n'],
      ['9', '9', null],
    ]);
  });
}
