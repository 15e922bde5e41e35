import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import pg from 'pg';
import { expect, test } from 'vitest';
import { startPostgresServer } from './postgres-server.ts';
import { testDatabase } from './test-database.ts';

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

test('committed rows survive kill, stop and start on the same port', async () => {
  await using server = await startPostgresServer({
    settings: { wal_level: 'logical' },
  });
  const { port } = server;
  await ask(server.url(), 'create table t (n int8)');
  await ask(server.url(), 'insert into t values (1)');
  await server.kill();
  expect(server.pid).toBeUndefined();
  await expect(ask(server.url(), 'select 1')).rejects.toThrow('ECONNREFUSED');
  await server.start();
  await ask(server.url(), 'insert into t values (2)');
  await server.stop('immediate');
  await server.start();
  await server.stop('fast');
  await server.start();
  expect(server.port).toBe(port);
  expect(await ask(server.url(), 'select n from t order by n')).toEqual([
    { n: '1' },
    { n: '2' },
  ]);
  expect(await ask(server.url(), 'show wal_level')).toEqual([
    { wal_level: 'logical' },
  ]);
});

test('a disposed server leaves no process and no folder', async () => {
  const server = await startPostgresServer();
  const pid = server.pid as number;
  await server[Symbol.asyncDispose]();
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  expect(existsSync(dirname(server.dataDir))).toBe(false);
});

test('a server without the right password refuses', async () => {
  await using server = await startPostgresServer();
  const url = new URL(server.url());
  url.password = 'wrong';
  await expect(ask(url.href, 'select 1')).rejects.toThrow(
    'password authentication failed',
  );
});

test('a setting that does not exist fails with the server log', async () => {
  await expect(
    startPostgresServer({ settings: { no_such_setting: 1 } }),
  ).rejects.toThrow('no_such_setting');
});

test('test databases are separate and disappear when disposed', async () => {
  await using one = await testDatabase();
  const two = await testDatabase();
  await one.query('create table only_here (id int)');
  await expect(two.query('table only_here')).rejects.toThrow('does not exist');
  await two[Symbol.asyncDispose]();
  const left = await one.query(
    'select datname from pg_database where datname = any($1)',
    [[one.name, two.name]],
  );
  expect(left.rows).toEqual([{ datname: one.name }]);
});
