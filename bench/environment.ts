/** What all cases of one run share: servers and certificates. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import {
  type Certificates,
  createCertificates,
} from '../src/lib/certificates.ts';
import type { MysqlProduct } from '../test/support/mysql-binaries.ts';
import {
  type MysqlServer,
  startMysqlServer,
} from '../test/support/mysql-server.ts';
import { startPostgresServer } from '../test/support/postgres-server.ts';
import { startUndertaker } from '../test/support/undertaker.ts';
import { openPool } from './pool.ts';
import { openTdsClient } from './tds-client.ts';

export interface BenchEnvironment extends AsyncDisposable {
  /** Connection string of a database on the run's server. */
  databaseUrl(name: string): string;
  /** Drops and creates the database, so that every sample begins alike. */
  freshDatabase(name: string): Promise<string>;
  /** The same on the product's server, which starts when first asked for. */
  freshMysqlDatabase(product: MysqlProduct, name: string): Promise<string>;
  /** The same on the server that TEST_SQLSERVER_URL names. */
  freshSqlServerDatabase(name: string): Promise<string>;
  readonly certificates: Certificates;
  /** `--tlsCertificate …` and so on, for the daemon. */
  readonly tlsFlags: readonly string[];
  /** For the files of a floor, on the same disk as the daemon's. */
  freshFolder(): Promise<string>;
  /** What several samples of the run share: opened when first asked for. */
  shared<T extends AsyncDisposable>(
    name: string,
    open: () => Promise<T>,
  ): Promise<T>;
}

export async function openEnvironment(): Promise<BenchEnvironment> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'replicator-bench-'));
  stack.use(startUndertaker('rm -rf "$1"', [folder]));
  // fsync stays on; the rest only keeps checkpoints out of short samples.
  const server = stack.use(
    await startPostgresServer({
      settings: {
        shared_buffers: '512MB',
        max_wal_size: '8GB',
        checkpoint_timeout: '30min',
      },
    }),
  );
  const certificates = await createCertificates({
    hosts: ['127.0.0.1', 'localhost'],
    days: 1,
  });
  const tlsFlags: string[] = [];
  for (const [flag, text] of [
    ['tlsCertificate', certificates.server.cert],
    ['tlsPrivateKey', certificates.server.key],
    ['tlsClientCA', certificates.ca.cert],
  ] as const) {
    const file = join(folder, `${flag}.pem`);
    await writeFile(file, text, { mode: 0o600 });
    tlsFlags.push(`--${flag}=${file}`);
  }
  const admin = stack.use(openPool(server.url(), 1));
  let folderCount = 0;
  const owned = stack.move();
  const mysqlServers = new Map<MysqlProduct, MysqlServer>();
  const shared = new Map<string, AsyncDisposable>();
  return {
    databaseUrl: (name) => server.url(name),
    async freshDatabase(name) {
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.query(`create database ${name} template template0`);
      await admin.query('checkpoint');
      return server.url(name);
    },
    async freshMysqlDatabase(product, name) {
      let started = mysqlServers.get(product);
      if (!started) {
        started = owned.use(await startBenchMysql(product));
        mysqlServers.set(product, started);
      }
      const client = await mysql.createConnection(started.url());
      await client.query(`drop database if exists ${name}`);
      await client.query(`create database ${name} character set utf8mb4`);
      await client.end();
      return started.url(name);
    },
    freshSqlServerDatabase,
    certificates,
    tlsFlags,
    async freshFolder() {
      const path = join(folder, `data-${(folderCount += 1)}`);
      await mkdir(path);
      return path;
    },
    async shared<T extends AsyncDisposable>(
      name: string,
      open: () => Promise<T>,
    ): Promise<T> {
      const known = shared.get(name) as T | undefined;
      if (known !== undefined) return known;
      const opened = owned.use(await open());
      shared.set(name, opened);
      return opened;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Of a server given from outside; absent where none is. */
export const sqlServerUrl = process.env['TEST_SQLSERVER_URL'] ?? '';

async function freshSqlServerDatabase(name: string): Promise<string> {
  await using client = await openTdsClient(sqlServerUrl);
  // A session left over would keep the database; Babelfish knows no such way.
  await client
    .query(
      `if db_id('${name}') is not null alter database ${name} set single_user with rollback immediate`,
    )
    .catch(() => {});
  await client.query(`drop database if exists ${name}`);
  await client.query(`create database ${name}`);
  const url = new URL(sqlServerUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Everything durable; the rest keeps checkpoints out of short samples. */
async function startBenchMysql(product: MysqlProduct): Promise<MysqlServer> {
  return await startMysqlServer({
    product,
    settings: {
      innodb_buffer_pool_size: '1G',
      ...(product === 'mysql'
        ? { innodb_redo_log_capacity: '4G' }
        : { innodb_log_file_size: '4G' }),
    },
  });
}
