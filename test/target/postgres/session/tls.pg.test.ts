/** libpq's sslmodes against a server with a certificate of its own. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import { failureOf } from '../../../contract/target-fixture.ts';
import type { PostgresServer } from '../../../support/postgres-server.ts';
import { startTlsPostgresServer } from '../../../support/tls-postgres-server.ts';

let server: PostgresServer;
let folder: string;

beforeAll(async () => {
  server = await startTlsPostgresServer();
  folder = server.dataDir;
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Whether the session is encrypted, or the code and the word of its failure. */
async function session(
  query: string,
  change?: (url: URL) => void,
): Promise<string> {
  const url = new URL(`${server.url()}?${query}`);
  change?.(url);
  await using target = await openTarget({
    url: url.href,
    ...defaultTargetOptions,
  });
  try {
    await target.ping();
  } catch {
    return (await failureOf(target.ping())).code;
  }
  const client = new pg.Client({ connectionString: server.url(), ssl: false });
  await client.connect();
  const { rows } = await client.query(
    `select s.ssl from pg_stat_ssl s join pg_stat_activity a using (pid) where a.application_name = 'replicator'`,
  );
  await client.end();
  return rows
    .map((row: { ssl: boolean }) => (row.ssl ? 'tls' : 'clear'))
    .join();
}

describe('sslmode', () => {
  test('means what libpq means by it', async () => {
    const ca = `sslrootcert=${folder}/ca.crt`;
    const strange = `sslrootcert=${folder}/strange.crt`;
    const named = (url: URL): void => {
      url.hostname = 'localhost';
    };
    expect({
      none: await session(''),
      disable: await session('sslmode=disable'),
      allow: await session('sslmode=allow'),
      prefer: await session('sslmode=prefer'),
      require: await session('sslmode=require'),
      requireStrange: await session(`sslmode=require&${strange}`),
      verifyCa: await session(`sslmode=verify-ca&${ca}`),
      verifyCaStrange: await session(`sslmode=verify-ca&${strange}`),
      verifyFull: await session(`sslmode=verify-full&${ca}`, named),
      verifyFullOtherName: await session(`sslmode=verify-full&${ca}`),
      verifyFullPublic: await session('sslmode=verify-full', named),
    }).toEqual({
      none: 'tls',
      disable: 'clear',
      allow: 'clear',
      prefer: 'tls',
      require: 'tls',
      requireStrange: 'E4015',
      verifyCa: 'tls',
      verifyCaStrange: 'E4015',
      verifyFull: 'tls',
      verifyFullOtherName: 'E4015',
      verifyFullPublic: 'E4015',
    });
  });

  test('a client certificate logs in, and a rule for cleartext or TLS alone is found', async () => {
    const certificate = `sslcert=${folder}/client.crt&sslkey=${folder}/client.key`;
    const as = (user: string) => (url: URL) => {
      url.username = user;
      url.password = '';
    };
    expect({
      certificate: await session(
        `sslmode=require&${certificate}`,
        as('certified'),
      ),
      noCertificate: await session('sslmode=require', as('certified')),
      allow: await session(`sslmode=allow&${certificate}`, as('certified')),
      prefer: await session('sslmode=prefer', as('cleartext')),
      require: await session('sslmode=require', as('cleartext')),
    }).toEqual({
      certificate: 'tls',
      noCertificate: 'E4015',
      allow: 'tls',
      prefer: 'clear',
      require: 'E4015',
    });
  });

  test('a statement is cancelled through TLS too', async () => {
    const client = new pg.Client({ connectionString: server.url() });
    await client.connect();
    await client.query(
      'create table replicator_checkpoint (schema_name text primary key, applied text, epoch int8)',
    );
    await client.query('begin; lock table replicator_checkpoint');
    await using target = await openTarget({
      url: `${server.url()}?sslmode=require`,
      ...defaultTargetOptions,
    });
    await target.ping();
    const abort = new AbortController();
    const waiting = target
      .checkpoint('postgres.public' as never, abort.signal)
      .catch((error: unknown) => error);
    const waiters = async (): Promise<number> => {
      const { rowCount } = await client.query(
        `select from pg_stat_activity where wait_event_type = 'Lock'`,
      );
      return rowCount!;
    };
    await expect.poll(waiters).toBe(1);
    abort.abort();
    expect(await waiting).toMatchObject({ name: 'AbortError' });
    await expect.poll(waiters).toBe(0);
    await client.end();
  });
});
