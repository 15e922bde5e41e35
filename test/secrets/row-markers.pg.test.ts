/**
 * No value of a row leaves the daemon below trace, whatever PostgreSQL says of
 * it, but for the primary key; dead letters hold the row.
 */
import { describe, expect, test } from 'vitest';
import { marked, markedHouse, markersIn } from '../support/row-markers.ts';
import {
  expectLetterAloneShowsRow,
  expectRefusalsShowNoRow,
} from './marked-rows.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';

/** A table `t (id, …)` that refuses its row, and the row's other columns. */
interface Case {
  readonly sql: string;
  readonly row: Readonly<Record<string, unknown>>;
  readonly table?: string;
}

const trigger = (body: string, columns = 'v text'): string => `
  create table t (id int8 primary key, ${columns});
  create function refuse() returns trigger language plpgsql as $body$
    begin ${body} return new; end $body$;
  create trigger refused before insert or update on t
    for each row execute function refuse()`;

const column = (type: string, value: unknown): Case => ({
  sql: `create table t (id int8 primary key, v ${type})`,
  row: { v: value },
});

const cases: Readonly<Record<string, Case>> = {
  'a check': {
    sql: `create table t (id int8 primary key, v text check (v not like 'Markd%'), d date, n numeric)`,
    row: { v: marked.text, d: marked.date, n: marked.decimal },
  },
  'a check of a whole wide row': {
    sql: `create table t (id int8 primary key, i int8, n numeric, f float8, v text, d date, ts timestamptz, u uuid, b bytea, j jsonb, a text[], ip inet, never bool check (never))`,
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
      a: marked.array,
      ip: marked.inet,
      never: false,
    },
  },
  'a null that is not allowed': {
    sql: 'create table t (id int8 primary key, v text, w int not null)',
    row: { v: marked.text, w: null },
  },
  'a unique value': {
    sql: `create table t (id int8 primary key, v text unique);
      insert into t values (1, '${marked.text.replaceAll("'", "''")}')`,
    row: { v: marked.text },
  },
  'a unique number': {
    sql: `create table t (id int8 primary key, v int8, w date, unique (v, w));
      insert into t values (1, ${marked.int}, '${marked.date}')`,
    row: { v: marked.int, w: marked.date },
  },
  'an exclusion': {
    sql: `create table t (id int8 primary key, v inet, exclude using gist (v inet_ops with &&));
      insert into t values (1, '${marked.inet}')`,
    row: { v: marked.inet },
  },
  'a parent that is missing': {
    sql: `create table p (v text primary key); create table t (id int8 primary key, v text references p)`,
    row: { v: marked.text },
  },
  'a domain': {
    sql: `create domain calm as text check (value not like 'Markd%');
      create table t (id int8 primary key, v calm)`,
    row: { v: marked.text },
  },
  'a generated column': {
    sql: `create table t (id int8 primary key, v text, w int generated always as (v::int) stored)`,
    row: { v: marked.text },
  },
  'an index on an expression': {
    sql: `create table t (id int8 primary key, v text); create index on t ((v::int))`,
    row: { v: marked.text },
  },
  'a partition that is missing': {
    sql: `create table t (id int8, v text, primary key (id)) partition by range (id);
      create table t1 partition of t for values from (1000) to (2000)`,
    row: { v: marked.text },
  },
  'a text too long': column('varchar(5)', marked.text),
  'a text too long for an index': {
    sql: 'create table t (id int8 primary key, v text); create index on t (v)',
    row: {
      v: Array.from(
        { length: 6000 },
        (_, at) => `${marked.text}${at * 7919}`,
      ).join(),
    },
  },
  'a number out of range': column('int2', marked.int),
  'a decimal out of range': column('numeric(4,2)', marked.decimal),
  'a float out of range': column('float4', '7345019373450193e300'),
  'no number': column('int4', marked.text),
  'no decimal': column('numeric', marked.text),
  'no float': column('float8', marked.text),
  'no boolean': column('bool', marked.text),
  'no date': column('date', marked.text),
  'a date out of range': column('date', '73450193-04-05'),
  'a time out of range': column('time', marked.time),
  'no timestamp': column('timestamptz', marked.text),
  'no interval': column('interval', marked.text),
  'no uuid': column('uuid', marked.text),
  'no bytes': column('bytea', '\\x4d61726b64zz'),
  'no address': column('inet', marked.text),
  'no point': column('point', marked.text),
  'no range': column('int4range', marked.text),
  'no array': column('int4[]', marked.array),
  'no bits': column('bit(3)', marked.text),
  'no money': column('money', marked.text),
  'no tsquery': column('tsquery', marked.text),
  'no xml': column('xml', `<Markd>${marked.text}`),
  'no jsonpath': column('jsonpath', marked.text),
  'no relation': column('regclass', marked.text),
  'no schema': column('regnamespace', 'Markd'),
  'no label of an enum': {
    sql: `create type mood as enum ('calm'); create table t (id int8 primary key, v mood)`,
    row: { v: marked.text },
  },
  'a trigger that quotes it': {
    sql: trigger(`raise exception 'no % here', new.v;`),
    row: { v: marked.text },
  },
  'a trigger that quotes the row in all fields': {
    sql: trigger(
      `raise exception using errcode = 'check_violation', message = new.v, detail = new.v, hint = new.v, column = new.v, constraint = new.v, datatype = new.v, table = new.v, schema = new.v;`,
    ),
    row: { v: marked.text },
  },
  'a trigger that seems to be the server': {
    sql: trigger(`raise exception '%', new.v using errcode = '53100';`),
    row: { v: marked.text },
  },
  'a trigger that seems to be a lost connection': {
    sql: trigger(`raise exception '%', new.v using errcode = '08006';`),
    row: { v: marked.text },
  },
  'a trigger whose statement fails on it': {
    sql: trigger(`perform new.v::int;`),
    row: { v: marked.text },
  },
  'a trigger that runs it as a statement': {
    sql: trigger(`execute 'select ' || quote_literal(new.v) || ' from Markd';`),
    row: { v: marked.text },
  },
  'a trigger that writes it elsewhere': {
    sql: `create table other (v text unique check (v is null)); ${trigger("execute format('insert into %I.other values ($1)', tg_table_schema) using new.v;")}`,
    row: { v: marked.text },
  },
  'a constraint that is looked at by the commit': {
    sql: `create table p (v text primary key);
      create table t (id int8 primary key, v text references p deferrable initially deferred)`,
    row: { v: marked.text },
  },
  'a trigger that refuses the commit': {
    sql: `create table t (id int8 primary key, v text);
      create function refuse() returns trigger language plpgsql as $body$
        begin raise exception '%', new.v using errcode = '40P01', hint = new.v; end $body$;
      create constraint trigger refused after insert on t deferrable initially deferred
        for each row execute function refuse()`,
    row: { v: marked.text },
  },
  'a trigger that warns with it': {
    sql: trigger(`raise warning '%', new.v; raise notice '%', new.v;`),
    row: { v: marked.text },
  },
};

