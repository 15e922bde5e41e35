/** What MySQL and MariaDB do to rows when nobody looks, by both ways of crossing. */
import mysql from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { schemaName } from '../../../src/mutation/schema-name.ts';
import { createApplier } from '../../../src/target/applier.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { applyTo, row, shapeOf } from '../../contract/target-fixture.ts';
import { startMysqlServer } from '../../support/mysql-server.ts';
import { MYSQL_PRODUCTS } from '../../support/mysql-test-database.ts';
import { mysqlFixture } from './fixture.ts';

const ways = MYSQL_PRODUCTS.flatMap((product) => [
  { product, way: 'LOAD DATA', fewRows: 0 },
  { product, way: 'parameters', fewRows: Infinity },
]);

const never = new AbortController().signal;

function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'written',
    (error: { code: string }) => error.code,
  );
}

describe.each(ways)('$product through $way', ({ product, fewRows }) => {
  test.for(['cascade', 'set null'])(
    'a child that refers to a unique value keeps it while values are set free (on update %s)',
    async (action) => {
      await using fixture = await mysqlFixture(product, { fewRows });
      await fixture.sql(
        'create table parent (id int primary key, code int unique)',
      );
      await fixture.sql(
        `create table child (id int primary key, up int, foreign key (up) references parent (code) on update ${action})`,
      );
      await fixture.sql('insert into parent values (1, 1), (2, 2)');
      await fixture.sql('insert into child values (1, 1)');
      await applyTo(
        fixture,
        { parent: [row(1, [1], { id: '1', code: '1' })] },
        { order: 'deletes-first' },
      );
      expect(await fixture.rows('select id, up from child')).toEqual([
        ['1', '1'],
      ]);
    },
  );

  test('a circle of tables is deleted together with what it refers to', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.database.sql(`
      create table top (id int primary key);
      create table a (id int primary key, b int, top int not null, foreign key (top) references top (id));
      create table b (id int primary key, a int, foreign key (a) references a (id));
      alter table a add foreign key (b) references b (id)`);
    for (const order of ['upserts-first', 'deletes-first'] as const) {
      await applyTo(fixture, {
        top: [row(1, [1], { id: '1' })],
        a: [row(1, [1], { id: '1', b: '1', top: '1' })],
        b: [row(1, [1], { id: '1', a: '1' })],
      });
      await applyTo(
        fixture,
        {
          top: [row(2, [1], null)],
          a: [row(2, [1], null)],
          b: [row(2, [1], null)],
        },
        { order },
      );
      expect(
        await fixture.rows(
          'select (select count(*) from top), (select count(*) from a), (select count(*) from b)',
        ),
      ).toEqual([['0', '0', '0']]);
    }
  });

  test('rows are written behind others that were all new, whether they are new or not', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql(
      'create table item (id int primary key, code int unique, n int)',
    );
    const expected = new Map<number, string[]>();
    const batches = [[1, 2], [3, 4], [5, 6], [6, 7], [7], [8], [1, 9], [2]];
    for (const [index, ids] of batches.entries()) {
      const n = String(index);
      await applyTo(fixture, {
        item: ids.map((id) =>
          row(index, [id], { id: String(id), code: String(-id), n }),
        ),
      });
      for (const id of ids) {
        expected.set(id, [String(id), String(-id), n]);
      }
    }
    expect(
      await fixture.rows('select id, code, n from item order by id'),
    ).toEqual(
      [...expected.values()].toSorted(([a], [b]) => Number(a) - Number(b)),
    );
    const stranger = row(90, [10], { id: '10', code: '-3', n: '0' });
    expect([
      await codeOf(
        applyTo(fixture, {
          item: [row(80, [11], { id: '11', code: '11', n: '0' })],
        }),
      ),
      await codeOf(applyTo(fixture, { item: [stranger] })),
      await fixture.rows('select code from item where id in (3, 10)'),
    ]).toEqual(['written', 'E4013', [['-3']]]);
  });

  test.each(['latin1', 'utf8mb3'])(
    'a key with a character that %s lacks is refused, and not taken for one with a question mark',
    async (charset) => {
      await using fixture = await mysqlFixture(product, { fewRows });
      const key = `"\u{1F600}x"`;
      for (const unique of ['', 'unique']) {
        await fixture.sql(
          `create or replace table item (k varchar(20) character set ${charset} collate ${charset}_bin primary key, n int ${unique})`.replace(
            product === 'mysql' ? 'or replace ' : '\0',
            '',
          ),
        );
        await fixture.sql(`insert into item values ('?x', 1)`);
        expect([
          await codeOf(
            applyTo(fixture, { item: [row(1, [key], { k: key, n: '2' })] }),
          ),
          await codeOf(applyTo(fixture, { item: [row(2, [key], null)] })),
          await fixture.rows('select k, n from item'),
        ]).toEqual(['E4006', 'E4006', [['?x', '1']]]);
        if (product === 'mysql') {
          await fixture.sql('drop table item');
        }
      }
    },
  );

  test('keys of which the target sees the beginning only are refused where they begin alike', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    const exact =
      product === 'mysql' ? 'utf8mb4_0900_bin' : 'utf8mb4_nopad_bin';
    for (const [index, type] of [
      `varchar(30) collate ${exact}`,
      'varchar(30) collate utf8mb4_bin',
      'blob',
    ].entries()) {
      const item = `item${index}`;
      await fixture.sql(
        `create table ${item} (k ${type} not null, n int, primary key (k(4)))`,
      );
      const put = (...keys: string[]) =>
        codeOf(
          applyTo(fixture, {
            [item]: keys.map((key) =>
              row(1, [key], { k: key, n: String(keys.length) }),
            ),
          }),
        );
      expect([
        await put('"aaaa1"'),
        await put('"aaaa2"'),
        await put('"bbbb1"', '"bbbb2"'),
        await fixture.rows(`select cast(k as char), n from ${item}`),
      ]).toEqual(['written', 'E4013', 'E4013', [['aaaa1', '1']]]);
    }
  });

  test('a key that folds into one of another transaction, not committed yet, is refused', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql(
      'create table item (k varchar(20) collate utf8mb4_general_ci primary key, n int)',
    );
    const table = (await shapeOf(fixture)).tables.get('item')!;
    const applier = createApplier({ collapse: true });
    await using first = await fixture.target.begin();
    await applier.apply(
      [{ table, mutations: [row(1, ['"A"'], { k: '"A"', n: '1' })] }],
      first,
      never,
    );
    await using second = await fixture.target.begin();
    const merged = codeOf(
      applier.apply(
        [{ table, mutations: [row(1, ['"a"'], { k: '"a"', n: '2' })] }],
        second,
        never,
      ),
    );
    await expect
      .poll(() => second.waitsForLock(), { timeout: 20_000 })
      .toBe(true);
    await first.commit(null);
    expect(await merged).toBe('E4013');
    await second[Symbol.asyncDispose]();
    expect(await fixture.rows('select k, n from item')).toEqual([['A', '1']]);
  });

  test('a time that the server sets by itself stays the one of the source', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    const changed =
      'changed timestamp(6) null default current_timestamp(6) on update current_timestamp(6)';
    await fixture.database.sql(`
      create table plain (id int primary key, n int, ${changed});
      create table node (id int primary key, up int, code int unique, n int, ${changed}, foreign key (up) references node (id));
      create table pass (id int primary key, code int not null unique, up int, ${changed}, foreign key (up) references pass (id))`);
    const time = '"2020-01-01T00:00:00Z"';
    const link = (second: number, id: string, up: string, code: string) =>
      row(second, [id], { id, up, code, changed: time });
    await applyTo(fixture, {
      plain: [row(1, [1], { id: '1', n: '1', changed: time })],
      node: [link(1, '1', '2', '1'), link(1, '2', '1', '2')],
      pass: [link(1, '1', '2', '1'), link(1, '2', '1', '2')],
    });
    await applyTo(fixture, {
      plain: [row(2, [1], { id: '1', n: '2' })],
      node: [row(2, [1], { id: '1', n: '2' })],
    });
    const swapped = (up: string | undefined) =>
      ['1', '2'].map((id) =>
        row(3, [id], {
          id,
          code: id === '1' ? '2' : '1',
          ...(up !== undefined && { up }),
        }),
      );
    await applyTo(
      fixture,
      { node: swapped('2'), pass: swapped('2') },
      { order: 'deletes-first' },
    );
    const expected = '2020-01-01 00:00:00.000000';
    for (const table of ['plain', 'node', 'pass']) {
      expect([
        table,
        await fixture.rows(`select distinct changed from ${table}`),
      ]).toEqual([table, [[expected]]]);
    }
  });

  test('a row that is there takes some columns though others may not be null and have no default', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    for (const [index, more] of [
      '',
      ', unique (n)',
      ', foreign key (up) references item2 (id)',
    ].entries()) {
      const item = `item${index}`;
      await fixture.sql(
        `create table ${item} (id int primary key, up int not null, name varchar(5) not null, n int${more})`,
      );
      const one = { id: '1', up: '1', name: '"x"', n: '1' };
      await applyTo(fixture, { [item]: [row(1, [1], one)] });
      await applyTo(fixture, { [item]: [row(2, [1], { id: '1', n: '2' })] });
      expect([
        await codeOf(
          applyTo(fixture, {
            [item]: [
              row(3, [1], { id: '1', n: '3' }),
              row(3, [2], { id: '2', n: '4' }),
            ],
          }),
        ),
        await fixture.rows(`select id, up, name, n from ${item}`),
      ]).toEqual(['E4005', [['1', '1', 'x', '2']]]);
    }
  });

  test.each(['null', 'not null'])(
    'rows of one table that carry different columns may refer to one another (%s)',
    async (nullable) => {
      await using fixture = await mysqlFixture(product, { fewRows });
      await fixture.sql(
        `create table node (id int primary key, up int ${nullable}, note text, foreign key (up) references node (id))`,
      );
      const whole = (second: number, id: number, up: number) =>
        row(second, [id], {
          id: String(id),
          up: String(up),
          note: `"n${id}"`,
        });
      await applyTo(fixture, { node: [whole(1, 1, 1), whole(1, 2, 2)] });
      await applyTo(fixture, {
        node: [row(2, [1], { id: '1', up: '3' }), whole(2, 3, 3)],
      });
      const missing = {
        node: [row(3, [2], { id: '2', up: '9' }), whole(3, 4, 4)],
      };
      expect(await codeOf(applyTo(fixture, missing))).toBe('E4004');
      expect(
        await fixture.rows('select id, up, note from node order by id'),
      ).toEqual([
        ['1', '3', 'n1'],
        ['2', '2', 'n2'],
        ['3', '3', 'n3'],
      ]);
    },
  );

  test('of a row that waits for its parent no older version comes after a newer one', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql(
      'create table node (id int primary key, up int, note text, foreign key (up) references node (id))',
    );
    await fixture.sql(`insert into node values (1, null, 'old')`);
    const failure = codeOf(
      applyTo(
        fixture,
        {
          node: [
            row(1, [1], { id: '1', up: '2', note: '"older"' }),
            row(2, [1], { id: '1', up: 'null', note: '"newer"' }),
            row(3, [2], { id: '2', up: 'null', note: '"late"' }),
          ],
        },
        { collapse: false },
      ),
    );
    expect(await failure).toBe('E4004');
    expect(await fixture.rows('select id, note from node')).toEqual([
      ['1', 'old'],
    ]);
  });

  test('rows whose key is a FLOAT are found again', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql('create table item (k float primary key, n int unique)');
    const keys = ['0.1', '-1.7', '3.25', '1e10'];
    for (const n of [10, 20]) {
      await applyTo(fixture, {
        item: keys.map((k, index) => row(n, [k], { k, n: String(n + index) })),
      });
    }
    await applyTo(fixture, {
      item: keys.slice(1).map((k) => row(30, [k], null)),
    });
    expect(await fixture.rows('select k, n from item')).toEqual([
      ['0.1', '20'],
    ]);
  });

  test('a delete in a table that refers to itself waits for no other row', async () => {
    await using fixture = await mysqlFixture(product, { fewRows });
    await fixture.sql(
      'create table node (id int primary key, up int not null, n int, foreign key (up) references node (id))',
    );
    await fixture.sql(
      // Of a few rows the server would read all, whatever it is asked.
      `insert into node values (1, 1, 0), (2, 1, 0), (3, 2, 0), ${Array.from({ length: 200 }, (_, index) => `(${index + 4}, ${index + 4}, 0)`).join(', ')}`,
    );
    const table = (await shapeOf(fixture)).tables.get('node')!;
    await using other = await fixture.target.begin();
    await createApplier({ collapse: true }).apply(
      [{ table, mutations: [row(1, [4], { id: '4', up: '4', n: '1' })] }],
      other,
      never,
    );
    await applyTo(fixture, {
      node: [1, 2, 3].map((id) => row(1, [id], null)),
    });
    await other.commit(null);
    expect(
      await fixture.rows('select min(id), sum(n), count(*) from node'),
    ).toEqual([['4', '1', '200']]);
  });
});

