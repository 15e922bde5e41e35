import { describe, expect, test } from 'vitest';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import {
  shapeFromJson,
  shapeToJson,
} from '../../../../src/target/schema-watch.ts';
import type { TableShape } from '../../../../src/target/target.ts';
import {
  applyTo,
  failureOf,
  row,
  shapeOf,
} from '../../../contract/target-fixture.ts';
import { startMysqlServer } from '../../../support/mysql-server.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../../../support/mysql-test-database.ts';
import { openMysqlTarget } from '../../../../src/target/mysql/dialect.ts';
import { defaultTargetOptions } from '../../../../src/target/open-target.ts';
import { type MysqlFixture, mysqlFixture } from '../fixture.ts';

async function tableOf(
  fixture: MysqlFixture,
  name: string,
): Promise<TableShape> {
  return (await shapeOf(fixture)).tables.get(name)!;
}

describe.each(MYSQL_PRODUCTS)('the catalog of %s', (product) => {
  test('lists tables, and neither views nor our own', async () => {
    await using fixture = await mysqlFixture(product);
    await fixture.sql('create table plain (id bigint primary key)');
    await fixture.sql(
      'create table parted (id bigint primary key) partition by hash (id) partitions 3',
    );
    await fixture.sql('create view look as select * from plain');
    await fixture.target.claimCheckpoint(fixture.schema, 'here', null);
    expect([...(await shapeOf(fixture)).tables.keys()]).toEqual([
      'parted',
      'plain',
    ]);
    await applyTo(fixture, {
      parted: [1, 2, 3].map((id) => row(1, [id], { id: String(id) })),
    });
    await applyTo(fixture, { parted: [row(2, [2], null)] });
    expect(await fixture.rows('select id from parted order by id')).toEqual([
      ['1'],
      ['3'],
    ]);
  });

  test('tells names apart as the server does', async () => {
    await using fixture = await mysqlFixture(product);
    const { name } = fixture.database;
    expect(
      await fixture.target.introspect(schemaName([`${name}_not`])),
    ).toBeNull();
    expect(
      await fixture.target.introspect(schemaName([name.toUpperCase()])),
    ).toBeNull();
    await fixture.sql('create table item (id bigint primary key)');
    await fixture.sql('create table Item (ID bigint primary key)');
    await applyTo(fixture, { Item: [row(1, [1], { ID: '1' })] });
    expect(await fixture.rows('select * from item')).toEqual([]);
    expect(await fixture.rows('select * from Item')).toEqual([['1']]);
  });

  test('tells keys, defaults, generated and numbered columns', async () => {
    await using fixture = await mysqlFixture(product);
    await fixture.sql(`
      create table item (
        c text, b bigint, a varchar(3) character set latin1,
        d decimal(5,2) default 1, e int generated always as (b + 1) virtual,
        f bigint unsigned not null auto_increment, g datetime(3) not null default current_timestamp(3),
        h varchar(9) default 'NULL', i int invisible,
        primary key (a, b), unique (f)
      )`);
    const table = await tableOf(fixture, 'item');
    expect(table.primaryKey.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(
      table.columns.map((column) =>
        [
          column.name,
          column.codec.kind,
          column.keyOrdinal,
          column.nullable,
          column.hasDefault,
          column.generated,
          column.identity,
        ].join(' '),
      ),
    ).toEqual([
      'c text  true false false ',
      'b integer 1 false false false ',
      'a text 0 false false false ',
      'd decimal  true true false ',
      'e integer  true false true ',
      'f integer  false true false by-default',
      'g datetime  false true false ',
      'h text  true true false ',
      'i integer  true false false ',
    ]);
    await applyTo(fixture, {
      item: [
        row(1, ['"x"', 1], {
          a: '"x"',
          b: '1',
          e: '9',
          f: '18446744073709551615',
          i: '5',
        }),
      ],
    });
    expect(await fixture.rows('select a, b, d, e, f, h, i from item')).toEqual([
      ['x', '1', '1.00', '2', '18446744073709551615', 'NULL', '5'],
    ]);
  });

  test('tells every unique key, of a computed one what it looks at', async () => {
    await using fixture = await mysqlFixture(product);
    await fixture.sql(
      'create table item (id int primary key, a varchar(9), b varchar(9), c text, unique k1 (b, a), unique k2 (c(5)), key k3 (a))',
    );
    if (product === 'mysql') {
      await fixture.sql('create unique index k4 on item ((lower(a)), id)');
    }
    expect((await tableOf(fixture, 'item')).uniqueKeys).toEqual([
      ['b', 'a'],
      ['c'],
      ...(product === 'mysql' ? [['a', 'id']] : []),
    ]);
  });

  test('tells foreign keys with their columns in order, and who would go with a row', async () => {
    await using fixture = await mysqlFixture(product);
    await fixture.sql(
      'create table parent (x bigint, y bigint, primary key (y, x))',
    );
    await fixture.sql(
      'create table child (id bigint primary key, p bigint, q bigint, constraint up foreign key (q, p) references parent (y, x))',
    );
    expect((await tableOf(fixture, 'child')).foreignKeys).toEqual([
      {
        name: 'up',
        columns: ['q', 'p'],
        parentSchema: fixture.schema,
        parentTable: 'parent',
        parentColumns: ['y', 'x'],
        deferrable: false,
      },
    ]);
    expect(await tableOf(fixture, 'parent')).toMatchObject({
      deleteHasEffects: false,
      deleteTakes: false,
    });
    await fixture.sql(
      'create table heir (id bigint primary key, p bigint, q bigint, foreign key (q, p) references parent (y, x) on delete cascade)',
    );
    expect(await tableOf(fixture, 'parent')).toMatchObject({
      deleteHasEffects: true,
      deleteTakes: true,
    });
    await fixture.sql(
      'create trigger t before delete on child for each row set @x = 1',
    );
    expect((await tableOf(fixture, 'child')).deleteHasEffects).toBe(true);
  });

  test('tells who follows a row from another database', async () => {
    await using fixture = await mysqlFixture(product);
    await using other = await testMysqlDatabase(product);
    const parent = `${fixture.database.name}.\`é-parent t\``;
    await fixture.sql(
      'create table `é-parent t` (id int primary key, code int unique, side int unique)',
    );
    await fixture.sql(
      'create table alone (id int primary key, code int unique)',
    );
    await other.query(
      `create table \`a.child\` (id int primary key, code int, foreign key (code) references ${parent} (code) on delete set null on update cascade)`,
    );
    await other.query(
      `create table kin (id int primary key, side int, foreign key (side) references ${parent} (side))`,
    );
    const told = ({ columns, ...table }: TableShape): unknown => ({
      takes: table.deleteTakes,
      hasEffects: table.deleteHasEffects,
      columns: columns.map(({ name, referred, codec }) =>
        [name, referred, 'followed' in codec, 'referred' in codec].join(' '),
      ),
    });
    expect(told(await tableOf(fixture, 'é-parent t'))).toEqual({
      takes: true,
      hasEffects: true,
      columns: [
        'id  false false',
        'code true true true',
        'side true false true',
      ],
    });
    expect(told(await tableOf(fixture, 'alone'))).toEqual({
      takes: false,
      hasEffects: false,
      columns: ['id  false false', 'code  false false'],
    });
    await other.sql('drop table `a.child`; drop table kin');
  });

  test('without PROCESS any value of a unique key may be followed from a database that the account cannot see', async () => {
    await using fixture = await mysqlFixture(product);
    await using other = await testMysqlDatabase(product);
    const { name } = fixture.database;
    await fixture.sql(
      'create table parent (id int primary key, code int unique)',
    );
    await fixture.sql('insert into parent values (1, 10), (2, 20)');
    await other.query(
      `create table child (id int primary key, code int, foreign key (code) references ${name}.parent (code) on delete set null on update cascade)`,
    );
    await other.query('insert into child values (1, 20), (2, 10)');
    const user = `v_${name.slice(0, 20)}`;
    await fixture.sql(`create user ${user} identified by 'pw'`);
    try {
      await fixture.sql(
        `grant select, insert, update, delete, create, create temporary tables on ${name}.* to ${user}`,
      );
      const url = new URL(fixture.url);
      url.username = user;
      url.password = 'pw';
      await using target = await fixture.reopen({ url: url.href });
      const swap = {
        parent: [
          row(2, [1], { id: '1', code: '20' }),
          row(2, [2], { id: '2', code: '10' }),
        ],
      };
      for (const order of ['deletes-first', 'values-parked'] as const) {
        const failure = await failureOf(
          applyTo(fixture, swap, { target, order }),
        );
        expect(failure.code).toBe('E4013');
      }
      expect(await other.query('select * from child order by id')).toEqual([
        ['1', '20'],
        ['2', '10'],
      ]);
    } finally {
      await fixture.sql(`drop user ${user}`);
      await other.query('drop table child');
    }
  });

  test('survives JSON, and a fingerprint changes with anything it tells', async () => {
    await using fixture = await mysqlFixture(product);
    await fixture.sql(
      'create table item (id bigint primary key, a varchar(5), b json)',
    );
    const shape = await shapeOf(fixture);
    expect(shapeFromJson(shapeToJson(shape))).toEqual(shape);
    expect(shape.tables.get('item')!.columnByName.get('b')!.codec.kind).toBe(
      'json',
    );
    const seen = new Set([shape.tables.get('item')!.fingerprint]);
    const changes = [
      'alter table item add column c text',
      'alter table item add column d int default 1',
      'alter table item modify a varchar(5) not null',
      'alter table item modify a varchar(6) not null',
      'alter table item modify a varchar(6) character set latin1 not null',
      'alter table item add unique (a)',
      'alter table item add column up bigint, add foreign key (up) references item (id)',
      `create table heir (id bigint, foreign key (id) references item (id) on delete cascade)`,
    ];
    for (const change of changes) {
      await fixture.sql(change);
      seen.add((await tableOf(fixture, 'item')).fingerprint);
    }
    expect(seen.size).toBe(1 + changes.length);
  });
});

describe('an invisible primary key', () => {
  test('that the server made up is none', async () => {
    await using server = await startMysqlServer({
      product: 'mysql',
      settings: { sql_generate_invisible_primary_key: 'ON' },
      fsync: false,
    });
    await using target = openMysqlTarget({
      ...defaultTargetOptions,
      url: server.url('mysql'),
    });
    const schema = schemaName(['shop']);
    const admin = await import('mysql2/promise');
    const client = await admin.createConnection({
      uri: server.url(),
      multipleStatements: true,
    });
    await client.query(
      'create database shop; create table shop.heap (a int); create table shop.item (id int primary key)',
    );
    await client.end();
    const shape = (await target.introspect(schema))!;
    const heap = shape.tables.get('heap')!;
    expect(heap.primaryKey).toEqual([]);
    expect(heap.columns.map(({ name }) => name)).toEqual(['a']);
    // Temporary tables of ours get none either.
    await applyTo({ target, schema }, { item: [row(1, [1], { id: '1' })] });
  });
});

const ways = MYSQL_PRODUCTS.flatMap((product) => [
  [product, 'LOAD DATA', 0] as const,
  [product, 'a parameter', Infinity] as const,
]);

describe.each(ways)(
  'circles of references in %s, through %s',
  (product, _, fewRows) => {
    test('rows that must have a parent in their own table come generation by generation', async () => {
      await using fixture = await mysqlFixture(product, { fewRows });
      await fixture.sql(
        'create table node (id int primary key, up int not null, n int, foreign key (up) references node (id))',
      );
      const node = (second: number, id: number, up: number, n: number) =>
        row(second, [id], { id: String(id), up: String(up), n: String(n) });
      await applyTo(fixture, {
        node: [node(1, 1, 3, 1), node(1, 3, 5, 1), node(1, 5, 5, 1)],
      });
      // A known row moves below a new one.
      await applyTo(fixture, { node: [node(2, 1, 9, 2), node(2, 9, 3, 2)] });
      expect(
        await fixture.rows('select id, up, n from node order by id'),
      ).toEqual([
        ['1', '9', '2'],
        ['3', '5', '1'],
        ['5', '5', '1'],
        ['9', '3', '2'],
      ]);
      const failure = await failureOf(
        applyTo(fixture, { node: [node(3, 11, 12, 1), node(3, 12, 99, 1)] }),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4004', 'defer']);
      const orphans = await failureOf(
        applyTo(fixture, { node: [row(3, [3], null), row(3, [5], null)] }),
      );
      expect(orphans.code).toBe('E4004');
      await applyTo(fixture, {
        node: [1, 3, 5, 9].map((id) => row(4, [id], null)),
      });
      expect(await fixture.rows('select id from node')).toEqual([]);
    });

    test('tables that refer to each other are written and emptied', async () => {
      await using fixture = await mysqlFixture(product, { fewRows });
      await fixture.sql(
        'create table egg (id int primary key, hen int, n int)',
      );
      await fixture.sql(
        'create table hen (id int primary key, egg int, foreign key (egg) references egg (id))',
      );
      await fixture.sql(
        'alter table egg add foreign key (hen) references hen (id)',
      );
      const both = (second: number, ids: readonly number[]) => ({
        hen: ids.map((id) =>
          row(second, [id], { id: String(id), egg: String(id) }),
        ),
        egg: ids.map((id) =>
          row(second, [id], { id: String(id), hen: String(id), n: '1' }),
        ),
      });
      await applyTo(fixture, both(1, [1, 2, 3]));
      await applyTo(fixture, both(2, [3, 4]));
      expect(
        await fixture.rows(
          'select hen.id, egg.id, egg.n from hen join egg on egg.hen = hen.id and hen.egg = egg.id order by hen.id',
        ),
      ).toEqual(['1', '2', '3', '4'].map((id) => [id, id, '1']));
      const failure = await failureOf(
        applyTo(fixture, { hen: [row(3, [7], { id: '7', egg: '99' })] }),
      );
      expect(failure.code).toBe('E4004');
      const held = await failureOf(
        applyTo(fixture, { egg: [row(3, [2], null)] }),
      );
      expect(held.code).toBe('E4004');
      await applyTo(fixture, {
        egg: [row(4, [1], null), row(4, [2], null), row(4, [3], null)],
        hen: [row(4, [1], null), row(4, [2], null), row(4, [3], null)],
      });
      expect(await fixture.rows('select id from egg')).toEqual([['4']]);
      // Deleted and back again, source time by source time.
      await applyTo(
        fixture,
        {
          egg: [row(5, [4], null), row(6, [4], { id: '4', hen: '4', n: '2' })],
          hen: [row(5, [4], null), row(6, [4], { id: '4', egg: 'null' })],
        },
        { collapse: false },
      );
      expect(await fixture.rows('select id, hen, n from egg')).toEqual([
        ['4', '4', '2'],
      ]);
    });
  },
);
