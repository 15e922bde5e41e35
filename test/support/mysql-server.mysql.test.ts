import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { createCertificates } from '../../src/lib/certificates.ts';
import { startMysqlServer } from './mysql-server.ts';
import { MYSQL_PRODUCTS } from './mysql-test-database.ts';

async function ask(
  url: string,
  sql: string,
  options: mysql.ConnectionOptions = {},
): Promise<unknown> {
  const client = await mysql.createConnection({
    uri: url,
    rowsAsArray: true,
    ...options,
  });
  try {
    return (await client.query(sql))[0];
  } finally {
    await client.end();
  }
}

describe.each(MYSQL_PRODUCTS)('%s', (product) => {
  test('committed rows survive kill, stop and start on the same port', async () => {
    await using server = await startMysqlServer({
      product,
      settings: { local_infile: 'OFF' },
    });
    const { port } = server;
    await ask(server.url(), 'create database d');
    await ask(server.url('d'), 'create table t (n int primary key)');
    await ask(server.url('d'), 'insert into t values (1)');
    await server.kill();
    expect(server.pid).toBeUndefined();
    await expect(ask(server.url(), 'select 1')).rejects.toThrow('ECONNREFUSED');
    await server.start();
    await ask(server.url('d'), 'insert into t values (2)');
    await server.stop();
    expect(server.pid).toBeUndefined();
    await server.start();
    expect(server.port).toBe(port);
    expect(await ask(server.url('d'), 'select n from t order by n')).toEqual([
      [1],
      [2],
    ]);
    expect(await ask(server.url(), 'select @@local_infile')).toEqual([[0]]);
    expect(server.logs()).toContain('ready for connections');
  });

  test('commits survive a kill of a server without fsync too', async () => {
    await using server = await startMysqlServer({ product, fsync: false });
    await ask(server.url(), 'create database d');
    await ask(server.url('d'), 'create table t (n int primary key)');
    await ask(server.url('d'), 'insert into t values (1)');
    await server.kill();
    await server.start();
    expect(await ask(server.url('d'), 'select n from t')).toEqual([[1]]);
  });

  test('the server is of the product and version it says', async () => {
    await using server = await startMysqlServer({ product, fsync: false });
    const [row] = (await ask(
      server.url(),
      `select version(), @@local_infile, @@character_set_server,
        (select plugin from mysql.user where user = 'admin')`,
    )) as [string, ...unknown[]][];
    const [version, ...rest] = row!;
    expect(version.startsWith(server.version)).toBe(true);
    expect(version.includes('MariaDB')).toBe(product === 'mariadb');
    expect(rest).toEqual([
      1,
      'utf8mb4',
      product === 'mysql' ? 'caching_sha2_password' : 'mysql_native_password',
    ]);
    expect(server.url('d')).toMatch(new RegExp(`^${product}://.*/d$`));
  });

  test('two servers know nothing of one another, and leave no folder', async () => {
    const folders: string[] = [];
    {
      await using one = await startMysqlServer({ product, fsync: false });
      await using two = await startMysqlServer({ product, fsync: false });
      folders.push(dirname(one.dataDir), dirname(two.dataDir));
      await ask(one.url(), 'create database d');
      expect(await ask(two.url(), "show databases like 'd'")).toEqual([]);
    }
    expect(folders.map((folder) => existsSync(folder))).toEqual([false, false]);
  });

  test('a certificate is offered, and not without being asked for', async () => {
    const tls = await createCertificates({ hosts: ['localhost'], days: 2 });
    await using server = await startMysqlServer({
      product,
      fsync: false,
      tls,
    });
    const ca = await readFile(join(server.tlsDir, 'ca.crt'), 'utf8');
    expect(
      await ask(server.url(), "show status like 'Ssl_version'", {
        host: 'localhost',
        ssl: { ca, verifyIdentity: true },
      }),
    ).toEqual([['Ssl_version', 'TLSv1.3']]);
    await using plain = await startMysqlServer({ product, fsync: false });
    await expect(ask(plain.url(), 'select 1', { ssl: { ca } })).rejects.toThrow(
      'secure connection',
    );
  });

  test('names keep or lose their case as the setting says', async () => {
    await using server = await startMysqlServer({
      product,
      fsync: false,
      settings: { lower_case_table_names: 1 },
    });
    await ask(server.url(), 'create database D');
    expect(await ask(server.url(), "show databases like 'd'")).toEqual([['d']]);
  });

  test('the server goes when its test process is killed', async () => {
    const script = `
      import { startMysqlServer } from ${JSON.stringify(join(import.meta.dirname, 'mysql-server.ts'))};
      const server = await startMysqlServer({ product: '${product}', fsync: false });
      console.log(JSON.stringify({ pid: server.pid, dataDir: server.dataDir }));
      setInterval(() => {}, 1000);`;
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        '--input-type=module-typescript',
        '-e',
        script,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { pid, dataDir } = JSON.parse(String(line)) as {
      pid: number;
      dataDir: string;
    };
    expect(existsSync(dataDir)).toBe(true);
    child.kill('SIGKILL');
    while (existsSync(dirname(dataDir))) await sleep(50);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});
