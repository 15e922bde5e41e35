/** From a slot to MySQL and MariaDB, through the real command. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mariadbTypes, mysqlTypes } from '../contract/types-mysql.ts';
import { sourceTypes, type SourceType } from '../contract/types-source.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
import type { MysqlProduct } from '../support/mysql-binaries.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import {
  slotHouse,
  type SlotHouse,
  type SlotTarget,
  startSlotServer,
  type TextRow,
} from '../support/slot-house.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startSlotServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function mysqlTarget(product: MysqlProduct): Promise<SlotTarget> {
  const database = await testMysqlDatabase(product);
  return {
    name: database.name,
    url: database.url,
    schema: database.name,
    sql: (text) => database.sql(text),
    rows: (text) => database.query(text),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The values of the contract that a PostgreSQL column of the type can hold. */
const unheld =
  /too l|more digits than|nine digits|U\+0000|unknown label|of the full length/;

/** Of values that no text of JSON is the source's text of. */
const ownTexts: Readonly<Record<string, string>> = {
  'a JSON null': 'null',
  '[9223372036854775807,null]': '{9223372036854775807,NULL}',
  '["a\\"b","c,d",null]': '{"a\\"b","c,d",NULL}',
  '{"n":1,"t":"a,\\"b\\""}': '(1,"a,""b""")',
  '[]': '{}',
};

interface Value {
  readonly name: string;
  readonly token: string;
  readonly sourceText: string;
}

const sourceNames: Readonly<Partial<Record<SourceType, string | null>>> = {
  composite: 'pair',
  enum: 'mood',
  'xml, ltree, tsvector, money, ranges, hstore': 'text',
  'geometry(Point, 4326)': null,
};

function valuesOf(type: SourceType): Value[] {
  return Object.entries<string>(sourceTypes[type])
    .filter(([name]) => !unheld.test(name))
    .map(([name, token]) => {
      const text =
        type !== 'jsonb' && token.startsWith('"')
          ? (JSON.parse(token) as string)
          : token;
      return {
        name,
        token: text,
        sourceText: ownTexts[name] ?? ownTexts[token] ?? text,
      };
    });
}

/** The server sorts the members of an object. */
function jsonbText(token: string): string {
  const object = sourceTypes.jsonb.object;
  return token === object
    ? '{"a": [9007199254740993, null, "é\\n"], "b": 1.0}'
    : token;
}

/** Each by its columns, as text and in order. */
async function expectSame(
  house: SlotHouse,
  tables: Readonly<Record<string, string>>,
): Promise<void> {
  await house.caughtUp();
  for (const [table, columns] of Object.entries(tables)) {
    const list = columns.split(' ');
    const [there, here] = await Promise.all([
      house.source.rows(
        `select ${list.map((name) => `${name}::text`).join()} from ${table}`,
      ),
      house.target.rows(`select ${list.join()} from ${table}`),
    ]);
    const inOrder = (rows: TextRow[]): string[] =>
      rows.map((row) => JSON.stringify(row)).toSorted();
    expect(inOrder(here), table).toEqual(inOrder(there));
  }
}

