import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { type TestDatabase, testDatabase } from '../support/test-database.ts';
import { Arena, until } from './arena.ts';
import { HandFeed } from './hand-feed.ts';

async function items(db: TestDatabase): Promise<string[]> {
  const { rows } = await db.query(
    'select to_jsonb(item)::text as row from item order by 1',
  );
  return rows.map((found) => found['row'] as string);
}

async function counter(arena: Arena, name: string): Promise<number> {
  const response = await fetch(`${arena.daemon.metricsUrl}/_/varz`);
  const text = await response.text();
  const values = [
    ...text.matchAll(new RegExp(`^${name}(?:\\{[^\\n]*\\})? (\\S+)`, 'gm')),
  ];
  return values.reduce((sum, match) => sum + Number(match[1]), 0);
}

test('rows at or below the applied watermark are taken for redeliveries and change nothing', async () => {
  await using db = await testDatabase();
  await db.query('create table item (id int8 primary key, v text)');
  await using arena = await Arena.open({ targetUrl: db.url });
  await arena.start();
  using feed = new HandFeed(arena.url);
  const first = { key: [1], after: { id: 1, v: 'first' }, at: 10 };
  const second = { key: [1], after: { id: 1, v: 'second' }, at: 20 };
  expect(await feed.rows(first, second)).toMatchObject({ status: 200 });
  expect(
    await feed.rows(
      { key: [2], after: { id: 2, v: 'gone' }, at: 21 },
      { key: [2], after: null, at: 22 },
    ),
  ).toMatchObject({ status: 200 });
  await feed.resolved(30);
  await until('the rows are there', async () => (await items(db)).length === 1);
  // The whole history once more, as after a restart of the changefeed, and
  // across a restart of the daemon too.
  for (const restart of [false, true]) {
    if (restart) {
      await arena.kill();
      await arena.start();
    }
    expect(await feed.rows(first)).toMatchObject({ status: 200 });
    expect(
      await feed.rows({ key: [2], after: { id: 2, v: 'gone' }, at: 21 }),
    ).toMatchObject({ status: 200 });
    const at = restart ? 50 : 40;
    await feed.rows({ key: [3], after: { id: 3, v: `${at}` }, at });
    await feed.resolved(at);
    await until('the newest row is there', async () =>
      (await items(db)).some((row) => row.includes(`"${at}"`)),
    );
    expect(await items(db)).toEqual(
      [`{"v": "second", "id": 1}`, `{"v": "${at}", "id": 3}`].toSorted(),
    );
    expect(await counter(arena, 'stage_duplicate_mutations_total')).toBe(2);
  }
});

test('a resolved timestamp that goes backwards is accepted, ignored and counted', async () => {
  await using db = await testDatabase();
  await db.query('create table item (id int8 primary key, v text)');
  await using arena = await Arena.open({ targetUrl: db.url });
  await arena.start();
  using feed = new HandFeed(arena.url);
  await feed.rows({ key: [1], after: { id: 1, v: 'a' }, at: 10 });
  await feed.resolved(30);
  await until('the row is there', async () => (await items(db)).length === 1);
  expect(await feed.resolved(20)).toMatchObject({ status: 200 });
  expect(
    await counter(arena, 'checkpoint_proposed_going_backwards_errors_total'),
  ).toBe(1);
  await feed.rows({ key: [2], after: { id: 2, v: 'b' }, at: 35 });
  await sleep(300);
  expect((await items(db)).length).toBe(1);
  await feed.resolved(40);
  await until(
    'the next row is there',
    async () => (await items(db)).length === 2,
  );
  expect(arena.daemon.logs()).toMatch(/backward/);
});

test('a table and a column that appear at the target while running are found', async () => {
  await using db = await testDatabase();
  await db.query('create table item (id int8 primary key, v text)');
  await using arena = await Arena.open({ targetUrl: db.url });
  await arena.start();
  using feed = new HandFeed(arena.url);
  await feed.rows({ key: [1], after: { id: 1, v: 'a' }, at: 10 });
  await feed.resolved(11);
  await until('the row is there', async () => (await items(db)).length === 1);

  const withColumn = {
    key: [1],
    after: { id: 1, v: 'a', added: 12.5 },
    at: 20,
  };
  const refused = await feed.rows(withColumn);
  expect(refused.status).toBeGreaterThanOrEqual(400);
  expect(refused.body).toMatch(/added/);
  await db.query('alter table item add column added numeric');
  await until(
    'the column is found',
    async () => (await feed.rows(withColumn)).status === 200,
  );

  const inNewTable = { topic: 'fresh', key: [7], after: { id: 7 }, at: 21 };
  const unknown = await feed.rows(inNewTable);
  expect(unknown.status).toBeGreaterThanOrEqual(400);
  expect(unknown.body).toMatch(/fresh/);
  await db.query('create table fresh (id int8 primary key)');
  await until(
    'the table is found',
    async () => (await feed.rows(inNewTable)).status === 200,
  );

  await feed.resolved(30);
  await until('both are applied', async () => {
    const { rows } = await db.query('select id from fresh');
    return rows.length === 1;
  });
  expect(await items(db)).toEqual(['{"v": "a", "id": 1, "added": 12.5}']);
});

test('a request with one row that cannot be taken is refused whole', async () => {
  await using db = await testDatabase();
  await db.query('create table item (id int8 primary key, v text)');
  await using arena = await Arena.open({ targetUrl: db.url });
  await arena.start();
  using feed = new HandFeed(arena.url);
  const good = { key: [1], after: { id: 1, v: 'a' }, at: 10 };
  const bad = { key: [2], after: { id: 2, nowhere: 1 }, at: 10 };
  const answer = await feed.rows(good, bad);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  await feed.resolved(20);
  await feed.rows({ key: [3], after: { id: 3, v: 'c' }, at: 25 });
  await feed.resolved(30);
  await until(
    'the later row is there',
    async () => (await items(db)).length > 0,
  );
  expect(await items(db)).toEqual(['{"v": "c", "id": 3}']);
});
