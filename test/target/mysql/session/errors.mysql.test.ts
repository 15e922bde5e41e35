/** The numbers of errors.ts, provoked on real servers. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import mysql from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import { createApplier } from '../../../../src/target/applier.ts';
import { errorNumbers } from '../../../../src/target/mysql/session/errors.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import type {
  Target,
  TargetTransaction,
} from '../../../../src/target/target.ts';
import {
  applyTo,
  answers,
  failureOf,
  row,
  shapeOf,
} from '../../../contract/target-fixture.ts';
import { startFaultProxy } from '../../../support/fault-proxy.ts';
import { startMysqlServer } from '../../../support/mysql-server.ts';
import { MYSQL_PRODUCTS } from '../../../support/mysql-test-database.ts';
import { freePort } from '../../../support/postgres-server.ts';
import type { MysqlProduct } from '../../../support/mysql-binaries.ts';
import { type MysqlFixture, mysqlFixture } from '../fixture.ts';

const never = new AbortController().signal;

function targetAt(url: string, applyTimeoutMs = 30_000): Promise<Target> {
  return openTarget({ ...defaultTargetOptions, url, applyTimeoutMs });
}

async function fixtureWithItems(
  product: MysqlProduct,
  fewRows?: number,
): Promise<MysqlFixture> {
  const fixture = await mysqlFixture(
    product,
    fewRows === undefined ? {} : { fewRows },
  );
  await fixture.sql(
    `create table item (id bigint primary key, code varchar(20) unique, n int not null default 0, parent bigint, constraint positive check (n >= 0), constraint up foreign key (parent) references item (id))`,
  );
  await fixture.sql(
    `insert into item (id, code) values (1, 'one'), (2, 'two')`,
  );
  return fixture;
}

async function upsert(
  fixture: MysqlFixture,
  transaction: TargetTransaction,
  after: Record<string, string>,
): Promise<void> {
  const table = (await shapeOf(fixture)).tables.get('item')!;
  await createApplier({ collapse: true }).apply(
    [{ table, mutations: [row(1, [after['id']], after)] }],
    transaction,
    never,
  );
}

describe.each(MYSQL_PRODUCTS)('failures of %s', (product) => {
  test('every number of the table, raised by the server, has its code', async () => {
    await using fixture = await mysqlFixture(product);
    await fixture.sql('create table item (id bigint primary key, n int)');
    await fixture.sql(
      `create trigger refuse before insert on item for each row
       signal sqlstate '45000' set mysql_errno = 1644, message_text = 'secret words'`,
    );
    const seen: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const [number, code] of [
      ...Object.entries(errorNumbers),
      ['1999', 'E4008'],
      ['28', 'E4010'],
    ]) {
      await fixture.sql('drop trigger refuse');
      await fixture.sql(
        `create trigger refuse before insert on item for each row
         signal sqlstate '45000' set mysql_errno = ${number}, message_text = 'words'`,
      );
      const failure = await failureOf(
        applyTo(fixture, { item: [row(1, [3], { id: '3' })] }),
      );
      seen[number!] = failure.code;
      expected[number!] = code!;
    }
    expect(seen).toEqual(expected);
  });

  for (const fewRows of [0, Infinity]) {
    test(`rows that break a constraint say which, and not with what (up to ${fewRows} rows as a parameter)`, async () => {
      await using fixture = await fixtureWithItems(product, fewRows);
      const cases: readonly [Record<string, string>, string, string][] = [
        [{ id: '3', n: 'null' }, 'E4005', 'column n'],
        [{ id: '3', n: '-7654321' }, 'E4005', 'positive'],
        [{ id: '3', code: '"one"' }, 'E4013', 'code'],
        [{ id: '3', parent: '7654321' }, 'E4004', 'up'],
        [{ id: '3', n: '"7654321x"' }, 'E4006', 'column "n"'],
        [{ id: '3', n: '87654321000' }, 'E4006', 'column "n"'],
      ];
      // A row that is there already is updated, and judged like a new one.
      const both = cases.flatMap(([after, code, word]) =>
        ['3', '2'].map((id) => [{ ...after, id }, code, word] as const),
      );
      for (const [after, code, word] of both) {
        const failure = await failureOf(
          applyTo(fixture, { item: [row(1, [after['id']], after)] }),
        );
        expect([after, failure.code]).toEqual([after, code]);
        expect(failure.message).toContain(word);
        expect(failure.message).not.toMatch(/7654321|'one'|"one"/);
        expect(failure.cause).toBeUndefined();
      }
    });
  }

  test('what a trigger says may be row data, and is not shown', async () => {
    await using fixture = await fixtureWithItems(product);
    await fixture.sql(
      `create trigger refuse before insert on item for each row
       begin
         declare words varchar(80) default concat('secret for key ''', new.code, '''');
         signal sqlstate '45000' set message_text = words;
       end`,
    );
    const failure = await failureOf(
      applyTo(fixture, { item: [row(1, [3], { id: '3', code: '"hidden"' })] }),
    );
    expect(failure.code).toBe('E4005');
    expect(failure.line).not.toMatch(/secret|hidden/);
    // A duplicate key of a trigger's own table quotes the value.
    await fixture.sql('drop trigger refuse');
    await fixture.sql('create table log (code varchar(40) primary key)');
    await fixture.sql(
      'create trigger note after insert on item for each row insert into log values (new.code)',
    );
    await fixture.sql(`insert into log values ('it''s for key ''x'' hidden')`);
    const repeated = await failureOf(
      applyTo(fixture, {
        item: [row(1, [3], { id: '3', code: `"it's for key 'x' hidden"` })],
      }).catch(async (error: unknown) => {
        await fixture.sql('alter table item modify code varchar(40)');
        throw error;
      }),
    );
    expect(repeated.line).not.toMatch(/hidden/);
  });

  test('a deadlock is rolled back and may be tried again', async () => {
    await using fixture = await fixtureWithItems(product);
    await using first = await fixture.target.begin();
    await using second = await fixture.target.begin();
    await upsert(fixture, first, { id: '1', n: '1' });
    await upsert(fixture, second, { id: '2', n: '1' });
    const meet = async (
      transaction: TargetTransaction,
      id: string,
    ): Promise<void> => {
      try {
        await upsert(fixture, transaction, { id, n: '2' });
      } finally {
        await transaction[Symbol.asyncDispose]();
      }
    };
    const outcomes = await Promise.allSettled([
      meet(first, '2'),
      meet(second, '1'),
    ]);
    const rejected = outcomes.filter(
      (outcome) => outcome.status === 'rejected',
    );
    expect(rejected.map(({ reason }) => reason.code)).toEqual(['E4003']);
  });

  test('who waits for a lock is told, and a pause that is too long ends the transaction', async () => {
    await using fixture = await fixtureWithItems(product);
    await using holder = await fixture.target.begin();
    await upsert(fixture, holder, { id: '1', n: '1' });
    expect(await holder.waitsForLock()).toBe(false);
    await using waiter = await fixture.target.begin();
    const waiting = upsert(fixture, waiter, { id: '1', n: '2' });
    await expect
      .poll(() => waiter.waitsForLock(), { timeout: 20_000 })
      .toBe(true);
    await holder.commit(null);
    await waiting;
    await waiter.commit(null);
    expect(await fixture.rows('select n from item where id = 1')).toEqual([
      ['2'],
    ]);
    await using hasty = await targetAt(fixture.url, 1_000);
    await expect.poll(() => answers(hasty)).toBe(true);
    await using idle = await hasty.begin();
    await upsert(fixture, idle, { id: '2', n: '1' });
    const reader = await mysql.createConnection({ uri: fixture.url });
    await expect
      .poll(
        async () =>
          (
            await reader.query<mysql.RowDataPacket[]>(
              `select id from item where id = 2 for update skip locked`,
            )
          )[0].length,
        { timeout: 20_000 },
      )
      .toBe(1);
    await reader.end();
    expect((await failureOf(idle.commit(null))).code).toBe('E4002');
  });

  test('an account without PROCESS cannot tell who waits', async () => {
    await using fixture = await fixtureWithItems(product);
    const user = `u_${fixture.database.name.slice(0, 20)}`;
    await fixture.sql(`create user ${user} identified by 'pw'`);
    try {
      await fixture.sql(
        `grant select, insert, update, delete on ${fixture.database.name}.* to ${user}`,
      );
      const url = new URL(fixture.url);
      url.username = user;
      url.password = 'pw';
      await using target = await targetAt(url.href);
      await using transaction = await target.begin();
      expect(await transaction.waitsForLock()).toBeNull();
      await transaction.commit(null);
      // Neither may it create temporary tables.
      await applyTo(
        fixture,
        {
          item: Array.from({ length: 1000 }, (_, index) =>
            row(1, [index + 10], { id: String(index + 10), code: 'null' }),
          ),
        },
        { target },
      );
      expect(await fixture.rows('select count(*) from item')).toEqual([
        ['1002'],
      ]);
      expect(
        await target.claimCheckpoint(fixture.schema, 'here', null),
      ).toBeNull();
      expect(await target.checkpoint(fixture.schema)).toBeNull();
    } finally {
      await fixture.sql(`drop user ${user}`);
    }
  });

  test('logins: rights, password, database, connections', async () => {
    await using fixture = await fixtureWithItems(product);
    const user = `u_${fixture.database.name.slice(0, 20)}`;
    await fixture.sql(
      `create user ${user} identified by 'right pass' with max_user_connections 1`,
    );
    try {
      await fixture.sql(
        `grant select on ${fixture.database.name}.* to ${user}`,
      );
      const url = new URL(fixture.url);
      url.username = user;
      url.password = 'right%20pass';
      await using target = await targetAt(url.href);
      const failure = await failureOf(
        applyTo(fixture, { item: [row(1, [1], { id: '1' })] }, { target }),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4007', 'halt']);
      await using another = await targetAt(url.href);
      expect((await failureOf(another.ping())).code).toBe('E4010');
      url.password = 'wrong-pass-4711';
      await using wrong = await targetAt(url.href);
      const refused = await failureOf(wrong.ping());
      expect(refused.code).toBe('E4015');
      expect(`${refused.line} ${String(refused.cause)}`).not.toContain('4711');
      const elsewhere = new URL(fixture.url);
      elsewhere.pathname = '/no_such_database';
      await using lost = await targetAt(elsewhere.href);
      expect((await failureOf(lost.ping())).code).toBe('E4015');
    } finally {
      await fixture.sql(`drop user ${user}`);
    }
  });

  test('a server that is not there, hangs up or says nothing cannot be reached', async () => {
    await using nowhere = await targetAt(
      `${product}://u:p@127.0.0.1:${await freePort()}/db`,
    );
    expect((await failureOf(nowhere.ping())).code).toBe('E4001');
    await using unknown = await targetAt(
      `${product}://u:p@no-such-host.invalid/db`,
    );
    expect((await failureOf(unknown.ping())).code).toBe('E4001');
    const rude = createServer((socket) => socket.destroy());
    rude.listen(0, '127.0.0.1');
    await once(rude, 'listening');
    const { port } = rude.address() as { port: number };
    await using cut = await targetAt(`${product}://u:p@127.0.0.1:${port}/db`);
    expect((await failureOf(cut.ping())).disposition).toBe('retry');
    rude.close();
    await using fixture = await mysqlFixture(product);
    const upstream = new URL(fixture.url);
    await using proxy = await startFaultProxy({
      host: upstream.hostname,
      port: Number(upstream.port),
    });
    proxy.hold();
    await using silent = await targetAt(proxy.url(fixture.url), 1_000);
    const failure = await failureOf(silent.ping());
    expect([failure.code, failure.message]).toEqual([
      'E4001',
      expect.stringContaining('ETIMEDOUT'),
    ]);
    expect(silent.poolCounts()).toMatchObject({ total: 0, dialErrorCount: 1 });
    await proxy.resume();
    await expect.poll(() => answers(silent)).toBe(true);
  });

  test('a server that is killed, read-only or without local_infile', async () => {
    await using server = await startMysqlServer({
      product,
      fsync: false,
      settings: {
        local_infile: 'OFF',
        sql_mode: 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES',
        default_time_zone: '+05:30',
        max_allowed_packet: '1M',
      },
    });
    const admin = async (text: string): Promise<void> => {
      const client = await mysql.createConnection({ uri: server.url() });
      await client.query(text);
      await client.end();
    };
    await admin('create database shop');
    await admin(
      'create table shop.item (id int primary key, t longtext, ts timestamp(6) null)',
    );
    await using target = await targetAt(server.url('shop'));
    const fixture = { target, schema: schemaName(['shop']) };
    const body = `"${'ä\\\\'.repeat(200)}"`;
    await applyTo(fixture, {
      item: Array.from({ length: 4000 }, (_, id) =>
        row(1, [id], {
          id: String(id),
          t: body,
          ts: '"2024-07-01T00:00:00Z"',
        }),
      ),
    });
    const reader = await mysql.createConnection({ uri: server.url('shop') });
    const [counted] = await reader.query<mysql.RowDataPacket[]>(
      `select count(*) as n, min(char_length(t)) as l, min(unix_timestamp(ts)) as u from item`,
    );
    expect(Object.values(counted[0]!).map(Number)).toEqual([
      4000,
      400,
      Date.parse('2024-07-01T00:00:00Z') / 1000,
    ]);
    await reader.end();
    const large = await failureOf(
      applyTo(fixture, {
        item: [row(2, [1], { id: '1', t: `"${'x'.repeat(3 * 1024 * 1024)}"` })],
      }),
    );
    expect(large.code).toBe('E4006');
    await admin('set global read_only = 1');
    if (product === 'mysql') {
      await admin('set global super_read_only = 1');
    }
    if (product === 'mysql') {
      const failure = await failureOf(
        applyTo(fixture, { item: [row(1, [1], { id: '1' })] }),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4010', 'retry']);
      await admin('set global super_read_only = 0');
    }
    await admin('set global read_only = 0');
    await using transaction = await target.begin();
    const table = (await shapeOf(fixture)).tables.get('item')!;
    await createApplier({ collapse: true }).apply(
      [{ table, mutations: [row(1, [1], { id: '1' })] }],
      transaction,
      never,
    );
    await server.kill();
    expect((await failureOf(transaction.commit(null))).code).toBe('E4002');
    // Lost, as long as the pool has a connection that has not yet heard of it.
    await expect
      .poll(async () => (await failureOf(target.ping())).code)
      .toBe('E4001');
    await server.start();
    await expect
      .poll(() =>
        target.ping().then(
          () => 'pong',
          () => 'lost',
        ),
      )
      .toBe('pong');
  });
});
