import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openStaging } from '../../src/staging/open.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import { startPostgresServer } from '../support/postgres-server.ts';
import { type TestDatabase, testDatabase } from '../support/test-database.ts';

interface Place {
  readonly url: string;
  readonly schema: string;
  readonly exclusive?: boolean;
  readonly shared?: 'staged' | 'applied';
}

function open(place: Place, signal?: AbortSignal): Promise<StagingStore> {
  return openStaging(
    {
      stagingConn: place.url,
      stagingSchema: place.schema,
      createSchema: true,
      dataDir: '/nonexistent',
      pool: {
        idleTimeMs: 60_000,
        jitterTimeMs: 0,
        maxLifetimeMs: 0,
        maxPoolSize: 2,
      },
      ...(place.exclusive === false && { exclusive: false }),
      ...(place.shared && { shared: place.shared }),
    },
    signal,
  );
}

/** The sessions that hold a lock for a daemon in the database. */
async function holders(
  db: Pick<TestDatabase, 'query' | 'name'>,
): Promise<number[]> {
  const { rows } = await db.query(
    `select pid from pg_locks where locktype = 'advisory' and granted
       and database = (select oid from pg_database where datname = $1)`,
    [db.name],
  );
  return rows.map((row) => row['pid'] as number);
}

async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) {
    await sleep(20);
  }
}

test('daemons that share a staging schema start at the same moment, and make it together', async () => {
  await using db = await testDatabase();
  const place = {
    url: db.url,
    schema: `${db.name}.one`,
    shared: 'staged',
  } as const;
  const stores = await Promise.all(
    Array.from({ length: 6 }, () => open(place)),
  );
  expect(stores.map((store) => store.leases !== null)).not.toContain(false);
  for (const store of stores) {
    await store[Symbol.asyncDispose]();
  }
});

test('one that needs staging for itself, and those that share it, keep each other out', async () => {
  await using db = await testDatabase();
  const alone = { url: db.url, schema: `${db.name}.one` };
  const shared = { ...alone, shared: 'staged' } as const;
  {
    await using _first = await open(shared);
    await using _second = await open(shared);
    await expect(open(alone)).rejects.toMatchObject({ code: 'E2005' });
  }
  await using _alone = await open(alone);
  await expect(open(shared)).rejects.toMatchObject({ code: 'E2005' });
}, 60_000);

test('daemons whose acknowledgements mean something else do not share a staging schema', async () => {
  await using db = await testDatabase();
  const place = { url: db.url, schema: `${db.name}.one` };
  const staged = { ...place, shared: 'staged' } as const;
  const applied = { ...place, shared: 'applied' } as const;
  {
    await using _first = await open(staged);
    await expect(open(applied)).rejects.toMatchObject({
      code: 'E2012',
      disposition: 'halt',
    });
    await using _second = await open(staged);
  }
  await using _first = await open(applied);
  await using _second = await open(applied);
  await expect(open(staged)).rejects.toMatchObject({ code: 'E2012' });
}, 60_000);

test('a second daemon on a staging schema is refused, a command and another schema are not', async () => {
  await using db = await testDatabase();
  const place = { url: db.url, schema: `${db.name}.one` };
  const first = await open(place);
  await using _command = await open({ ...place, exclusive: false });
  await using _other = await open({ ...place, schema: `${db.name}.other` });
  await expect(open(place)).rejects.toMatchObject({
    code: 'E2005',
    disposition: 'halt',
    message: `another replicator uses the staging schema "one" in the database "${db.name}"`,
  });
  expect(await holders(db)).toHaveLength(2);
  await first[Symbol.asyncDispose]();
  await using second = await open(place);
  await second.ping();
});

test('a daemon that opens while the last one ends waits for it', async () => {
  await using db = await testDatabase();
  const place = { url: db.url, schema: `${db.name}.one` };
  const first = await open(place);
  const opening = open(place);
  await sleep(500);
  await first[Symbol.asyncDispose]();
  await using second = await opening;
  await second.ping();
});

test('waiting for the other daemon ends with the signal', async () => {
  await using db = await testDatabase();
  const place = { url: db.url, schema: `${db.name}.one` };
  await using _first = await open(place);
  const abort = new AbortController();
  const reason = new DOMException('stop', 'AbortError');
  const opening = open(place, abort.signal);
  setTimeout(() => abort.abort(reason), 300);
  await expect(opening).rejects.toBe(reason);
  await until(async () => (await holders(db)).length === 1);
});

test('a session that is cut is locked again, and ends with the store', async () => {
  await using db = await testDatabase();
  const place = { url: db.url, schema: `${db.name}.one` };
  const store = await open(place);
  for (let round = 0; round < 3; round++) {
    const [pid] = await holders(db);
    await db.query('select pg_terminate_backend($1)', [pid]);
    await until(async () => {
      const [now] = await holders(db);
      return now !== undefined && now !== pid;
    });
  }
  await store.ping();
  await store[Symbol.asyncDispose]();
  await until(async () => (await holders(db)).length === 0);
});

test('a store whose server is gone can be closed', async () => {
  await using server = await startPostgresServer({ fsync: false });
  const store = await open({ url: server.url(), schema: 'postgres.one' });
  await server.kill();
  await sleep(300);
  await store[Symbol.asyncDispose]();
});

test('a server that is killed and comes back has the lock again', async () => {
  await using server = await startPostgresServer({ fsync: false });
  const place = { url: server.url(), schema: 'postgres.one' };
  await using _store = await open(place);
  await server.kill();
  await server.start();
  // Sooner or later: until the store has dialled, another may get in.
  await until(() =>
    open(place).then(
      async (other) => {
        await other[Symbol.asyncDispose]();
        await sleep(200);
        return false;
      },
      (error: { code?: string }) => error.code === 'E2005',
    ),
  );
});
