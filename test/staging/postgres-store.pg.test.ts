import pg from 'pg';
import { describe, expect, test } from 'vitest';
import type { ReplicatorError } from '../../src/failure/failure.ts';
import { decodeEntry } from '../../src/staging/batch-codec.ts';
import { openStaging, type StagingOptions } from '../../src/staging/open.ts';
import { parsePostgresAddress } from '../../src/config/address/postgres.ts';
import { openConnections } from '../../src/staging/postgres/connections.ts';
import { migrate, tablesOf } from '../../src/staging/postgres/schema.ts';
import {
  at,
  entriesOf,
  readAll,
  row,
  schema,
  type StagingPlace,
} from '../contract/staging-place.ts';
import { registerLeaseContract } from '../contract/staging-leases.ts';
import { registerStagingStoreContract } from '../contract/staging-store.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';

const pool = {
  idleTimeMs: 60_000,
  jitterTimeMs: 15_000,
  maxLifetimeMs: 300_000,
  maxPoolSize: 8,
};

async function database(): Promise<StagingPlace & { db: TestDatabase }> {
  const db = await testDatabase();
  const options = {
    stagingConn: db.url,
    stagingSchema: `${db.name}.staging`,
    createSchema: true,
    dataDir: '/nonexistent',
    pool,
  };
  return {
    db,
    open: () => openStaging(options),
    openBeside: () => openStaging({ ...options, exclusive: false }),
    async setVersion(version) {
      await db.query('update staging.staging_version set version = $1', [
        version,
      ]);
    },
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}

registerStagingStoreContract('the PostgreSQL store', database);
registerLeaseContract('the PostgreSQL store', database);

function options(
  url: string,
  stagingSchema: string,
  createSchema: boolean,
): StagingOptions {
  return {
    stagingConn: url,
    stagingSchema,
    createSchema,
    dataDir: '/nonexistent',
    pool,
  };
}

async function connected(
  url: string,
): Promise<{ pg: pg.Client } & AsyncDisposable> {
  const client = new pg.Client(url);
  await client.connect();
  return { pg: client, [Symbol.asyncDispose]: () => client.end() };
}

test('tables of keys that the peer made are taken over, and its statements work on ours', async () => {
  await using here = await database();
  await here.db.query('create schema staging');
  await here.db.query(
    'create table staging.jwt_public_keys (id uuid not null primary key, public_key text not null, active bool not null default true)',
  );
  await here.db.query(
    "insert into staging.jwt_public_keys (id, public_key) values ('6f1c5c9e-0000-4000-8000-000000000001', 'k1')",
  );
  await using store = await here.open();
  expect(await store.tokens.keys()).toEqual([
    {
      id: '6f1c5c9e-0000-4000-8000-000000000001',
      publicKey: 'k1',
      isActive: true,
    },
  ]);
  await using other = await database();
  await using fresh = await other.open();
  await other.db.query(
    "insert into staging.jwt_public_keys (public_key) values ('k2'), ('k3')",
  );
  await other.db.query("insert into staging.jwt_revoked_ids values ('t1')");
  const keys = await fresh.tokens.keys();
  expect(keys.map(({ publicKey }) => publicKey).toSorted()).toEqual([
    'k2',
    'k3',
  ]);
  expect(new Set(keys.map(({ id }) => id)).size).toBe(2);
  expect(await fresh.tokens.revokedIds()).toEqual(['t1']);
});

describe('the staging schema', () => {
  test('is refused with its remedy where it does not exist', async () => {
    await using db = await testDatabase();
    await expect(
      openStaging(options(db.url, `${db.name}.nowhere`, false)),
    ).rejects.toMatchObject({
      code: 'E2004',
      message: `the staging schema "nowhere" does not exist in the database "${db.name}"`,
      remedy: 'create it, or start once with --stagingCreateSchema',
    });
    await expect(
      openStaging(options(db.url, 'no_such_db.public', false)),
    ).rejects.toMatchObject({
      code: 'E2004',
      message:
        'the staging database "no_such_db" (of --stagingSchema) does not exist',
    });
  });

  test('is made in a database of its own, which keeps to its name', async () => {
    await using db = await testDatabase();
    const own = `${db.name} Own "x"`;
    const name = `"${own.replaceAll('"', '""')}"`;
    try {
      {
        await using store = await openStaging(
          options(db.url, `${name}.replicator`, true),
        );
        await store.append(entriesOf(row(at(1), 'a')));
      }
      await using again = await openStaging(
        options(db.url, `${name}.replicator`, false),
      );
      expect(await again.size(schema)).toMatchObject({ entryCount: 1 });
      const here = await db.query(
        'select 1 from pg_namespace where nspname = $1',
        ['replicator'],
      );
      expect(here.rows).toEqual([]);
    } finally {
      await db.query(`drop database if exists ${name} with (force)`);
    }
  });

  test('of one part is a database, with the schema public', async () => {
    await using db = await testDatabase();
    await using store = await openStaging(options(db.url, db.name, false));
    await store.ping();
    const { rows } = await db.query(
      "select tablename from pg_tables where schemaname = 'public' order by tablename",
    );
    expect(rows.map((found) => found['tablename'])).toEqual([
      'jwt_public_keys',
      'jwt_revoked_ids',
      'staging_checkpoint',
      'staging_lease',
      'staging_log',
      'staging_memo',
      'staging_version',
    ]);
  });

  test('takes entries from several instances at once', async () => {
    await using db = await testDatabase();
    const shared = options(db.url, `${db.name}.shared`, true);
    const stores = [await openStaging(shared)];
    for (let i = 1; i < 6; i++) {
      stores.push(await openStaging({ ...shared, exclusive: false }));
    }
    await Promise.all(
      stores.map((store, i) => store.append(entriesOf(row(at(i), String(i))))),
    );
    expect(await stores[0]!.size(schema)).toMatchObject({ entryCount: 6 });
    await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
  });

  test('of an older version is brought up to date, with what is in it', async () => {
    await using db = await testDatabase();
    await using client = await connected(db.url);
    const tables = tablesOf('public');
    const first = () => [
      `create table if not exists ${tables.memo} (name text primary key)`,
    ];
    const second = () => [
      `alter table ${tables.memo} add column if not exists value text`,
    ];
    await migrate(client.pg, tables, [first]);
    await client.pg.query(`insert into ${tables.memo} values ('kept')`);
    await migrate(client.pg, tables, [first, second]);
    await migrate(client.pg, tables, [first, second]);
    expect((await db.query(`select * from ${tables.memo}`)).rows).toEqual([
      { name: 'kept', value: null },
    ]);
    await expect(migrate(client.pg, tables, [first])).rejects.toMatchObject({
      code: 'E2003',
    });
  });
});

const addressOf = (url: string) => parsePostgresAddress(url, '--stagingConn');

describe('connections', () => {
  test('wait for the disk, whatever the server does by default, and bear our name', async () => {
    await using db = await testDatabase();
    await db.query(`alter database ${db.name} set synchronous_commit = off`);
    await using connections = openConnections(addressOf(db.url), pool);
    expect(
      await connections.run({
        text: `select current_setting('synchronous_commit') as waits,
          current_setting('application_name') as name, current_setting('statement_timeout') as timeout`,
        values: [],
      }),
    ).toEqual([{ waits: 'on', name: 'replicator', timeout: '1min' }]);
  });

  test('that are stricter than needed are left so', async () => {
    await using db = await testDatabase();
    await db.query(
      `alter database ${db.name} set synchronous_commit = remote_apply`,
    );
    await using connections = openConnections(addressOf(db.url), pool);
    expect(
      await connections.run({ text: 'show synchronous_commit', values: [] }),
    ).toEqual([{ synchronous_commit: 'remote_apply' }]);
  });

  test('are replaced at the end of their life', async () => {
    await using db = await testDatabase();
    const pid = { text: 'select pg_backend_pid() as pid', values: [] };
    await using lasting = openConnections(addressOf(db.url), pool);
    expect(await lasting.run(pid)).toEqual(await lasting.run(pid));
    await using brief = openConnections(addressOf(db.url), {
      ...pool,
      maxLifetimeMs: 1,
      jitterTimeMs: 0,
    });
    const first = await brief.run({
      text: 'select pg_backend_pid() as pid, pg_sleep(0.01)',
      values: [],
    });
    expect((await brief.run(pid))[0]!['pid']).not.toBe(first[0]!['pid']);
  });

  test('that are cut fail with retry, and the next call finds a new one', async () => {
    await using place = await database();
    await using store = await place.open();
    await store.append(entriesOf(row(at(1), 'a')));
    const cut = (): Promise<unknown> =>
      place.db.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where application_name = 'replicator' and datname = $1`,
        [place.db.name],
      );
    const acknowledged: string[] = ['a'];
    for (let round = 0; round < 10; round++) {
      const calls = Array.from({ length: 10 }, (_, i) => `${round}-${i}`);
      const [outcomes] = await Promise.all([
        Promise.allSettled(
          calls.map(async (key) => {
            await store.append(
              entriesOf(row(at(1), key), row(at(2), `${key}'`)),
            );
            return key;
          }),
        ),
        cut(),
      ]);
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') {
          acknowledged.push(outcome.value);
        } else {
          expect(outcome.reason).toMatchObject({ disposition: 'retry' });
        }
      }
    }
    // Each connection that was cut unnoticed costs one more failure at most.
    for (let attempt = 0; attempt <= pool.maxPoolSize; attempt++) {
      const failure = await store
        .append(entriesOf(row(at(1), 'last')))
        .then(() => null)
        .catch((error: unknown) => error);
      if (failure === null) {
        acknowledged.push('last');
        break;
      }
      expect(failure).toMatchObject({ disposition: 'retry' });
    }
    expect(acknowledged).toContain('last');
    const found = (await readAll(store))
      .flatMap(decodeEntry)
      .map((mutation) => mutation.key as string);
    expect(acknowledged.filter((key) => !found.includes(`["${key}"]`))).toEqual(
      [],
    );
    // Never half a call: each call has a row in either entry.
    const halves = found
      .filter((key) => /\d-\d/.test(key))
      .map((key) => key.replace("'", ''));
    expect(
      halves.filter(
        (key) => halves.filter((other) => other === key).length !== 2,
      ),
    ).toEqual([]);
  });

  test('are cut when the signal aborts a read', async () => {
    await using db = await testDatabase();
    await using connections = openConnections(addressOf(db.url), pool);
    const abort = new AbortController();
    const reason = new DOMException('stop', 'AbortError');
    const sleeping = connections.run(
      { text: 'select pg_sleep(30)', values: [] },
      abort.signal,
    );
    setTimeout(() => abort.abort(reason), 50);
    await expect(sleeping).rejects.toBe(reason);
    expect(
      await connections.run({ text: 'select 1 as one', values: [] }),
    ).toEqual([{ one: 1 }]);
  });
});

