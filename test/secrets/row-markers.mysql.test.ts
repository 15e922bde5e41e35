/**
 * No value of a row leaves the daemon below trace, whatever MySQL or MariaDB
 * says of it, but for the primary key; dead letters hold the row.
 */
import { expect, test } from 'vitest';
import {
  MYSQL_PRODUCTS,
  type MysqlTestDatabase,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
import { marked, markedHouse, markersIn } from '../support/row-markers.ts';
import {
  expectLetterAloneShowsRow,
  expectRefusalsShowNoRow,
} from './marked-rows.ts';

/** A table `t (id, …)` that refuses its row, and the row's other columns. */
interface Case {
  readonly sql: readonly string[];
  readonly row: Readonly<Record<string, unknown>>;
}

const quoted = marked.text.replaceAll("'", "''");

const trigger = (body: string): readonly string[] => [
  'create table t (id bigint primary key, v text)',
  `create trigger refused before insert on t for each row begin ${body} end`,
];

const column = (type: string, value: unknown): Case => ({
  sql: [`create table t (id bigint primary key, v ${type})`],
  row: { v: value },
});

const cases: Readonly<Record<string, Case>> = {
  'a check of a whole wide row': {
    sql: [
      `create table t (id bigint primary key, i bigint, n decimal(30, 10), f double, v text, d date, ts datetime(6), u char(36), b blob, j json, never bool, check (never = 1))`,
    ],
    row: {
      i: marked.int,
      n: marked.decimal,
      f: marked.float,
      v: marked.text,
      d: marked.date,
      ts: marked.timestamp,
      u: marked.uuid,
      b: marked.bytes,
      j: marked.json,
      never: false,
    },
  },
  'a null that is not allowed': {
    sql: ['create table t (id bigint primary key, v text, w int not null)'],
    row: { v: marked.text, w: null },
  },
  'a unique value': {
    sql: [
      'create table t (id bigint primary key, v varchar(200) unique)',
      `insert into t values (1, '${quoted}')`,
    ],
    row: { v: marked.text },
  },
  'a unique number': {
    sql: [
      'create table t (id bigint primary key, v bigint, w date, unique (v, w))',
      `insert into t values (1, ${marked.int}, '${marked.date}')`,
    ],
    row: { v: marked.int, w: marked.date },
  },
  'a parent that is missing': {
    sql: [
      'create table p (v varchar(200) primary key)',
      'create table t (id bigint primary key, v varchar(200), foreign key (v) references p (v))',
    ],
    row: { v: marked.text },
  },
  'a generated column': {
    sql: [
      'create table t (id bigint primary key, v text, w date generated always as (cast(v as date)) stored)',
    ],
    row: { v: marked.text },
  },
  'a partition that is missing': {
    sql: [
      'create table t (id bigint primary key, v text) partition by range (id) (partition p values less than (5))',
    ],
    row: { v: marked.text },
  },
  'a text too long': column('varchar(5)', marked.text),
  'a blob too long': column('tinyblob', `\\x${'4d61726b64'.repeat(60)}`),
  'a number out of range': column('smallint', marked.int),
  'a decimal out of range': column('decimal(4,2)', marked.decimal),
  'a float out of range': column('float', '7345019373450193e300'),
  'no number': column('int', marked.text),
  'no decimal': column('decimal(10,2)', marked.text),
  'no float': column('double', marked.text),
  'no date': column('date', marked.text),
  'a date out of range': column('date', '73450193-04-05'),
  'a time out of range': column('time', '73450193:45:09'),
  'no timestamp': column('timestamp', marked.text),
  'a year out of range': column('year', marked.int),
  'no label': column(`enum('calm')`, marked.text),
  'no set': column(`set('calm')`, marked.text),
  'no bits': column('bit(3)', marked.text),
  'no point': column('point', marked.text),
  'no character of the column': column(
    'varchar(100) character set latin1',
    `Markd 73450193 漢`,
  ),
  'a trigger that quotes it': {
    sql: trigger(
      `declare m varchar(128) default concat('no ', left(new.v, 60)); signal sqlstate '45000' set message_text = m;`,
    ),
    row: { v: marked.text },
  },
  'a trigger that seems to be the server': {
    sql: trigger(
      `declare m varchar(128) default left(new.v, 60); signal sqlstate 'HY000' set mysql_errno = 1021, message_text = m, constraint_name = m, table_name = m, column_name = m;`,
    ),
    row: { v: marked.text },
  },
  'a trigger that seems to know a column': {
    sql: trigger(
      `declare m varchar(128) default concat(left(new.v, 14), ' is incorrect for column ''v'''); signal sqlstate '22007' set mysql_errno = 1366, message_text = m;`,
    ),
    row: { v: marked.text },
  },
  'a trigger that seems to know a key': {
    sql: trigger(
      `declare m varchar(128) default concat('Duplicate entry ''', left(new.v, 14), ''' for key ''email'''); signal sqlstate '23000' set mysql_errno = 1062, message_text = m;`,
    ),
    row: { v: marked.text },
  },
  'a trigger whose statement fails on it': {
    sql: [
      'create table other (d date)',
      ...trigger('insert into other values (new.v);'),
    ],
    row: { v: marked.text },
  },
  'a trigger that writes it elsewhere': {
    sql: [
      'create table other (v varchar(200) unique)',
      `insert into other values ('${quoted}')`,
      ...trigger('insert into other values (new.v);'),
    ],
    row: { v: marked.text },
  },
};

const names = Object.keys(cases);

async function withCases(
  database: MysqlTestDatabase,
  stack: AsyncDisposableStack,
): Promise<string[]> {
  const schemas: string[] = [];
  for (const [index, name] of names.entries()) {
    const schema = `${database.name}_c${index}`;
    await database.query(`create database ${schema} character set utf8mb4`);
    stack.defer(async () => {
      await database.query(`drop database ${schema}`);
    });
    // A pool has several sessions: one script holds them together.
    await database.sql(
      [`use ${schema}`, ...cases[name]!.sql, `use ${database.name}`].join(
        ';\n',
      ),
    );
    schemas.push(schema);
  }
  return schemas;
}

const timeoutMs = 300_000;

test.for(
  MYSQL_PRODUCTS.flatMap((product) =>
    (['halt', 'deadLetter'] as const).map(
      (onRowError) => [product, onRowError] as const,
    ),
  ),
)(
  'on %s with --onRowError %s no failure of a row shows more of it than its key',
  { timeout: timeoutMs },
  async ([product, onRowError]) => {
    await using database = await testMysqlDatabase(product);
    await using stack = new AsyncDisposableStack();
    const schemas = await withCases(database, stack);
    await using house = await markedHouse([
      `--targetConn=${database.url}`,
      `--onRowError=${onRowError}`,
    ]);
    for (const [index, name] of names.entries()) {
      await house.send(`/${schemas[index]}`, 't', {
        key: [7],
        after: { id: 7, ...cases[name]!.row },
      });
    }
    const unsettled = async (): Promise<string[]> => {
      const health = await house.health();
      const letters =
        onRowError === 'halt'
          ? []
          : (
              await database.query(
                `select table_schema from information_schema.tables where table_name = 'replicator_dlq'`,
              )
            ).map(([schema]) => schema);
      return names.filter((_, index) => {
        const schema = schemas[index]!;
        return !letters.includes(schema) && !health.includes(`${schema}:`);
      });
    };
    await expect.poll(unsettled, { timeout: 180_000 }).toEqual([]);
    expect(markersIn(await house.said())).toEqual([]);
  },
);

test.for(MYSQL_PRODUCTS)(
  'dead letters of %s hold the row, and neither their cause nor their list does',
  { timeout: timeoutMs },
  async (product) => {
    await using database = await testMysqlDatabase(product);
    await database.sql(
      cases['a trigger that seems to know a key']!.sql.join(';\n'),
    );
    await using house = await markedHouse([
      `--targetConn=${database.url}`,
      '--onRowError=deadLetter',
    ]);
    await house.send(`/${database.name}`, 't', {
      key: [7],
      after: { id: 7, v: marked.text },
    });
    await expectLetterAloneShowsRow(house, database.url, database.name);
  },
);

test('a request that is refused shows no value of its rows', async () => {
  await using database = await testMysqlDatabase('mariadb');
  await database.query('create table t (id bigint primary key, v text)');
  await using house = await markedHouse([`--targetConn=${database.url}`]);
  await expectRefusalsShowNoRow(house, `/${database.name}`);
});
