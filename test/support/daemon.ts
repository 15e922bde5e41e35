/** A daemon as a child process, for tests that kill it and for the bench. */
import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './postgres-server.ts';
import { startUndertaker } from './undertaker.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/replicator', import.meta.url));
const READY_TIMEOUT_MS = 60_000;

export interface DaemonOptions {
  /** `start` (default) takes changefeeds, `pglogical` reads a slot. */
  readonly command?: 'start' | 'pglogical';
  /**
   * Flags of the command; --bindAddr (of `start`), --metricsAddr and --dataDir
   * are supplied.
   */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Kept; without it a temporary folder is used and removed at the end. */
  readonly dataDir?: string;
  /** Ports of an earlier daemon, for one that comes back at its address. */
  readonly port?: number;
  readonly metricsPort?: number;
  /**
   * `healthy` (default) waits for 200 from /_/healthz, `listening` for any
   * answer (a target that is down), `nothing` returns at once.
   */
  readonly waitFor?: 'healthy' | 'listening' | 'nothing';
  /** Another checkout's program, for comparisons. */
  readonly program?: string;
}

export interface Daemon extends AsyncDisposable {
  /** Of `start`, without a path; https where a certificate was given. */
  readonly url: string;
  /** Cleartext listener of /_/varz, /_/healthz and /_/diag. */
  readonly metricsUrl: string;
  readonly port: number;
  readonly metricsPort: number;
  readonly pid: number;
  readonly dataDir: string;
  /** SIGKILL reaches the whole process group. */
  kill(signal?: NodeJS.Signals): void;
  /** The exit code; null after a signal. Never rejects. */
  readonly exited: Promise<number | null>;
  /** Standard output and error so far. */
  logs(): string;
}

/** Rejects, with the log, when the daemon ends before it is ready. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const command = options.command ?? 'start';
  const port = options.port ?? (await freePort());
  const metricsPort = options.metricsPort ?? (await freePort());
  const dataDir =
    options.dataDir ?? (await mkdtemp(join(tmpdir(), 'replicator-test-data-')));
  const child = spawn(
    options.program ?? PROGRAM,
    [
      command,
      ...(command === 'start' ? [`--bindAddr=127.0.0.1:${port}`] : []),
      `--metricsAddr=127.0.0.1:${metricsPort}`,
      `--dataDir=${dataDir}`,
      ...options.args,
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      // A group of its own, so that SIGKILL also reaches what it started.
      detached: true,
    },
  );
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (log += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (log += text));
  const exited = new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      log += `${error.message}\n`;
      resolve(null);
    });
    // `close`, not `exit`: by then the log is complete.
    child.on('close', resolve);
  });
  if (child.pid === undefined) {
    await exited;
    throw new Error(`the daemon does not start:\n${log}`);
  }
  const { pid } = child;
  const undertaker = startUndertaker(
    'kill -KILL "-$1" 2>/dev/null; [ -z "$2" ] || rm -rf "$2"',
    [String(pid), options.dataDir === undefined ? dataDir : ''],
  );
  const isRunning = (): boolean =>
    child.exitCode === null && child.signalCode === null;
  const isSecure = options.args.some((arg) => /^--tls(Cert|Self)/.test(arg));
  const daemon: Daemon = {
    url: `${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`,
    metricsUrl: `http://127.0.0.1:${metricsPort}`,
    port,
    metricsPort,
    pid,
    dataDir,
    exited,
    kill(signal = 'SIGKILL') {
      if (!isRunning()) return;
      process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
    },
    logs: () => log,
    async [Symbol.asyncDispose]() {
      daemon.kill('SIGKILL');
      await exited;
      await undertaker[Symbol.asyncDispose]();
    },
  };
  const deadline = Date.now() + READY_TIMEOUT_MS;
  const waitFor = options.waitFor ?? 'healthy';
  while (waitFor !== 'nothing' && !(await isReady(daemon, waitFor))) {
    if (!isRunning() || Date.now() > deadline) {
      await daemon[Symbol.asyncDispose]();
      throw new Error(`the daemon does not become ${waitFor}:\n${log}`);
    }
    await sleep(25);
  }
  return daemon;
}

async function isReady(
  { metricsUrl }: Daemon,
  waitFor: 'healthy' | 'listening',
): Promise<boolean> {
  try {
    const response = await fetch(`${metricsUrl}/_/healthz`, {
      signal: AbortSignal.timeout(10_000),
    });
    await response.arrayBuffer();
    return waitFor === 'listening' || response.ok;
  } catch {
    return false;
  }
}
