import { expect, test } from 'vitest';
import { eventually, openStage, row } from '../support/stage.ts';

test('a value that does not fit is replaced by --valuePolicy, counted, and logged with the key of its row', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v varchar(3), n numeric(4,1))',
  );
  await stage.start(['--valuePolicy=t.v=clamp,public.t.n=null']);
  await stage.rows(
    row('t', 1, [1], { id: 1, v: 'abcd', n: 1.25 }),
    row('t', 1, [2], { id: 2, v: 'abc', n: 1.5 }),
  );
  await stage.resolve(1);
  const { rows } = await eventually(
    () => stage.database.query('select * from t order by id'),
    (found) => found.rows.length === 2,
  );
  expect(rows).toEqual([
    { id: 1, v: 'abc', n: null },
    { id: 2, v: 'abc', n: '1.5' },
  ]);

  const varz = await (await fetch(`${stage.daemon.metricsUrl}/_/varz`)).text();
  const place = `schema="${stage.database.name}.public",table="t"`;
  expect(
    varz
      .split('\n')
      .filter((line) => line.startsWith('replicator_values_replaced_total{'))
      .toSorted(),
  ).toEqual([
    `replicator_values_replaced_total{${place},column="n",policy="null"} 1`,
    `replicator_values_replaced_total{${place},column="v",policy="clamp"} 1`,
  ]);
  const logged = stage.daemon
    .logs()
    .split('\n')
    .filter((line) => line.includes('--valuePolicy'));
  expect(logged).toHaveLength(2);
  expect(logged.join('\n')).toContain('[1]');
  expect(stage.daemon.logs()).not.toContain('abcd');
});

test('a text that was refused goes through once its column is wide enough', async () => {
  await using stage = await openStage(
    'create table t (id int primary key, v varchar(3))',
  );
  await stage.start([
    '--schemaRefresh=0',
    '--maxRetries=1',
    '--quiescentPeriod=300ms',
  ]);
  await stage.rows(row('t', 1, [1], { id: 1, v: 'abcd' }));
  await stage.resolve(1);
  await eventually(
    () => stage.health(),
    (text) => text.includes('halted'),
  );
  await stage.database.query('alter table t alter v type varchar(30)');
  const { rows } = await eventually(
    () => stage.database.query('select v from t'),
    (found) => found.rows.length === 1,
  );
  expect(rows).toEqual([{ v: 'abcd' }]);
});

test('a --valuePolicy that cannot be understood ends the start with the remedy', async () => {
  await using stage = await openStage('create table t (id int primary key)');
  await expect(stage.start(['--valuePolicy=t.v=clmap'])).rejects.toThrow(
    'E5002 --valuePolicy: "clmap" is none of error, null, clamp: write clamp',
  );
});
