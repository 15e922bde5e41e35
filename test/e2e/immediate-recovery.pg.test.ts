import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, test } from 'vitest';
import { eventually, openStage, row } from '../support/stage.ts';

test('rows acknowledged in consistent mode survive a resolved timestamp that comes while immediate mode recovers them', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v text)',
  );
  await stage.start();
  expect((await stage.rows(row('t', 1, [1], { id: 1, v: 'a' }))).status).toBe(
    200,
  );
  await stage.kill();
  const locker = new pg.Client({ connectionString: stage.database.url });
  await locker.connect();
  await locker.query('begin; lock table t in exclusive mode');
  await stage.start(['--immediate', '--httpResponseTimeout=1s']);
  await sleep(500);
  // 200 or 503: what matters is that the watermark does not pass the row.
  await stage.resolve(10);
  await stage.kill();
  await locker.end();
  await stage.start(['--immediate']);
  const { rows } = await eventually(
    () => stage.database.query('select id from t'),
    (found) => found.rows.length === 1,
  );
  expect(rows).toEqual([{ id: 1 }]);
});

test('rows acknowledged in consistent mode reach the target when immediate mode keeps no guard (--assumeIdempotent)', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v text)',
  );
  await stage.start();
  await stage.rows(row('t', 1, [1], { id: 1, v: 'a' }));
  await stage.kill();
  await stage.start(['--immediate', '--assumeIdempotent']);
  const { rows } = await eventually(
    () => stage.database.query('select id from t'),
    (found) => found.rows.length === 1,
  );
  expect(rows).toEqual([{ id: 1 }]);
});

test('a row that the target refused does not keep immediate mode from serving others after a restart', async () => {
  await using stage = await openStage(
    "create table t (id int primary key, v text check (v <> 'bad')); create table u (id int primary key)",
  );
  const args = ['--immediate', '--httpResponseTimeout=30s'];
  await stage.start(args);
  expect((await stage.rows(row('u', 1, [1], { id: 1 }))).status).toBe(200);
  expect(
    (await stage.rows(row('t', 2, [2], { id: 2, v: 'bad' }))).status,
  ).not.toBe(200);
  expect((await stage.rows(row('u', 3, [3], { id: 3 }))).status).toBe(200);
  await stage.kill();
  await stage.start(args);
  const answer = await eventually(
    () => stage.rows(row('u', 4, [4], { id: 4 })),
    ({ status }) => status === 200,
  );
  expect(answer.text).toBe('OK\n');
  expect(stage.daemon.logs()).toMatch(
    /1 staged row of t refused again, left out until the sender brings them: E4005/,
  );
});
