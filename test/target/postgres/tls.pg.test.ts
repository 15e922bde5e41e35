/** libpq's sslmodes against a server with a certificate of its own. */
import { chmod, chown, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCertificates } from '../../../src/lib/certificates.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../src/target/open-target.ts';
import { failureOf } from '../../contract/target-fixture.ts';
import { serverUser } from '../../support/postgres-binaries.ts';
import {
  type PostgresServer,
  startPostgresServer,
} from '../../support/postgres-server.ts';

let server: PostgresServer;
let folder: string;

async function put(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  await chmod(file, 0o600);
  if (serverUser.uid !== undefined) {
    await chown(file, serverUser.uid, serverUser.gid!);
  }
  return file;
}

beforeAll(async () => {
  server = await startPostgresServer({ fsync: false });
  folder = server.dataDir;
  // The certificate is for a name that is not the address it is reached at.
  const own = await createCertificates({
    hosts: ['localhost'],
    days: 2,
    clientName: 'certified',
  });
  const strange = await createCertificates({ hosts: ['localhost'], days: 2 });
  await put('server.crt', own.server.cert);
  await put('server.key', own.server.key);
  const ca = await put('ca.crt', own.ca.cert);
  await put('client.crt', own.client.cert);
  await put('client.key', own.client.key);
  await put('strange.crt', strange.ca.cert);
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  for (const statement of [
    'alter system set ssl = on',
    `alter system set ssl_ca_file = '${ca}'`,
    'create role certified login',
    'create role cleartext login',
  ]) {
    await client.query(statement);
  }
  const rules = join(folder, 'pg_hba.conf');
  await put(
    'pg_hba.conf',
    [
      'hostssl all certified all cert',
      'hostnossl all certified all reject',
      'hostnossl all cleartext all trust',
      'hostssl all cleartext all reject',
      await readFile(rules, 'utf8'),
    ].join('\n'),
  );
  await client.query('select pg_reload_conf()');
  await client.end();
  await server.stop();
  await server.start();
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
  await using target = openTarget({ url: url.href, ...defaultTargetOptions });
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
    await using target = openTarget({
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
