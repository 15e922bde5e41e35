/** Each line of errors.ts, provoked on a real server. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { schemaName } from '../../../../src/mutation/schema-name.ts';
import { createApplier } from '../../../../src/target/applier.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import { sqlStates } from '../../../../src/target/postgres/session/errors.ts';
import type {
  Target,
  TargetTransaction,
} from '../../../../src/target/target.ts';
import {
  answers,
  applyTo,
  failureOf,
  row,
  shapeOf,
} from '../../../contract/target-fixture.ts';
import { startFaultProxy } from '../../../support/fault-proxy.ts';
import {
  freePort,
  startPostgresServer,
} from '../../../support/postgres-server.ts';
import { type PostgresFixture, postgresFixture } from '../fixture.ts';

const never = new AbortController().signal;

function targetAt(url: string, applyTimeoutMs = 30_000): Promise<Target> {
  return openTarget({ ...defaultTargetOptions, url, applyTimeoutMs });
}

async function fixtureWithItems(): Promise<PostgresFixture> {
  const fixture = await postgresFixture();
  await fixture.sql(
    `create table item (id int8 primary key, code text unique, n int4 not null default 0 check (n >= 0), parent int8 references item)`,
  );
  await fixture.sql(
    `insert into item (id, code) values (1, 'one'), (2, 'two')`,
  );
  return fixture;
}

async function upsert(
  fixture: PostgresFixture,
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

describe('failures of PostgreSQL', () => {
  test('every SQLSTATE of the table, raised inside a statement, has its code', async () => {
    await using fixture = await fixtureWithItems();
    await fixture.sql(`
      create function refuse() returns trigger language plpgsql as $$
      begin
        raise exception using errcode = current_setting('test.state'), message = 'secret words';
      end $$`);
    await fixture.sql(
      'create trigger refuse before insert on item for each row execute function refuse()',
    );
    const states = Object.keys(sqlStates)
      // plpgsql cannot raise a class; its first member stands for it.
      .map((state) => (state.length === 2 ? `${state}001` : state));
    const seen: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const state of [...states, 'XX000', 'F0000']) {
      await fixture.sql(
        `alter database ${fixture.database.name} set test.state = '${state}'`,
      );
      await using target = await targetAt(fixture.database.url);
      const failure = await failureOf(
        applyTo(fixture, { item: [row(1, [3], { id: '3' })] }, { target }),
      );
      seen[state] = failure.code;
      expected[state] =
        sqlStates[state] ?? sqlStates[state.slice(0, 2)] ?? 'E4008';
    }
    expect(seen).toEqual(expected);
  });

  test('rows that break a constraint say which, and not with what', async () => {
    await using fixture = await fixtureWithItems();
    await fixture.sql('create extension btree_gist');
    await fixture.sql(
      'create table room (id int8 primary key, number int4, during int4range, exclude using gist (number with =, during with &&))',
    );
    const cases: readonly [Record<string, string>, string, string][] = [
      [{ id: '3', n: 'null' }, 'E4005', 'column n'],
      [{ id: '3', n: '-7654321' }, 'E4005', 'item_n_check'],
      [{ id: '3', code: '"one"' }, 'E4013', 'item_code_key'],
      [{ id: '3', parent: '7654321' }, 'E4004', 'item_parent_fkey'],
      [{ id: '3', n: '"7654321x"' }, 'E4006', 'integer'],
      [{ id: '3', n: '87654321000' }, 'E4006', 'integer'],
    ];
    for (const [after, code, word] of cases) {
      const failure = await failureOf(
        applyTo(fixture, { item: [row(1, [3], after)] }),
      );
      expect([after, failure.code]).toEqual([after, code]);
      expect(failure.message).toContain(word);
      expect(failure.message).not.toMatch(/7654321|"one"/);
      expect(failure.cause).toBeUndefined();
    }
    const failure = await failureOf(
      applyTo(fixture, {
        room: [
          row(1, [1], { id: '1', number: '1', during: '"[1,5)"' }),
          row(1, [2], { id: '2', number: '1', during: '"[4,9)"' }),
        ],
      }),
    );
    expect(failure.code).toBe('E4005');
  });

  test('what a foreign key carries on to a child that may not have it is no fault of the row', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(`
      create table parent (id int8 primary key, name text unique);
      create table child (
        id int8 primary key,
        name text not null check (name > 'b')
          references parent (name) on update cascade
      );
      insert into parent values (1, 'one');
      insert into child values (1, 'one')`);
    for (const [name, word] of [
      ['null', 'SQLSTATE 23502, table child, column name'],
      ['"a"', 'SQLSTATE 23514, table child, constraint child_name_check'],
    ] as const) {
      const failure = await failureOf(
        applyTo(fixture, { parent: [row(1, [1], { id: '1', name })] }),
      );
      expect(failure.code).toBe('E4004');
      expect(failure.message).toContain(word);
    }
  });

  test("what a row's trigger writes elsewhere, and may not, is a fault of the row", async () => {
    await using fixture = await postgresFixture();
    await fixture.sql(`
      create table item (id int8 primary key, n int8);
      create table log (n int8 not null);
      insert into log values (1);
      create function note() returns trigger language plpgsql as $$
        begin update only log set n = new.n; return new; end $$;
      create trigger note after insert on item
        for each row execute function note()`);
    const failure = await failureOf(
      applyTo(fixture, { item: [row(1, [1], { id: '1', n: 'null' })] }),
    );
    expect(failure.code).toBe('E4005');
  });

  test('two source keys that are one key here are a unique violation', async () => {
    await using fixture = await postgresFixture();
    await fixture.sql('create table amount (id numeric primary key, n int4)');
    const failure = await failureOf(
      applyTo(fixture, {
        amount: [
          row(1, ['1.0'], { id: '1.0', n: '1' }),
          row(1, ['1.00'], { id: '1.00', n: '2' }),
        ],
      }),
    );
    expect(failure.code).toBe('E4013');
  });

  test('a deadlock is rolled back and may be tried again', async () => {
    await using fixture = await fixtureWithItems();
    await fixture.sql(
      `alter database ${fixture.database.name} set deadlock_timeout = '100ms'`,
    );
    await using target = await targetAt(fixture.database.url);
    await using first = await target.begin();
    await using second = await target.begin();
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

  test('a lock timeout and an idle transaction may be tried again', async () => {
    await using fixture = await fixtureWithItems();
    await fixture.sql(
      `alter database ${fixture.database.name} set lock_timeout = '50ms'`,
    );
    await using holder = await fixture.target.begin();
    await upsert(fixture, holder, { id: '1', n: '1' });
    await using hasty = await targetAt(fixture.database.url, 2_000);
    const failure = await failureOf(
      applyTo(
        fixture,
        { item: [row(1, [1], { id: '1', n: '2' })] },
        { target: hasty },
      ),
    );
    expect(failure.code).toBe('E4003');
    await using idle = await hasty.begin();
    await upsert(fixture, idle, { id: '2', n: '1' });
    await expect
      .poll(
        async () =>
          fixture.rows(
            `select pid from pg_stat_activity where state = 'idle in transaction' and query like '%item%' and datname = current_database()`,
          ),
        { timeout: 10_000 },
      )
      .toHaveLength(1);
    expect((await failureOf(idle.commit(null))).code).toBe('E4003');
  });

  test('a session that the server ends is a lost connection', async () => {
    await using fixture = await fixtureWithItems();
    await using transaction = await fixture.target.begin();
    await upsert(fixture, transaction, { id: '1', n: '1' });
    await fixture.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'replicator' and datname = current_database()`,
    );
    const failure = await failureOf(transaction.commit(null));
    expect([failure.code, failure.disposition]).toEqual(['E4002', 'retry']);
    // Other idle connections were cut too; they are found out one by one.
    await expect
      .poll(() =>
        fixture.target.ping().then(
          () => 'pong',
          () => 'lost',
        ),
      )
      .toBe('pong');
  });

  test('a server that is killed during commit leaves a lost connection, and is found again', async () => {
    await using server = await startPostgresServer({ fsync: false });
    await using target = await targetAt(server.url());
    const client = new pg.Client({ connectionString: server.url() });
    client.on('error', () => {});
    await client.connect();
    await client.query('create table item (id int8 primary key)');
    const fixture = { target, schema: schemaName(['postgres', 'public']) };
    const table = (await shapeOf(fixture)).tables.get('item')!;
    await using transaction = await target.begin();
    await createApplier({ collapse: true }).apply(
      [{ table, mutations: [row(1, [1], { id: '1' })] }],
      transaction,
      never,
    );
    await server.kill();
    expect((await failureOf(transaction.commit(null))).code).toBe('E4002');
    expect((await failureOf(target.ping())).code).toBe('E4001');
    await server.start();
    await target.ping();
    await applyTo(fixture, { item: [row(1, [1], { id: '1' })] });
  });

  test('a read-only database has no room for us', async () => {
    await using fixture = await fixtureWithItems();
    await fixture.sql(
      `alter database ${fixture.database.name} set default_transaction_read_only = on`,
    );
    await using target = await targetAt(fixture.database.url);
    const failure = await failureOf(
      applyTo(fixture, { item: [row(1, [1], { id: '1' })] }, { target }),
    );
    expect([failure.code, failure.disposition]).toEqual(['E4010', 'retry']);
  });

  test('logins: rights, password, database, connections', async () => {
    await using fixture = await fixtureWithItems();
    const user = `u_${fixture.database.name}`;
    await fixture.sql(
      `create role ${user} login password 'right pass' connection limit 1`,
    );
    try {
      const url = new URL(fixture.database.url);
      url.username = user;
      url.password = 'right%20pass';
      await using target = await targetAt(url.href);
      const failure = await failureOf(
        applyTo(fixture, { item: [row(1, [1], { id: '1' })] }, { target }),
      );
      expect([failure.code, failure.disposition]).toEqual(['E4007', 'halt']);
      expect(
        await target.claimCheckpoint(fixture.schema, 'here', null),
      ).toBeNull();
      expect(await target.checkpoint(fixture.schema)).toBeNull();
      await using another = await targetAt(url.href);
      expect((await failureOf(another.ping())).code).toBe('E4010');
      url.password = 'wrong-pass-4711';
      await using wrong = await targetAt(url.href);
      const refused = await failureOf(wrong.ping());
      expect(refused.code).toBe('E4015');
      expect(`${refused.line} ${String(refused.cause)}`).not.toContain('4711');
      const elsewhere = new URL(fixture.database.url);
      elsewhere.pathname = '/no_such_database';
      await using lost = await targetAt(elsewhere.href);
      expect((await failureOf(lost.ping())).code).toBe('E4015');
    } finally {
      await fixture.sql(`drop role ${user}`);
    }
  });

  test('a server that is not there, or hangs up, cannot be reached', async () => {
    await using nowhere = await targetAt(
      `postgresql://u:p@127.0.0.1:${await freePort()}/db`,
    );
    expect((await failureOf(nowhere.ping())).code).toBe('E4001');
    await using unknown = await targetAt(
      'postgresql://u:p@no-such-host.invalid/db',
    );
    expect((await failureOf(unknown.ping())).code).toBe('E4001');
    const rude = createServer((socket) => socket.destroy());
    rude.listen(0, '127.0.0.1');
    await once(rude, 'listening');
    const { port } = rude.address() as { port: number };
    await using cut = await targetAt(`postgresql://u:p@127.0.0.1:${port}/db`);
    expect((await failureOf(cut.ping())).disposition).toBe('retry');
    rude.close();
  });

  test('a server that takes the login and then says nothing cannot be reached', async () => {
    await using fixture = await postgresFixture();
    const { hostname, port } = new URL(fixture.database.url);
    await using proxy = await startFaultProxy({
      host: hostname,
      port: Number(port),
    });
    // The session settings are the first statement; their answer is held back.
    void proxy.dropAnswerAfter((chunk) => {
      if (chunk.includes('client_encoding to')) {
        proxy.hold();
      }
      return false;
    });
    await using target = await targetAt(proxy.url(fixture.database.url), 1_000);
    const failure = await failureOf(target.ping());
    expect([failure.code, failure.disposition]).toEqual(['E4001', 'retry']);
    expect(failure.message).toContain('ETIMEDOUT');
    expect(target.poolCounts()).toMatchObject({ total: 0, dialErrorCount: 1 });
    await proxy.resume();
    await expect.poll(() => answers(target)).toBe(true);
  });
});
