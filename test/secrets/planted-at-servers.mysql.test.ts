/** Planted secrets before real MySQL and MariaDB servers, and what comes out. */
import { expect, test } from 'vitest';
import { runCommandLine } from '../support/captured-io.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../support/mysql-test-database.ts';
import { plantedHouse, urlWith } from '../support/planted-house.ts';
import {
  plantedSecret,
  type PlantedSecret,
  tracesOf,
} from '../support/planted-secret.ts';

const timeoutMs = 300_000;

const literal = ({ raw }: PlantedSecret): string =>
  `'${raw.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;

test.each(MYSQL_PRODUCTS)(
  'a daemon before %s that says all it can keeps its secrets, through cut sessions and a password that is no more',
  { timeout: timeoutMs },
  async (product) => {
    await using database = await testMysqlDatabase(product);
    await using stack = new AsyncDisposableStack();
    const [ofTarget, wrong] = [plantedSecret(), plantedSecret()];
    const user = `u${database.name.slice(-16)}`;
    await database.query(
      `create user ${user}@'%' identified by ${literal(ofTarget)}`,
    );
    stack.defer(async () => {
      await database.query(`drop user ${user}@'%'`);
    });
    await database.query(`grant all on ${database.name}.* to ${user}@'%'`);
    await database.query(
      `create table t (id bigint primary key, v varchar(20), check (v <> 'bad'))`,
    );
    const target = urlWith(database.url, user, ofTarget);
    await using house = await plantedHouse({
      args: [`--targetConn=${target}`, '--onRowError=deadLetter'],
      staging: [],
      secrets: [ofTarget, wrong],
      allowed: database.name,
    });
    const path = `/${database.name}`;
    await expect
      .poll(() => house.send(path, { id: 1, v: 'good' }), { timeout: 60_000 })
      .toBe(200);
    expect(await house.send(path, { id: 2, v: 'bad' })).toBe(200);
    const dlq = [`--targetConn=${target}`, `--schema=${database.name}`];
    await expect
      .poll(() => house.run('dlq', 'list', ...dlq), { timeout: 60_000 })
      .toContain('[2]');
    await house.knock(path);
    expect(await house.look()).toMatch(/"targetConn": "(mysql|mariadb):\/\/\*/);
    for (const argv of [
      ['dlq', 'show', '1', ...dlq],
      ['dlq', 'retry', ...dlq],
      ['preflight', `--targetConn=${target}`, '--printGrants'],
      ['preflight', `--targetConn=${target}`],
    ]) {
      await house.run(...argv);
    }
    const cut = async (): Promise<void> => {
      const sessions = await database.query(
        'select id from information_schema.processlist where user = ?',
        [user],
      );
      for (const [id] of sessions) {
        // It may have ended by itself.
        await database.query(`kill ${id}`).catch(() => {});
      }
    };
    await cut();
    await house.send(path, { id: 3, v: 'good' });
    await database.query(
      `alter user ${user}@'%' identified by ${literal(wrong)}`,
    );
    await cut();
    await house.send(path, { id: 4, v: 'good' });
    await expect.poll(() => house.look(), { timeout: 60_000 }).toMatch(/E4015/);
    expect(await house.run('dlq', 'list', ...dlq)).toContain('E4015');
    expect(await house.run('preflight', `--targetConn=${target}`)).toContain(
      'E4015',
    );
    const letters = await database.query('select * from replicator_dlq');
    expect(letters.length).toBe(1);
    house.daemon.kill('SIGTERM');
    await house.daemon.exited;
    expect(
      tracesOf(`${await house.left()}\n${letters.join('\n')}`, house.secrets),
    ).toEqual([]);
  },
);

test.each(
  MYSQL_PRODUCTS.flatMap(
    (product) =>
      [
        [product, 'a wrong password', ''],
        [product, 'TLS that cannot be verified', '?sslmode=verify-full'],
        [
          product,
          'a root certificate that is not there',
          '?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem',
        ],
        [product, 'a parameter that there is none', '?passwort='],
      ] as const,
  ),
)(
  '%s: %s shows no part of the password',
  { timeout: timeoutMs },
  async (product, _, parameters) => {
    await using database = await testMysqlDatabase(product);
    const secret = plantedSecret();
    const address = urlWith(
      database.url,
      'root',
      secret,
      parameters.endsWith('=') ? `${parameters}${secret.encoded}` : parameters,
    );
    for (const argv of [
      ['preflight', `--targetConn=${address}`, '--dataDir=/nowhere'],
      [
        'start',
        `--targetConn=${address}`,
        '--disableAuthentication',
        '--bindAddr=127.0.0.1:0',
        '-vv',
        '--dataDir=/nowhere',
        '--logDestination=/dev/null',
      ],
      ['dlq', 'list', `--targetConn=${address}`],
      [
        'workload',
        'run',
        `--targetConn=${address}`,
        '--seconds=1',
        '--url=http://127.0.0.1:1/a',
      ],
    ]) {
      const { exitCode, stdout, stderr } = await runCommandLine(argv, {
        env: { REPLICATOR_STACK: '1' },
        signal: AbortSignal.timeout(20_000),
      });
      expect(exitCode).not.toBe(0);
      expect(tracesOf(`${stdout}\n${stderr}`, [secret])).toEqual([]);
    }
  },
);