/** Of these the server takes the row, and only warns. */
const isTaken = (name: string): boolean => name.includes('warns');

async function withCases(database: TestDatabase): Promise<string[]> {
  const names = Object.keys(cases);
  await database
    .query('create extension if not exists btree_gist')
    .catch(() => {});
  for (const [index, name] of names.entries()) {
    await database.query(
      `create schema c${index}; set search_path to c${index}; ${cases[name]!.sql}; reset search_path`,
    );
  }
  return names;
}

const timeoutMs = 300_000;

describe.each([
  ['halt', 'sqlite'],
  ['deadLetter', 'sqlite'],
  ['halt', 'postgres'],
] as const)('--onRowError %s, staging in %s', (onRowError, staging) => {
  test(
    'no failure of a row shows more of it than its key',
    { timeout: timeoutMs },
    async () => {
      await using database = await testDatabase();
      const names = await withCases(database);
      await using house = await markedHouse([
        `--targetConn=${database.url}`,
        `--onRowError=${onRowError}`,
        ...(staging === 'sqlite'
          ? []
          : [
              `--stagingConn=${database.url}`,
              `--stagingSchema=${database.name}.staging`,
              '--stagingCreateSchema',
            ]),
      ]);
      for (const [index, name] of names.entries()) {
        await house.send(`/${database.name}/c${index}`, 't', {
          key: [7],
          after: { id: 7, ...cases[name]!.row },
        });
      }
      const unsettled = async (): Promise<string[]> => {
        const health = await house.health();
        const letters =
          onRowError === 'halt'
            ? []
            : await openLetters(database, names.length);
        return names.filter(
          (name, index) =>
            !isTaken(name) &&
            !letters.includes(`c${index}`) &&
            !health.includes(`${database.name}.c${index}:`),
        );
      };
      await expect.poll(unsettled, { timeout: 120_000 }).toEqual([]);
      expect(markersIn(await house.said())).toEqual([]);
    },
  );
});

