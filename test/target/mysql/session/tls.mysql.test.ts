/** libpq's sslmodes against servers with certificates of their own. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { createCertificates } from '../../../../src/lib/certificates.ts';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import { failureOf } from '../../../contract/target-fixture.ts';
import type { MysqlProduct } from '../../../support/mysql-binaries.ts';
import {
  type MysqlServer,
  startMysqlServer,
} from '../../../support/mysql-server.ts';
import { MYSQL_PRODUCTS } from '../../../support/mysql-test-database.ts';

async function tlsServer(
  product: MysqlProduct,
  hosts: readonly string[],
): Promise<MysqlServer> {
  return startMysqlServer({
    product,
    fsync: false,
    tls: await createCertificates({ hosts, days: 2, clientName: 'certified' }),
  });
}

async function administer(
  server: MysqlServer,
  statements: readonly string[],
): Promise<void> {
  const client = await mysql.createConnection({ uri: server.url() });
  for (const statement of statements) {
    await client.query(statement);
  }
  await client.end();
}

/** Whether the session is encrypted, or the code of its failure. */
async function session(
  server: MysqlServer,
  query: string,
  change?: (url: URL) => void,
): Promise<string> {
  const url = new URL(`${server.url('shop')}?${query}`);
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
  const client = await mysql.createConnection({ uri: server.url() });
  // One that has just ended may be listed still.
  await expect
    .poll(async () => {
      const [rows] = await client.query<mysql.RowDataPacket[]>(
        `select id from information_schema.processlist where db = 'shop'`,
      );
      return rows.length;
    })
    .toBe(1);
  await client.end();
  return (await isEncrypted(target)) ? 'tls' : 'clear';
}

/** The checkpoint's table is a view here, of the session's own status. */
async function isEncrypted(
  target: Awaited<ReturnType<typeof openTarget>>,
): Promise<boolean> {
  const told = await target.checkpoint('shop' as never);
  return (told!.applied as string) !== '';
}

describe.each(MYSQL_PRODUCTS)('sslmode of %s', (product) => {
  test('means what libpq means by it', async () => {
    await using server = await tlsServer(product, ['localhost']);
    const strange = join(server.tlsDir, 'strange.crt');
    await writeFile(
      strange,
      (await createCertificates({ hosts: ['localhost'], days: 2 })).ca.cert,
    );
    const status =
      product === 'mysql'
        ? 'performance_schema.session_status'
        : 'information_schema.session_status';
    await administer(server, [
      'create database shop',
      `create sql security invoker view shop.replicator_checkpoint as select variable_value as applied, 1 as epoch, 'x' as staging_id, convert('shop' using utf8mb4) collate utf8mb4_bin as schema_name from ${status} where variable_name = 'Ssl_cipher'`,
      `create user certified identified by 'pw' require x509`,
      'grant select on *.* to certified',
    ]);
    const ca = `sslrootcert=${server.tlsDir}/ca.crt`;
    const other = `sslrootcert=${strange}`;
    const named = (url: URL): void => {
      url.hostname = 'localhost';
    };
    const certified = (url: URL): void => {
      url.username = 'certified';
      url.password = 'pw';
    };
    const certificate = `sslcert=${server.tlsDir}/client.crt&sslkey=${server.tlsDir}/client.key`;
    expect({
      none: await session(server, ''),
      disable: await session(server, 'sslmode=disable'),
      allow: await session(server, 'sslmode=allow'),
      prefer: await session(server, 'sslmode=prefer'),
      require: await session(server, 'sslmode=require'),
      requireStrange: await session(server, `sslmode=require&${other}`),
      verifyCa: await session(server, `sslmode=verify-ca&${ca}`),
      verifyCaStrange: await session(server, `sslmode=verify-ca&${other}`),
      verifyFull: await session(server, `sslmode=verify-full&${ca}`, named),
      verifyFullOtherName: await session(server, `sslmode=verify-full&${ca}`),
      verifyFullPublic: await session(server, 'sslmode=verify-full', named),
      certificate: await session(
        server,
        `sslmode=require&${certificate}`,
        certified,
      ),
      noCertificate: await session(server, 'sslmode=require', certified),
      allowCertificate: await session(
        server,
        `sslmode=allow&${certificate}`,
        certified,
      ),
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
      certificate: 'tls',
      noCertificate: 'E4015',
      allowCertificate: 'tls',
    });
  });

  test('an address of digits is compared with the certificate as it stands', async () => {
    await using server = await tlsServer(product, ['127.0.0.1']);
    const ca = `sslrootcert=${server.tlsDir}/ca.crt`;
    const ping = async (host: string): Promise<string> => {
      const url = new URL(`${server.url('mysql')}?sslmode=verify-full&${ca}`);
      url.hostname = host;
      await using target = await openTarget({
        url: url.href,
        ...defaultTargetOptions,
      });
      return target.ping().then(
        () => 'pong',
        (error: { code: string }) => error.code,
      );
    };
    expect([await ping('127.0.0.1'), await ping('localhost')]).toEqual([
      'pong',
      'E4015',
    ]);
  });

  test('a server without TLS is told apart', async () => {
    await using server = await startMysqlServer({
      product,
      fsync: false,
      settings: product === 'mysql' ? { tls_version: '' } : {},
    });
    await administer(server, ['create database shop']);
    await using target = await openTarget({
      url: `${server.url('shop')}?sslmode=require`,
      ...defaultTargetOptions,
    });
    const failure = await failureOf(target.ping());
    expect([failure.code, failure.message]).toEqual([
      'E4001',
      expect.stringContaining('has no TLS'),
    ]);
    await using preferring = await openTarget({
      url: server.url('shop'),
      ...defaultTargetOptions,
    });
    await preferring.ping();
  });

  test('a statement is cancelled through TLS too', async () => {
    await using server = await tlsServer(product, ['localhost']);
    await administer(server, [
      'create database shop',
      'create table shop.replicator_checkpoint (schema_name varchar(20) primary key, applied text, epoch bigint, staging_id text)',
    ]);
    const holder = await mysql.createConnection({ uri: server.url('shop') });
    await holder.query('lock tables replicator_checkpoint write');
    await using target = await openTarget({
      url: `${server.url('shop')}?sslmode=require`,
      ...defaultTargetOptions,
    });
    const abort = new AbortController();
    const waiting = target
      .checkpoint('shop' as never, abort.signal)
      .catch((error: unknown) => error);
    const waiterCount = async (): Promise<number> => {
      const admin = await mysql.createConnection({ uri: server.url() });
      const [rows] = await admin.query<mysql.RowDataPacket[]>(
        `select id from information_schema.processlist where state like 'Waiting for table metadata lock%'`,
      );
      await admin.end();
      return rows.length;
    };
    await expect.poll(waiterCount, { timeout: 20_000 }).toBe(1);
    abort.abort();
    expect(await waiting).toMatchObject({ name: 'AbortError' });
    await expect.poll(waiterCount, { timeout: 20_000 }).toBe(0);
    await holder.end();
  });
});