describe.each(MYSQL_PRODUCTS)('%s', (product) => {
  test('drops no temporary table that holds rows to be written', async () => {
    await using fixture = await mysqlFixture(product, { fewRows: 0 });
    await using target = await fixture.reopen({ poolSize: 1 });
    const others = Array.from({ length: 63 }, (_, index) => `other${index}`);
    await fixture.database.sql(
      [
        'create table item (id int primary key, code int not null unique)',
        ...others.map((name) => `create table ${name} (id int primary key)`),
      ].join(';'),
    );
    const { tables } = await shapeOf(fixture);
    const item = (second: number, codes: readonly number[]) => ({
      item: codes.map((code, index) =>
        row(second, [index + 1], {
          id: String(index + 1),
          code: String(code),
        }),
      ),
    });
    await applyTo(fixture, item(1, [1, 2]), { target });
    await using transaction = await target.begin();
    const applier = createApplier({ collapse: true });
    await applier.apply(
      others.map((name) => ({
        table: tables.get(name)!,
        mutations: [row(1, [1], { id: '1' })],
      })),
      transaction,
      never,
    );
    await transaction.commit(null);
    await applyTo(fixture, item(2, [2, 1]), { target, order: 'deletes-first' });
    expect(await fixture.rows('select id, code from item order by id')).toEqual(
      [
        ['1', '2'],
        ['2', '1'],
      ],
    );
  });

  test('rows in several packets may refer to one another, and no file need cross', async () => {
    await using server = await startMysqlServer({
      product,
      fsync: false,
      settings: {
        max_allowed_packet: '1M',
        local_infile: 'OFF',
        completion_type: 'RELEASE',
      },
    });
    const client = await mysql.createConnection({
      uri: server.url(),
      multipleStatements: true,
    });
    try {
      await client.query(`
        create database shop;
        create table shop.loose (id int primary key, up int, body longtext, foreign key (up) references loose (id));
        create table shop.tight (id int primary key, up int not null, body longtext, foreign key (up) references tight (id))`);
      await using target = await openTarget({
        ...defaultTargetOptions,
        url: server.url('shop'),
      });
      const schema = schemaName(['shop']);
      const body = `"${'x'.repeat(100_000)}"`;
      const ids = Array.from({ length: 24 }, (_, index) => index + 1);
      for (const second of [1, 2]) {
        await applyTo(
          { target, schema },
          {
            loose: ids.map((id) =>
              row(second, [id], {
                id: String(id),
                up: String((id % ids.length) + 1),
                body,
              }),
            ),
            tight: ids.map((id) =>
              row(second, [id], {
                id: String(id),
                up: String(Math.min(id + 1, ids.length)),
                body,
              }),
            ),
          },
        );
      }
      const [counts] = await client.query<mysql.RowDataPacket[]>(
        'select (select count(distinct up) from shop.loose) as loose, (select count(distinct up) from shop.tight) as tight',
      );
      expect(counts).toEqual([{ loose: 24, tight: 23 }]);
    } finally {
      await client.end();
    }
  });
});