async function openLetters(
  database: TestDatabase,
  count: number,
): Promise<string[]> {
  const found: string[] = [];
  for (let index = 0; index < count; index++) {
    const { rows } = await database.query<{ found: string | null }>(
      `select to_regclass('c${index}.replicator_dlq')::text as found`,
    );
    if (rows[0]?.found) {
      const letters = await database.query(
        `select 1 from c${index}.replicator_dlq`,
      );
      if (letters.rows.length > 0) {
        found.push(`c${index}`);
      }
    }
  }
  return found;
}

test(
  'dead letters hold the row, and neither their cause nor their list does',
  { timeout: timeoutMs },
  async () => {
    await using database = await testDatabase();
    await database.query(
      trigger(`raise exception 'no % here', new.v;`, 'v text, n numeric'),
    );
    await using house = await markedHouse([
      `--targetConn=${database.url}`,
      '--onRowError=deadLetter',
    ]);
    await house.send(`/${database.name}/public`, 't', {
      key: [7],
      after: { id: 7, v: marked.text, n: marked.decimal },
    });
    await expectLetterAloneShowsRow(
      house,
      database.url,
      `${database.name}.public`,
    );
  },
);

test(
  'staging that fails with rows in its words shows none of them',
  { timeout: timeoutMs },
  async () => {
    await using database = await testDatabase();
    await database.query('create table t (id int8 primary key, v text)');
    await using house = await markedHouse([
      `--targetConn=${database.url}`,
      `--stagingConn=${database.url}`,
      `--stagingSchema=${database.name}.staging`,
      '--stagingCreateSchema',
    ]);
    const { rows } = await database.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'staging'`,
    );
    await database.query(`create function staging.refuse() returns trigger language plpgsql as $body$
      begin raise exception 'no % %', '${marked.text.replaceAll("'", "''")}', new
        using errcode = tg_argv[0], detail = new::text, hint = new::text; end $body$`);
    const path = `/${database.name}/public`;
    for (const state of [
      'P0001',
      '22P02',
      '23505',
      '53100',
      '08006',
      '42P01',
    ]) {
      for (const { name } of rows) {
        await database.query(
          `create trigger refused before insert or update on staging.${name} for each row execute function staging.refuse('${state}')`,
        );
      }
      await house.post(
        path,
        JSON.stringify({
          payload: [
            {
              topic: 't',
              key: [7],
              updated: `${BigInt(Date.now()) * 1_000_000n}.0000000000`,
              after: { id: 7, v: marked.text },
            },
          ],
          length: 1,
        }),
      );
      for (const { name } of rows) {
        await database.query(`drop trigger refused on staging.${name}`);
      }
    }
    const said = await house.said();
    expect(said).toMatch(/"?(500|503)"? ?E200\d|E200\d/);
    expect(markersIn(said)).toEqual([]);
  },
);

test('a request that is refused shows no value of its rows', async () => {
  await using database = await testDatabase();
  await database.query('create table t (id int8 primary key, v text)');
  await using house = await markedHouse([`--targetConn=${database.url}`]);
  await expectRefusalsShowNoRow(house, `/${database.name}/public`);
});
