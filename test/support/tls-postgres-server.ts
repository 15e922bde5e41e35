/** A PostgreSQL server with a certificate of its own, for sslmodes. */
import { chmod, chown, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { createCertificates } from '../../src/lib/certificates.ts';
import { serverUser } from './postgres-binaries.ts';
import { type PostgresServer, startPostgresServer } from './postgres-server.ts';

/**
 * In its data directory lie `ca.crt`, `client.crt` with `client.key` for the
 * role `certified`, and `strange.crt`, a CA that signed nothing here. The
 * server's certificate is for `localhost`, and not for the address of `url()`.
 * `certified` needs TLS and that certificate; `cleartext` may not use TLS.
 */
export async function startTlsPostgresServer(): Promise<PostgresServer> {
  const server = await startPostgresServer({ fsync: false });
  const folder = server.dataDir;
  const own = await createCertificates({
    hosts: ['localhost'],
    days: 2,
    clientName: 'certified',
  });
  const strange = await createCertificates({ hosts: ['localhost'], days: 2 });
  await put(folder, 'server.crt', own.server.cert);
  await put(folder, 'server.key', own.server.key);
  const ca = await put(folder, 'ca.crt', own.ca.cert);
  await put(folder, 'client.crt', own.client.cert);
  await put(folder, 'client.key', own.client.key);
  await put(folder, 'strange.crt', strange.ca.cert);
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
    folder,
    'pg_hba.conf',
    [
      'hostssl all certified all cert',
      'hostnossl all certified all reject',
      'hostnossl all cleartext all trust',
      'hostssl all cleartext all reject',
      await readFile(rules, 'utf8'),
    ].join('\n'),
  );
  await client.end();
  await server.stop();
  await server.start();
  return server;
}

async function put(folder: string, name: string, text: string) {
  const file = join(folder, name);
  await writeFile(file, text);
  await chmod(file, 0o600);
  if (serverUser.uid !== undefined) {
    await chown(file, serverUser.uid, serverUser.gid!);
  }
  return file;
}
