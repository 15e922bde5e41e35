/**
 * Servers of the MySQL family that a test may stop, kill and start again.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import type { Certificates } from '../../src/lib/certificates.ts';
import {
  MYSQL_PASSWORD,
  MYSQL_USER,
  type MysqlInstallation,
  type MysqlProduct,
  initialiseMysqlData,
  mysqlEnvironment,
  mysqlInstallation,
} from './mysql-binaries.ts';
import { serverTemporaryFolder, serverUser } from './postgres-binaries.ts';
import { freePort } from './postgres-server.ts';
import { startUndertaker } from './undertaker.ts';

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 120_000;

export interface MysqlServerOptions {
  readonly product: MysqlProduct;
  /** Of Debian, other than the default: MariaDB 11.8 is in `trixie`. */
  readonly suite?: string;
  /** System variables by name: `{ local_infile: 'OFF' }`. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** False only where no test depends on what survives a power cut. */
  readonly fsync?: boolean;
  /**
   * Without it the server offers no TLS. With it `ca.crt`, `client.crt` and
   * `client.key` lie in `tlsDir` for the test to use.
   */
  readonly tls?: Certificates;
}

export interface MysqlServer extends AsyncDisposable {
  readonly product: MysqlProduct;
  /** `10.11.18` */
  readonly version: string;
  readonly port: number;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  readonly dataDir: string;
  /** Where the certificates lie as files. */
  readonly tlsDir: string;
  /** An address of the user who may do everything, with the product's scheme. */
  url(database?: string): string;
  /** Ends it in order; whoever is connected is cut off. */
  stop(): Promise<void>;
  /** Starts again on the same port; resolves when it answers queries. */
  start(): Promise<void>;
  /** SIGKILL: the next start recovers. */
  kill(): Promise<void>;
  /** The server's log so far. */
  logs(): string;
}

/**
 * Starts a fresh server on loopback. It ends, with its folder, when disposed
 * or when this process ends in any way, kill -9 included.
 */