describe.for(MYSQL_PRODUCTS)('a slot brings to %s', (product) => {
  test('what docs/types.md says, of each type', async () => {
    const { cells } = product === 'mysql' ? mysqlTypes : mariadbTypes;
    const kinds = (Object.keys(sourceTypes) as SourceType[]).filter(
      (type) => sourceNames[type] !== null,
    );
    const stored: { table: string; id: number; text: string }[] = [];
    const refused: { table: string; text: string }[] = [];
    const expected: unknown[] = [];
    const sourceSetup = [
      `create type pair as (n int4, t text)`,
      `create type mood as enum ('happy', 'so so')`,
    ];
    const targetSetup: string[] = [];
    for (const [index, type] of kinds.entries()) {
      const { outcomes = {}, column } = cells[type]!;
      const addTable = (name: string): void => {
        sourceSetup.push(
          `create table ${name} (id int8 primary key, v ${sourceNames[type] ?? type})`,
        );
        targetSetup.push(
          `create table ${name} (id bigint primary key, v ${column})`,
        );
      };
      const table = `cell_${index}`;
      addTable(table);
      for (const [id, value] of valuesOf(type).entries()) {
        const { name, token, sourceText: text } = value;
        const outcome =
          outcomes[name] ?? (type === 'jsonb' ? jsonbText(token) : token);
        if (typeof outcome === 'string') {
          expected.push([type, name, outcome]);
          stored.push({ table, id, text });
        } else {
          const own = `refused_${refused.length}`;
          addTable(own);
          refused.push({ table: own, text });
        }
      }
      expected.push([type, 'null', null]);
    }
    await using house = await slotHouse({
      server,
      target: await mysqlTarget(product),
      sourceSetup: sourceSetup.join(';\n'),
      targetSetup: targetSetup.join(';\n'),
    });
    for (const { table, id, text } of stored) {
      await house.source.sql(
        `insert into ${table} values (${id}, ${literal(text)})`,
      );
    }
    for (const index of kinds.keys()) {
      await house.source.sql(`insert into cell_${index} values (100, null)`);
    }
    await house.caughtUp();
    const seen: unknown[] = [];
    for (const [index, type] of kinds.entries()) {
      const names = valuesOf(type).map(({ name }) => name);
      const rows = await house.target.rows(
        `select id, ${cells[type]!.read ?? 'v'} from cell_${index} order by id`,
      );
      for (const [id, text] of rows) {
        seen.push([type, names[Number(id)] ?? 'null', text]);
      }
    }
    expect(seen).toEqual(expected);

    expect(refused.length).toBeGreaterThan(5);
    for (const { table, text } of refused) {
      await house.source.sql(
        `insert into ${table} values (200, ${literal(text)})`,
      );
      expect(await house.complaint(new RegExp(`E4006 .*${table},`))).toContain(
        '[200]',
      );
      // The way out: a column that can hold it.
      await house.target.sql(`alter table ${table} modify v longtext`);
      await house.caughtUp();
      expect(await house.target.rows(`select v from ${table}`)).toHaveLength(1);
    }
  });

  test('types that only text can hold as PostgreSQL writes them', async () => {
    const values: [string, string][] = [
      ['int4range', '[1,5)'],
      ['tstzrange', '["2024-01-01 00:00:00+00",infinity)'],
      ['datemultirange', '{[2024-01-01,2024-01-05)}'],
      ['tsvector', `'a':1A 'b':2`],
      ['hstore', '"a"=>"1", "b c"=>NULL'],
      ['ltree', 'a.b.c'],
      ['citext', 'MiXed'],
      ['macaddr', '08:00:2b:01:02:03'],
      ['cidr', '10.0.0.0/8'],
      ['point', '(1.5,-2)'],
      ['pg_lsn', '16/B374D848'],
      ['int4[]', '[0:1]={1,2}'],
      ['money', '-1234.56'],
    ];
    await using house = await slotHouse({
      server,
      target: await mysqlTarget(product),
      sourceSetup: `create extension hstore; create extension ltree; create extension citext;
        create table texts (id int8 primary key, ${values.map(([type], index) => `v${index} ${type}`).join()})`,
      targetSetup: `create table texts (id bigint primary key, ${values.map((_, index) => `v${index} longtext`).join()})`,
    });
    await house.source.sql(
      `insert into texts values (1, ${values.map(([, text]) => literal(text)).join()}); insert into texts (id) values (2)`,
    );
    await expectSame(house, {
      texts: `id ${values
        .slice(0, -2)
        .map((_, index) => `v${index}`)
        .join(' ')}`,
    });
    // An array that does not begin at 1 is no JSON. Money is a number, without
    // the signs of a country.
    expect(
      await house.target.rows(
        `select v${values.length - 2}, v${values.length - 1} from texts where id = 1`,
      ),
    ).toEqual([['[0:1]={1,2}', '-1234.56']]);
  });

  test('rows, keys that move, large values, rows without a key and emptied tables', async () => {
    const tables = {
      item: 'id n txt',
      whole: 'id n txt',
      pair: 'a b n',
      bag: 'n name',
      parent: 'id',
      child: 'id parent_id',
    };
    const setup = (text: string): string => `
      create table item (id bigint primary key, n int, txt ${text});
      create table whole (id bigint primary key, n int, txt ${text});
      create table pair (a bigint, b varchar(20), n int, primary key (a, b));
      create table bag (n int, name varchar(20));
      create table parent (id bigint primary key);
      create table child (id bigint primary key, parent_id bigint, foreign key (parent_id) references parent (id))`;
    await using house = await slotHouse({
      server,
      target: await mysqlTarget(product),
      sourceSetup: `${setup('text')};
        alter table item alter txt set storage external;
        alter table whole replica identity full, alter txt set storage external;
        alter table bag replica identity full`,
      targetSetup: setup('longtext'),
    });
    const { source } = house;
    const statements = [
      `insert into item select g, g, repeat('x' || g, 5000) from generate_series(1, 20) g`,
      `insert into whole select * from item`,
      `update item set n = -n where id <= 10`,
      `update item set id = id + 100 where id <= 5`,
      `update item set id = 1, txt = null where id = 101`,
      `update whole set id = id + 100, n = null where id <= 5`,
      `delete from item where id = 20`,
      `insert into pair select g, 'k' || g, g from generate_series(1, 9) g`,
      `update pair set b = b || '!' where a < 4`,
      `update pair set a = a + 100 where a > 7`,
      `insert into bag values (1, 'a'), (1, 'a'), (null, null), (null, ''), (2, 'A')`,
      `update bag set name = 'b' where ctid = (select min(ctid) from bag)`,
      `delete from bag where n is null and name is null`,
      `insert into parent values (1), (2), (3)`,
      `insert into child values (1, 1), (2, 2), (3, null)`,
      `update child set parent_id = 3 where id = 1`,
      `delete from parent where id = 1`,
    ];
    for (const statement of statements) {
      await source.sql(statement);
    }
    await expectSame(house, tables);
    const empty = `truncate item, whole, pair, bag, parent, child`;
    await source.sql([empty, ...statements].join(';'));
    await expectSame(house, tables);
    // Two rows swap their keys, three pass them on in a circle.
    await source.sql(
      `update item set id = 0 where id = 6; update item set id = 6 where id = 7; update item set id = 7 where id = 0;
       update item set id = id + 1000 where id in (11, 12, 13);
       update item set id = case id when 1011 then 12 when 1012 then 13 else 11 end, n = 0 where id > 1000`,
    );
    await expectSame(house, tables);
    await house.kill();
    await source.sql(empty);
    for (const statement of statements) {
      await source.sql(statement);
    }
    await source.sql(
      `update item set id = id + 1000; insert into item values (1, 1, 'again')`,
    );
    await house.start({ waitFor: 'listening' });
    await expectSame(house, tables);
    await source.sql('truncate parent cascade; insert into parent values (7)');
    await expectSame(house, tables);
  });
});
