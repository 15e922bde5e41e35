import { expect, test } from 'vitest';
import { eventually, openStage, row } from '../support/stage.ts';

test('what a target forgets in a failover under a running daemon is applied again from staging', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v text)',
  );
  await stage.start();
  const { database } = stage;
  const ids = async () =>
    (await database.query<{ id: number }>('select id from t order by id')).rows
      .map(({ id }) => id)
      .join();
  await stage.rows(row('t', 1, [1], { id: 1, v: 'a' }));
  await stage.resolve(1);
  await eventually(ids, (found) => found === '1');
  const {
    rows: [before],
  } = await database.query('select applied from replicator_checkpoint');
  await stage.rows(row('t', 2, [2], { id: 2, v: 'b' }));
  await stage.resolve(2);
  await eventually(ids, (found) => found === '1,2');
  // What a replica that lagged behind looks like: rows and watermark of a
  // moment ago, and no connection outlives the change.
  await database.query('delete from t where id = 2');
  await database.query('update replicator_checkpoint set applied = $1', [
    before!['applied'],
  ]);
  await database.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'replicator' and datname = current_database()",
  );
  await stage.rows(row('t', 3, [3], { id: 3, v: 'c' }));
  await stage.resolve(3);
  expect(await eventually(ids, (found) => found === '1,2,3')).toBe('1,2,3');
});

test('a daemon that finds a watermark at the target and none in staging says that acknowledged rows may be lost', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v text)',
  );
  await stage.start();
  const { database } = stage;
  await stage.rows(row('t', 1, [1], { id: 1, v: 'a' }));
  await stage.resolve(1);
  await eventually(
    () => database.query('select id from t'),
    ({ rows }) => rows.length === 1,
  );
  expect(
    (await stage.rows(row('t', 2, [2], { id: 2, v: 'acked' }))).status,
  ).toBe(200);
  await stage.kill();
  // A container that came back without its volume.
  await stage.start([], `${stage.dataDir}-new`);
  await stage.rows(row('t', 3, [3], { id: 3, v: 'c' }));
  await stage.resolve(3);
  const health = await eventually(
    () => stage.health(),
    (text) => text !== 'OK\n',
    3_000,
  );
  expect(`${health}${stage.daemon.logs()}`).toMatch(/E3001|another staging/);
});
