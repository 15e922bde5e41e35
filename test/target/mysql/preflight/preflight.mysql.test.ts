import mysql from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { mysqlFindings } from '../../../../src/target/mysql/preflight/preflight.ts';
import type { PreflightOptions } from '../../../../src/target/open-target.ts';
import { startMysqlServer } from '../../../support/mysql-server.ts';
import {
  MYSQL_PRODUCTS,
  testMysqlDatabase,
} from '../../../support/mysql-test-database.ts';

const never = new AbortController().signal;

async function lines(
  url: string,
  options: Partial<PreflightOptions> = {},
): Promise<string[]> {
  const findings = await mysqlFindings(
    {
      url,
      applyTimeoutMs: 30_000,
      parallelism: 8,
      maxPoolSize: 100,
      stagingSchema: null,
      oracleEmptyString: 'error',
      grants: {
        schemas: [],
        grantee: '',
        dlqTableName: 'replicator_dlq',
        setsAside: false,
        takesTruncate: false,
      },
      ...options,
    },
    never,
  );
  return findings.map(
    ({ level, text, remedy }) => `${level} ${text}; ${remedy ?? ''}`,
  );
}

describe.each(MYSQL_PRODUCTS)('preflight of %s', (product) => {
  test('is content with a database that is prepared', async () => {
    await using database = await testMysqlDatabase(product);
    const exact =
      product === 'mysql' ? 'utf8mb4_0900_bin' : 'utf8mb4_nopad_bin';
    await database.sql(
      `create table item (id varchar(36) character set utf8mb4 collate ${exact} primary key, at datetime(6), n decimal(20,2))`,
    );
    const found = await lines(database.url);
    expect(found).toEqual([
      expect.stringMatching(/^ok (MySQL|MariaDB) \d+\.\d+.* answers at 127/),
      `ok 1 table; webhook path: /${database.name}; `,
    ]);
  });

  test('tells what would be refused or lost', async () => {
    await using database = await testMysqlDatabase(product);
    await database.sql(`
      create table heap (a int);
      create table folded (id varchar(36) character set utf8mb4 collate utf8mb4_general_ci primary key);
      create table prefixed (id varbinary(300), primary key (id(10)));
      create table times (id int primary key, a datetime, b timestamp(6) null, c time(3));
      create table plain (id int primary key) engine = MyISAM;
      create trigger note after insert on times for each row set @x = 1;
    `);
    const found = (await lines(database.url)).slice(2);
    const name = database.name;
    expect(found).toEqual([
      expect.stringContaining(`warn ${name}.heap has no primary key`),
      expect.stringMatching(
        /^error the collation of key column id of \w+\.folded takes keys for one.*alter table `\w+`\.`folded` modify `id` varchar\(36\) character set utf8mb4 collate utf8mb4_(?:0900|nopad)_bin not null;/,
      ),
      expect.stringMatching(
        /^error the primary key of \w+\.prefixed looks at the first 10 characters of id only/,
      ),
      expect.stringMatching(
        /^warn datetime column a of \w+\.times holds fewer fraction digits.*datetime\(6\)/,
      ),
      expect.stringMatching(/^warn time\(3\) column c of .*time\(6\)/),
      expect.stringMatching(
        /^warn TIMESTAMP column b of \w+\.times ends on 2038/,
      ),
      expect.stringMatching(/^error \w+\.plain is of the engine MyISAM/),
      expect.stringMatching(/^warn trigger note of \w+\.times runs/),
    ]);
  });

  test('tells which privileges are missing', async () => {
    await using database = await testMysqlDatabase(product);
    await database.sql(
      'create table item (id int primary key); create table other (id int primary key)',
    );
    const user = `p_${database.name.slice(0, 20)}`;
    await database.sql(`create user ${user} identified by 'pw'`);
    try {
      await database.sql(
        `grant select, insert on ${database.name}.* to ${user};
         grant update, delete on ${database.name}.item to ${user}`,
      );
      const url = new URL(database.url);
      url.username = user;
      url.password = 'pw';
      const found = (await lines(url.href)).slice(2);
      const { name } = database;
      const whole = (table: string): string =>
        `GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON \`${name}\`.\`${table}\` TO '${user}'@'%';`;
      const mark = (privileges: string): string =>
        `GRANT ${privileges} ON \`${name}\`.\`replicator_checkpoint\` TO '${user}'@'%';`;
      expect(found).toEqual([
        expect.stringMatching(
          /^warn the account lacks TRIGGER on \w+\.item: nobody can tell/,
        ),
        `warn the account lacks UPDATE, DELETE, TRIGGER on ${name}.other; ${whole('other')}`,
        expect.stringContaining(
          `may not create temporary tables: rows cross as JSON, at about half the speed, and rows that pass keys to one another are refused; GRANT CREATE TEMPORARY TABLES ON \`${name.replace('_', '\\_')}\`.* TO '${user}'@'%';`,
        ),
        expect.stringContaining(`; ${mark('CREATE, SELECT, INSERT, UPDATE')}`),
        expect.stringMatching(/lacks PROCESS.*; GRANT PROCESS ON \*\.\* TO/),
      ]);
      await database.sql('create table replicator_checkpoint (a int)');
      expect(await lines(url.href)).toContain(
        `error the account lacks UPDATE on ${name}.replicator_checkpoint; ${mark('SELECT, INSERT, UPDATE')}`,
      );
    } finally {
      await database.sql(`drop user ${user}`);
    }
  });

  test('tells what of the server stands in the way', async () => {
    await using server = await startMysqlServer({
      product,
      fsync: false,
      settings: {
        local_infile: 'OFF',
        max_connections: 20,
        max_allowed_packet: '2M',
        log_bin: 'log',
        binlog_format: 'STATEMENT',
        server_id: 7,
      },
    });
    const client = await mysql.createConnection({ uri: server.url() });
    await client.query('create database shop');
    await client.query('set global read_only = 1');
    await client.end();
    const found = await lines(server.url('shop'), {
      parallelism: 10,
      maxPoolSize: 30,
    });
    expect(found.slice(1)).toEqual([
      expect.stringContaining('error the server is read-only'),
      expect.stringContaining('error the server logs statements and not rows'),
      expect.stringContaining(
        'warn --targetMaxPoolSize 30 is more than the 20',
      ),
      expect.stringContaining('warn local_infile is off'),
      expect.stringContaining('warn max_allowed_packet is 2097152 bytes'),
      expect.stringContaining('warn the database shop has no tables'),
    ]);
    expect(
      (await lines(server.url('shop'), { parallelism: 30 })).join('\n'),
    ).toContain('error the account may open 20 connections');
  });
});
