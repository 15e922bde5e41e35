/** Cases of the target contract: what one source transaction may do. */
import { expect } from 'vitest';
import type { Mutation } from '../../src/mutation/mutation.ts';
import { createApplier } from '../../src/target/applier.ts';
import { climb } from './order-ladder.ts';
import {
  applyTo,
  type RegisterCase,
  row,
  shapeOf,
  type TargetFixture,
} from './target-fixture.ts';

/** Each goes through the usual plan, and then rung by rung. */
export function registerOrdersCases(
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

  for (const action of ['', ' on delete cascade']) {
    test(`a row takes over the unique value and the children of another one that goes (references${action || ' without action'})`, async () => {
      await using fixture = await open();
      const { integer, shortText } = fixture.ddl;
      await fixture.sql(
        `create table account (id ${integer} not null primary key, email ${shortText(40)} not null unique)`,
      );
      await fixture.sql(
        `create table item (id ${integer} not null primary key, account ${integer} not null, note ${shortText(20)}, foreign key (account) references account (id)${action})`,
      );
      await fixture.sql(
        `create table part (id ${integer} not null primary key, item ${integer} not null, foreign key (item) references item (id)${action})`,
      );
      await fixture.sql(`insert into account values (1, 'a@x')`);
      await fixture.sql(`insert into item values (1, 1, 'kept')`);
      await fixture.sql(`insert into item values (2, 1, 'gone')`);
      await fixture.sql(`insert into part values (1, 1)`);
      await fixture.sql(`insert into part values (2, 2)`);
      await carry(fixture, {
        account: [row(2, [1], null), row(2, [2], { id: '2', email: '"a@x"' })],
        item: [row(2, [1], { id: '1', account: '2' }), row(2, [2], null)],
        part: [row(2, [2], null)],
      });
      expect(await fixture.rows('select id, email from account')).toEqual([
        ['2', 'a@x'],
      ]);
      expect(await fixture.rows('select id, account, note from item')).toEqual([
        ['1', '2', 'kept'],
      ]);
      expect(await fixture.rows('select id, item from part')).toEqual([
        ['1', '1'],
      ]);
    });
  }

  test('rows swap unique values that may not be null, whatever refers to them and whatever else they carry', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table account (id ${integer} not null primary key, email ${shortText(40)} not null unique, place ${integer} not null unique, note ${shortText(20)})`,
    );
    await fixture.sql(
      `create table item (id ${integer} not null primary key, account ${integer} not null, foreign key (account) references account (id) on delete cascade)`,
    );
    for (const n of [1, 2, 3]) {
      await fixture.sql(
        `insert into account values (${n}, 'e${n}', ${n}, 'n')`,
      );
      await fixture.sql(`insert into item values (${n}, ${n})`);
    }
    await carry(fixture, {
      account: [
        row(2, [1], { id: '1', email: '"e2"', place: '2', note: '"m"' }),
        row(2, [2], { id: '2', email: '"e1"' }),
        row(2, [2], { id: '2', email: '"e1"', place: '3' }),
        row(2, [3], { id: '3', place: '1', note: '"m"' }),
      ],
    });
    expect(
      await fixture.rows(
        'select id, email, place, note from account order by id',
      ),
    ).toEqual([
      ['1', 'e2', '2', 'm'],
      ['2', 'e1', '3', 'n'],
      ['3', 'e3', '1', 'm'],
    ]);
    expect(
      await fixture.rows('select id, account from item order by id'),
    ).toEqual([1, 2, 3].map((n) => [`${n}`, `${n}`]));
  });

  test('tables that refer to one another are written and emptied in one transaction', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table division (id ${integer} not null primary key, head ${integer}, other ${integer})`,
    );
    await fixture.sql(
      `create table person (id ${integer} not null primary key, division ${integer} not null, foreign key (division) references division (id))`,
    );
    await fixture.sql(
      'alter table division add constraint head_key foreign key (head) references person (id)',
    );
    await fixture.sql(
      'alter table division add constraint other_key foreign key (other) references division (id)',
    );
    const division = (id: number, head: string, other: string) =>
      row(1, [id], { id: `${id}`, head, other });
    const person = (id: number, at_: number) =>
      row(1, [id], { id: `${id}`, division: `${at_}` });
    await applyTo(fixture, {
      person: [person(1, 1), person(2, 2), person(3, 1)],
      division: [
        division(1, '1', '2'),
        division(2, '3', '1'),
        division(3, 'null', '3'),
      ],
    });
    const rows = (): Promise<(string | null)[][]> =>
      fixture.rows('select id, head, other from division order by id');
    expect(await rows()).toEqual([
      ['1', '1', '2'],
      ['2', '3', '1'],
      ['3', null, '3'],
    ]);
    await carry(fixture, {
      person: [row(2, [1], null), row(2, [4], { id: '4', division: '4' })],
      division: [
        row(2, [1], { id: '1', head: '4', other: 'null' }),
        row(2, [4], { id: '4', head: '3', other: '2' }),
      ],
    });
    expect(await rows()).toEqual([
      ['1', '4', null],
      ['2', '3', '1'],
      ['3', null, '3'],
      ['4', '3', '2'],
    ]);
    await carry(fixture, {
      division: [1, 2, 3, 4].map((id) => row(3, [id], null)),
      person: [2, 3, 4].map((id) => row(3, [id], null)),
    });
    expect(await rows()).toEqual([]);
    expect(await fixture.rows('select id from person')).toEqual([]);
  });

  test('rows that refer to one another go in parts of one transaction, in any order, once they have lost their references', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table division (id ${integer} not null primary key, head ${integer}, up ${integer}, foreign key (up) references division (id))`,
    );
    await fixture.sql(
      `create table person (id ${integer} not null primary key, division ${integer}, foreign key (division) references division (id))`,
    );
    await fixture.sql(
      'alter table division add constraint head_key foreign key (head) references person (id)',
    );
    const ids = [1, 2, 3, 4];
    for (const id of ids) {
      await fixture.sql(
        `insert into division values (${id}, null, ${id > 1 ? id - 1 : 'null'})`,
      );
    }
    for (const id of ids) {
      await fixture.sql(`insert into person values (${id}, ${5 - id})`);
    }
    await fixture.sql('update division set head = id where id < 4');
    await fixture.sql('update division set up = null where id = 4');
    const shape = await shapeOf(fixture);
    const applier = createApplier({ collapse: true });
    await using transaction = await fixture.target.begin();
    for (const order of ['unlinks', 'part'] as const) {
      for (const [name, ...keys] of [
        ['division', 1, 2],
        ['person', 3, 4],
        ['division', 3],
        ['person', 1, 2],
      ] as const) {
        await applier.apply(
          [
            {
              table: shape.tables.get(name)!,
              mutations: keys.map((id) => row(2, [id], null)),
            },
          ],
          transaction,
          new AbortController().signal,
          order,
        );
      }
    }
    await transaction.commit(null);
    expect(await fixture.rows('select id from person')).toEqual([]);
    expect(await fixture.rows('select id, head, up from division')).toEqual([
      ['4', null, null],
    ]);
  });

  test('of a transaction in parts all give up their unique values before any is written, and each gets those that others had', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table account (id ${integer} not null primary key, email ${shortText(40)} not null unique, place ${integer} not null unique, note ${shortText(20)})`,
    );
    await fixture.sql(
      `create table item (id ${integer} not null primary key, account ${integer} not null, foreign key (account) references account (id) on delete cascade)`,
    );
    for (const n of [1, 2, 3, 4, 5]) {
      await fixture.sql(
        `insert into account values (${n}, 'e${n}', ${n}, 'n')`,
      );
      await fixture.sql(`insert into item values (${n}, ${n})`);
    }
    const account = (id: number, place: number): Mutation =>
      row(2, [id], { id: `${id}`, email: `"e${place}"`, place: `${place}` });
    const shape = await shapeOf(fixture);
    const applier = createApplier({ collapse: true });
    await using transaction = await fixture.target.begin();
    const parts: [string, Mutation][] = [
      // Without its unique columns it keeps them.
      ['account', row(2, [5], { id: '5', note: '"m"' })],
      ['account', account(1, 2)],
      ['account', account(2, 1)],
      ['account', account(6, 3)],
      ['account', account(4, 4)],
      ['item', row(2, [3], { id: '3', account: '6' })],
      ['account', row(2, [3], null)],
    ];
    for (const order of ['park', 'parked'] as const) {
      for (const [name, mutation] of parts) {
        await applier.apply(
          [{ table: shape.tables.get(name)!, mutations: [mutation] }],
          transaction,
          new AbortController().signal,
          order,
        );
      }
    }
    await transaction.commit(null);
    expect(
      await fixture.rows(
        'select id, email, place, note from account order by id',
      ),
    ).toEqual([
      ['1', 'e2', '2', 'n'],
      ['2', 'e1', '1', 'n'],
      ['4', 'e4', '4', 'n'],
      ['5', 'e5', '5', 'm'],
      ['6', 'e3', '3', null],
    ]);
    expect(
      await fixture.rows('select id, account from item order by id'),
    ).toEqual([
      ['1', '1'],
      ['2', '2'],
      ['3', '6'],
      ['4', '4'],
      ['5', '5'],
    ]);
  });

  test('a tree whose rows must have a parent grows, is turned over and goes in one transaction each', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table node (id ${integer} not null primary key, up ${integer} not null, foreign key (up) references node (id))`,
    );
    const node = (time: number, id: number, up: number) =>
      row(time, [id], { id: `${id}`, up: `${up}` });
    await carry(fixture, {
      node: [node(1, 3, 2), node(1, 2, 1), node(1, 1, 1), node(1, 4, 3)],
    });
    await carry(fixture, {
      node: [node(2, 1, 4), node(2, 2, 5), node(2, 5, 5), node(2, 4, 5)],
    });
    expect(await fixture.rows('select id, up from node order by id')).toEqual([
      ['1', '4'],
      ['2', '5'],
      ['3', '2'],
      ['4', '5'],
      ['5', '5'],
    ]);
    await carry(fixture, {
      node: [1, 2, 3, 4].map((id) => row(3, [id], null)),
    });
    expect(await fixture.rows('select id, up from node')).toEqual([['5', '5']]);
  });

  test('a circle of references that may not be null is refused with what would help, and nothing changes', async () => {
    await using fixture = await open();
    const { integer } = fixture.ddl;
    await fixture.sql(
      `create table chicken (id ${integer} not null primary key, egg ${integer} not null)`,
    );
    await fixture.sql(
      `create table egg (id ${integer} not null primary key, chicken ${integer} not null, foreign key (chicken) references chicken (id))`,
    );
    await fixture.sql(
      'alter table chicken add constraint egg_key foreign key (egg) references egg (id)',
    );
    const outcome = await climb(
      fixture,
      [
        {
          egg: [row(1, [1], { id: '1', chicken: '1' })],
          chicken: [row(1, [1], { id: '1', egg: '1' })],
        },
      ],
      async () => {},
    );
    expect(outcome.refused).toMatch(/^E4021/);
    expect(await fixture.rows('select id from egg')).toEqual([]);
    expect(await fixture.rows('select id from chicken')).toEqual([]);
  });

  test('values of many types stand in for others', async () => {
    await using fixture = await open();
    const { integer, smallInteger, shortText, decimal } = fixture.ddl;
    const types: readonly (readonly [string, string, string])[] = [
      [integer, '1', '2'],
      [smallInteger, '1', '2'],
      [decimal, '1.5', '2.5'],
      [shortText(5), '"a"', '"b"'],
      ['date', '"2024-01-01"', '"2024-01-02"'],
    ];
    for (const [place, [type, a, b]] of types.entries()) {
      await fixture.sql(
        `create table item_${place} (id ${integer} not null primary key, v ${type} not null unique)`,
      );
      await fixture.sql(
        `create table child_${place} (id ${integer} not null primary key, item ${integer} not null, foreign key (item) references item_${place} (id) on delete cascade)`,
      );
      await applyTo(fixture, {
        [`item_${place}`]: [
          row(1, [1], { id: '1', v: a }),
          row(1, [2], { id: '2', v: b }),
        ],
        [`child_${place}`]: [row(1, [1], { id: '1', item: '1' })],
      });
      const held = async (): Promise<(string | null | undefined)[]> =>
        (await fixture.rows(`select id, v from item_${place} order by id`)).map(
          ([, value]) => value,
        );
      const before = await held();
      await carry(fixture, {
        [`item_${place}`]: [
          row(2, [1], { id: '1', v: b }),
          row(2, [2], { id: '2', v: a }),
        ],
      });
      expect(await held()).toEqual(before.toReversed());
      expect(await fixture.rows(`select id from child_${place}`)).toEqual([
        ['1'],
      ]);
    }
  });

  test('a value that stands in for another and is refused is no fault of the row', async () => {
    await using fixture = await open();
    const { integer, shortText } = fixture.ddl;
    await fixture.sql(
      `create table account (id ${integer} not null primary key, email ${shortText(40)} not null unique, check (email like 'e%@x'))`,
    );
    await fixture.sql(
      `create table item (id ${integer} not null primary key, account ${integer} not null, foreign key (account) references account (id) on delete cascade)`,
    );
    await fixture.sql(`insert into account values (1, 'e1@x')`);
    await fixture.sql(`insert into account values (2, 'e2@x')`);
    await fixture.sql(`insert into item values (1, 1)`);
    const { refused } = await climb(
      fixture,
      [
        {
          account: [
            row(2, [1], { id: '1', email: '"e2@x"' }),
            row(2, [2], { id: '2', email: '"e1@x"' }),
          ],
        },
      ],
      async () => {},
    );
    // An engine that looks at the end of a statement needs no such value.
    if (refused !== null) {
      expect(refused).toMatch(/^E4013/);
    }
    expect(
      await fixture.rows('select id, email from account order by id'),
    ).toEqual(
      refused === null
        ? [
            ['1', 'e2@x'],
            ['2', 'e1@x'],
          ]
        : [
            ['1', 'e1@x'],
            ['2', 'e2@x'],
          ],
    );
    expect(await fixture.rows('select id from item')).toEqual([['1']]);
  });
}