describe('a server', () => {
  test('that goes away and comes back: E2001 while it is gone, nothing lost', async () => {
    await using server = await startPostgresServer({ fsync: false });
    await using store = await openStaging(
      options(server.url(), 'postgres.staging', true),
    );
    await store.append(entriesOf(row(at(1), 'a')));
    await server.kill();
    for (const attempt of [
      () => store.append(entriesOf(row(at(2), 'b'))),
      () => store.ping(),
      () => store.resolve(schema, at(3)),
    ]) {
      await expect(attempt()).rejects.toMatchObject({
        code: 'E2001',
        disposition: 'retry',
      });
    }
    await expect(
      openStaging(options(server.url(), 'postgres.staging', false)),
    ).rejects.toMatchObject({ code: 'E2001', disposition: 'retry' });
    await server.start();
    await store.append(entriesOf(row(at(2), 'c')));
    expect(
      (await readAll(store))
        .flatMap(decodeEntry)
        .map((mutation) => mutation.key),
    ).toEqual(['["a"]', '["c"]']);
  });

  test('that does not know us halts, and the password is not in the message', async () => {
    await using db = await testDatabase();
    const url = new URL(db.url);
    url.username = 'nobody';
    url.password = 'hunter2';
    const failure = await openStaging(
      options(url.href, `${db.name}.public`, false),
    ).then(
      () => null,
      (error: unknown) => error as ReplicatorError,
    );
    expect(failure).toMatchObject({ code: 'E2001', disposition: 'halt' });
    expect(failure!.line).not.toContain('hunter2');
  });

  test('of another kind is refused', async () => {
    await expect(
      openStaging(options('mysql://root:hunter2@h/db', 'a.b', false)),
    ).rejects.toMatchObject({
      code: 'E5002',
      message: '--stagingConn is not a postgresql:// URL',
    });
  });
});

test('retiring waits for a rewind under way and deletes nothing that it took back', async () => {
  await using place = await database();
  await using store = await place.open();
  await store.append(entriesOf(row(at(1), 'a'), row(at(4), 'b')));
  await store.commitApplied(schema, at(5), true);
  await using rewinding = await connected(place.db.url);
  await rewinding.pg.query('begin');
  await rewinding.pg.query(
    'update staging.staging_checkpoint set applied = $1, applied_in_target = $1',
    [at(2)],
  );
  const retiring = store.retire(schema, at(5), 10);
  for (;;) {
    const { rows } = await place.db.query(
      `select 1 from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (rows.length > 0) {
      break;
    }
  }
  await rewinding.pg.query('commit');
  expect(await retiring).toBe(1);
  expect((await store.checkpoint(schema)).retired).toBe(at(2));
  expect(
    (await readAll(store)).flatMap(decodeEntry).map((mutation) => mutation.key),
  ).toEqual(['["b"]']);
});