export async function startMysqlServer(
  options: MysqlServerOptions,
): Promise<MysqlServer> {
  const { product, suite } = options;
  const installation = await mysqlInstallation(product, suite);
  const folder = await mkdtemp(
    join(serverTemporaryFolder, `replicator-test-${product}-`),
  );
  const dataDir = join(folder, 'data');
  const tlsDir = join(folder, 'tls');
  const logFile = join(folder, 'server.log');
  const pidFile = join(folder, 'server.pid');
  const undertaker = startUndertaker(BURIAL, [folder]);
  let child: ChildProcess | undefined;
  let port = 0;

  const logs = (): string =>
    existsSync(logFile) ? readFileSync(logFile, 'utf8') : '';
  const isRunning = (): boolean =>
    child !== undefined && child.exitCode === null && child.signalCode === null;

  function spawnServer(): void {
    const log = openSync(logFile, 'a', 0o644);
    child = spawn(
      installation.command,
      [
        ...installation.parameters,
        ...serverParameters(options, folder),
        `--port=${port}`,
      ],
      {
        ...serverUser,
        cwd: folder,
        env: mysqlEnvironment,
        stdio: ['ignore', log, log],
        // Ctrl-C is for the test run; the undertaker follows.
        detached: true,
      },
    );
    child.unref();
    child.on('error', () => {});
    // Later its process id may be someone else's.
    child.on('exit', () => rmSync(pidFile, { force: true }));
    if (child.pid !== undefined) writeFileSync(pidFile, `${child.pid}\n`);
    closeSync(log);
  }

  async function start(): Promise<void> {
    if (isRunning()) return;
    spawnServer();
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const refusal = await refusalOf(port);
      if (refusal === undefined) return;
      if (!isRunning() || Date.now() > deadline) {
        throw new Error(`${product} does not start: ${refusal}\n${logs()}`);
      }
      await sleep(20);
    }
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (child === undefined || !isRunning()) return;
    child.ref();
    const exited = once(child, 'exit', {
      signal: AbortSignal.timeout(STOP_TIMEOUT_MS),
    });
    child.kill(signal);
    await exited;
  }

  const server: MysqlServer = {
    product,
    version: installation.version,
    get port() {
      return port;
    },
    get pid() {
      return isRunning() ? child?.pid : undefined;
    },
    dataDir,
    tlsDir,
    url: (database = '') =>
      `${product}://${MYSQL_USER}:${MYSQL_PASSWORD}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    start,
    stop: async () => await end('SIGTERM'),
    kill: async () => await end('SIGKILL'),
    logs,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL');
      await undertaker[Symbol.asyncDispose]();
    },
  };

  try {
    await prepare(installation, folder, options);
    for (let attempt = 1; ; attempt++) {
      port = await freePort();
      try {
        await start();
        return server;
      } catch (error) {
        // Another process took the port between the look and the bind.
        if (attempt === 5 || !/bind on TCP|in use/.test(logs())) throw error;
        await end('SIGKILL');
      }
    }
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** Fills the folder: a copy of the pristine data, and the certificates. */
async function prepare(
  installation: MysqlInstallation,
  folder: string,
  { settings = {}, tls }: MysqlServerOptions,
): Promise<void> {
  await own(folder);
  const data = join(folder, 'data');
  // A starting MariaDB clears away temporary files, also those of others.
  await mkdir(join(folder, 'tmp'), { mode: 0o750 });
  await own(join(folder, 'tmp'));
  const caseRule = settings['lower_case_table_names'];
  if (caseRule === undefined) {
    // Much of it is zeros, which a sparse copy leaves out.
    await promisify(execFile)(
      'cp',
      ['-R', '--sparse=always', installation.pristineData, data],
      { ...serverUser },
    );
  } else {
    // MySQL takes this one only when it makes the data folder.
    await mkdir(data, { mode: 0o750 });
    await own(data);
    await initialiseMysqlData(installation, data, [
      `--lower-case-table-names=${caseRule}`,
    ]);
  }
  if (tls === undefined) return;
  const tlsDir = join(folder, 'tls');
  await mkdir(tlsDir);
  await chmod(tlsDir, 0o755);
  for (const [name, text] of Object.entries({
    'ca.crt': tls.ca.cert,
    'server.crt': tls.server.cert,
    'server.key': tls.server.key,
    'client.crt': tls.client.cert,
    'client.key': tls.client.key,
  })) {
    await writeFile(join(tlsDir, name), text, { mode: 0o600 });
    await own(join(tlsDir, name));
  }
}

async function own(path: string): Promise<void> {
  if (serverUser.uid === undefined || serverUser.gid === undefined) return;
  await chown(path, serverUser.uid, serverUser.gid);
}

function serverParameters(
  { product, settings = {}, fsync = true, tls }: MysqlServerOptions,
  folder: string,
): string[] {
  const ofProduct: Record<string, string | number> =
    product === 'mysql'
      ? {
          innodb_redo_log_capacity: '64M',
          secure_file_priv: 'NULL',
          mysqlx: 0,
          auto_generate_certs: 'OFF',
        }
      : { innodb_log_file_size: '64M' };
  const all = {
    datadir: join(folder, 'data'),
    tmpdir: join(folder, 'tmp'),
    pid_file: join(folder, 'mysqld.pid'),
    bind_address: '127.0.0.1',
    socket: '',
    skip_name_resolve: 'ON',
    max_connections: 300,
    character_set_server: 'utf8mb4',
    default_time_zone: '+00:00',
    local_infile: 'ON',
    innodb_buffer_pool_size: '64M',
    // The number of requests a machine may have under way is small.
    innodb_use_native_aio: 'OFF',
    performance_schema: 'OFF',
    skip_log_bin: 'ON',
    ...ofProduct,
    ...(fsync
      ? {}
      : {
          // Written at each commit all the same: a kill loses nothing.
          innodb_flush_log_at_trx_commit: 2,
          innodb_flush_method: 'nosync',
          innodb_doublewrite: 'OFF',
        }),
    ...(tls === undefined
      ? {}
      : {
          ssl_ca: join(folder, 'tls', 'ca.crt'),
          ssl_cert: join(folder, 'tls', 'server.crt'),
          ssl_key: join(folder, 'tls', 'server.key'),
        }),
    ...settings,
  };
  return Object.entries(all)
    .filter(([name]) => !('log_bin' in settings && name === 'skip_log_bin'))
    .map(([name, value]) => `--${name}=${value}`);
}

/** Ends the server and removes the folder. */
const BURIAL = `
  pid=$(cat "$1/server.pid" 2>/dev/null)
  if [ -n "$pid" ]; then
    grep -q "$1" "/proc/$pid/cmdline" 2>/dev/null && kill -KILL "$pid"
    for i in 1 2 3 4 5 6 7 8 9 10; do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.2
    done
  fi
  rm -rf "$1"`;

/** Undefined when it answers a query. */
async function refusalOf(port: number): Promise<string | undefined> {
  let client: mysql.Connection | undefined;
  try {
    client = await mysql.createConnection({
      host: '127.0.0.1',
      port,
      user: MYSQL_USER,
      password: MYSQL_PASSWORD,
      connectTimeout: 5000,
    });
    client.on('error', () => {});
    await client.query('select 1');
    return undefined;
  } catch (error) {
    return String(error);
  } finally {
    client?.destroy();
  }
}
