/** --stagingConn means by sslmode what --targetConn and libpq mean by it. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ReplicatorError } from '../../src/failure/failure.ts';
import { openStaging } from '../../src/staging/open.ts';
import type { StagingStore } from '../../src/staging/staging.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import { startTlsPostgresServer } from '../support/tls-postgres-server.ts';

let server: PostgresServer;
let folder: string;

beforeAll(async () => {
  server = await startTlsPostgresServer();
  folder = server.dataDir;
  await query(
    'create schema stage; grant all on schema stage to certified, cleartext',
  );
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function query(text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: server.url(), ssl: false });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

function open(url: URL, signal?: AbortSignal): Promise<StagingStore> {
  return openStaging(
    {
      stagingConn: url.href,
      dataDir: '',
      stagingSchema: 'postgres.stage',
      createSchema: false,
      exclusive: true,
      pool: {
        idleTimeMs: 60_000,
        jitterTimeMs: 0,
        maxLifetimeMs: 0,
        maxPoolSize: 2,
      },
    },
    signal,
  );
}

const replicatorSessions = `select pid from pg_stat_activity where application_name = 'replicator'`;

/** How the sessions of a store are encrypted, or why there is no store. */
async function sessions(
  parameters: string,
  change?: (url: URL) => void,
): Promise<string> {
  const url = new URL(`${server.url()}?${parameters}`);
  change?.(url);
  try {
    await using store = await open(url);
    // Two at once, so that the pool dials too.
    await Promise.all([store.ping(), store.ping()]);
    const { rows } = await query(
      `select distinct s.ssl from pg_stat_ssl s join pg_stat_activity a using (pid) where a.application_name = 'replicator'`,
    );
    return rows
      .map((row: { ssl: boolean }) => (row.ssl ? 'tls' : 'clear'))
      .join();
  } catch (error) {
    if (error instanceof ReplicatorError) {
      return `${error.code} ${error.disposition}`;
    }
    throw error;
  } finally {
    // Nor is a session of this store seen by the next call.
    await expect
      .poll(async () => (await query(replicatorSessions)).rows)
      .toEqual([]);
    // The roles of this suite use the same tables one after the other.
    await query('drop schema stage cascade; create schema stage');
    await query('grant all on schema stage to certified, cleartext');
  }
}

describe('sslmode', () => {
  test('means what libpq means by it', async () => {
    const ca = `sslrootcert=${folder}/ca.crt`;
    const strange = `sslrootcert=${folder}/strange.crt`;
    const named = (url: URL): void => {
      url.hostname = 'localhost';
    };
    expect({
      none: await sessions(''),
      disable: await sessions('sslmode=disable'),
      allow: await sessions('sslmode=allow'),
      require: await sessions('sslmode=require'),
      requireStrange: await sessions(`sslmode=require&${strange}`),
      verifyCa: await sessions(`sslmode=verify-ca&${ca}`),
      verifyFull: await sessions(`sslmode=verify-full&${ca}`, named),
      verifyFullOtherName: await sessions(`sslmode=verify-full&${ca}`),
      verifyFullPublic: await sessions('sslmode=verify-full', named),
    }).toEqual({
      none: 'tls',
      disable: 'clear',
      allow: 'clear',
      require: 'tls',
      requireStrange: 'E2001 halt',
      verifyCa: 'tls',
      verifyFull: 'tls',
      verifyFullOtherName: 'E2001 halt',
      verifyFullPublic: 'E2001 halt',
    });
  });

  test('a client certificate logs in, and a rule for cleartext or TLS alone is found', async () => {
    const certificate = `sslcert=${folder}/client.crt&sslkey=${folder}/client.key`;
    const as = (user: string) => (url: URL) => {
      url.username = user;
      url.password = '';
    };
    expect({
      certificate: await sessions(
        `sslmode=require&${certificate}`,
        as('certified'),
      ),
      noCertificate: await sessions('sslmode=require', as('certified')),
      allow: await sessions(`sslmode=allow&${certificate}`, as('certified')),
      prefer: await sessions('sslmode=prefer', as('cleartext')),
      require: await sessions('sslmode=require', as('cleartext')),
    }).toEqual({
      certificate: 'tls',
      noCertificate: 'E2001 halt',
      allow: 'tls',
      prefer: 'clear',
      require: 'E2001 halt',
    });
  });

  test.each([
    ['sslmod=require', 'E5002'],
    ['sslmode=require&sslrootcert=/no/such', 'E5005'],
    ['sslmode=verify-ca', 'E5007'],
  ])('%s is refused before anything is dialled', async (parameters, code) => {
    await expect(
      open(new URL(`postgresql://u@no.such.host/d?${parameters}`)),
    ).rejects.toMatchObject({
      code,
      message: expect.stringContaining('--stagingConn') as string,
    });
  });
});

test('an abort ends the wait for a server that does not answer', async () => {
  await using silent = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const abort = new AbortController();
  const connected = once(silent, 'connection');
  const opening = open(
    new URL(`postgresql://u@127.0.0.1:${port}/d`),
    abort.signal,
  ).catch((error: unknown) => error);
  const [socket] = (await connected) as [Socket];
  abort.abort();
  expect(await opening).toMatchObject({ name: 'AbortError' });
  socket.destroy();
});
