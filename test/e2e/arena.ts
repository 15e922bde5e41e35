/**
 * A stage for fault tests: a target, a staging store, a daemon that may be
 * killed and comes back at its address, and a workload that checks the target
 * all the while. What always holds (README.md, "What it guarantees") is looked at in `settle`.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'vitest';

import { reportLines } from '../../src/workload/report-text.ts';
import {
  runWorkload,
  type WorkloadOptions,
  type WorkloadProgress,
  type WorkloadReport,
} from '../../src/workload/workload.ts';
import { readVarz } from '../demo/varz.ts';
import {
  type Daemon,
  type DaemonOptions,
  startDaemon,
} from '../support/daemon.ts';
import { freePort } from '../support/postgres-server.ts';
import { startUndertaker } from '../support/undertaker.ts';
import { smallWorkload } from '../workload/options.ts';

/**
 * `npm run soak`: the same suites with so many kill -9 in all; 0 in an
 * ordinary run. REPLICATOR_SOAK=200 npm run soak is a shorter one.
 */
export const soakKillCount = Number(process.env['REPLICATOR_SOAK'] ?? 0);

/** A line now and then, so that a long run is seen to move. */
export function sayRound(what: string, round: number, count: number): void {
  if (soakKillCount > 0 && round % 10 === 0) {
    console.log(`${what}: ${round} of ${count}`);
  }
}

export interface ArenaOptions {
  /** As the daemon is told, through a proxy perhaps. */
  readonly targetUrl: string;
  /** As the checker reads it, through none. */
  readonly directTargetUrl?: string;
  /** Without it staging is the embedded store. */
  readonly stagingUrl?: string;
  readonly mode?: 'consistent' | 'immediate';
  readonly args?: readonly string[];
}

export class Arena implements AsyncDisposable {
  readonly #options: ArenaOptions;
  readonly #dataDir: string;
  readonly #port: number;
  readonly #metricsPort: number;
  readonly #undertaker: AsyncDisposable;
  #daemon: Daemon | null = null;

  private constructor(
    options: ArenaOptions,
    place: { dataDir: string; port: number; metricsPort: number },
  ) {
    this.#options = options;
    this.#dataDir = place.dataDir;
    this.#undertaker = startUndertaker('rm -rf "$1"', [place.dataDir]);
    this.#port = place.port;
    this.#metricsPort = place.metricsPort;
  }

  static async open(options: ArenaOptions): Promise<Arena> {
    return new Arena(options, {
      dataDir: await mkdtemp(join(tmpdir(), 'replicator-e2e-')),
      port: await freePort(),
      metricsPort: await freePort(),
    });
  }

  get daemon(): Daemon {
    return this.#daemon!;
  }

  get dataDir(): string {
    return this.#dataDir;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}${webhookPath(this.#options.targetUrl).path}`;
  }

  get args(): string[] {
    const { targetUrl, stagingUrl, mode, args = [] } = this.#options;
    return [
      '--disableAuthentication',
      `--targetConn=${targetUrl}`,
      ...(stagingUrl
        ? [
            `--stagingConn=${stagingUrl}`,
            '--stagingCreateSchema',
            // One database of that name would be everybody's on the server.
            `--stagingSchema=${new URL(stagingUrl).pathname.slice(1)}.staging`,
          ]
        : []),
      ...(mode === 'immediate' ? ['--immediate'] : []),
      ...args,
    ];
  }

  /** Starts a daemon at the address of the one before it. */
  async start(waitFor: DaemonOptions['waitFor'] = 'healthy'): Promise<Daemon> {
    this.#daemon = await startDaemon({
      args: this.args,
      dataDir: this.#dataDir,
      port: this.#port,
      metricsPort: this.#metricsPort,
      ...(waitFor ? { waitFor } : {}),
    });
    return this.#daemon;
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#daemon?.kill('SIGKILL');
    await this.#daemon?.exited;
    await this.#daemon?.[Symbol.asyncDispose]();
  }

  /** Begins a workload; `finish` ends its writing and compares everything. */
  workload(changes: Partial<WorkloadOptions> = {}): RunningWorkload {
    return startWorkload(this.url, this.#options, changes);
  }

  /**
   * After the faults, with the daemon running: the target equals the source
   * and never showed a state that the source had not (a, b, d, e), staging is
   * bounded (f), health and exit code tell the truth (g).
   */
  async settle(workload: RunningWorkload): Promise<WorkloadReport> {
    const died = this.daemon.exited.then((code) => {
      throw new Error(
        `the daemon ended by itself with ${code}:\n${this.daemon.logs().slice(-4000)}`,
      );
    });
    const report = await Promise.race([workload.finish(), died]);
    // From here on it is told to end.
    died.catch(() => {});
    expect(
      report.verified,
      `seed ${workload.seed}\n${reportLines(report).slice(-8).join('\n')}\n${this.daemon.logs().slice(-4000)}`,
    ).toBe(true);
    const health = await fetch(`${this.daemon.metricsUrl}/_/healthz`);
    expect(health.status).toBe(200);
    const numbers = await readVarz(this.daemon.metricsUrl);
    expect(numbers.stagingBytes).toBeLessThan(256 * 2 ** 20);
    expect(numbers.memoryBytes).toBeGreaterThan(0);
    expect(numbers.memoryBytes).toBeLessThan(512 * 2 ** 20);
    this.daemon.kill('SIGTERM');
    expect(await this.daemon.exited, this.daemon.logs().slice(-4000)).toBe(0);
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#undertaker[Symbol.asyncDispose]();
  }
}

/** Begins a workload that sends to the URL. */
export function startWorkload(
  url: string,
  { targetUrl, directTargetUrl, mode }: ArenaOptions,
  changes: Partial<WorkloadOptions> = {},
): RunningWorkload {
  const stop = new AbortController();
  let progress: WorkloadProgress | null = null;
  let next = Promise.withResolvers<WorkloadProgress>();
  const seed = 1 + Math.floor(Math.random() * 2 ** 31);
  const ended = runWorkload(
    smallWorkload(url, directTargetUrl ?? targetUrl, {
      mode: mode ?? 'consistent',
      targetSchema: webhookPath(targetUrl).schema,
      seed,
      rowsPerSecond: 300,
      replayIntervalMs: 1500,
      resolvedIntervalMs: 100,
      retryMaxMs: 250,
      catchUpTimeoutMs: 45_000,
      progressIntervalMs: 200,
      ...changes,
    }),
    (now) => {
      progress = now;
      next.resolve(now);
      next = Promise.withResolvers();
    },
    stop.signal,
  );
  // Looked at in finish(); until then it must not end the test run.
  ended.catch(() => {});
  return {
    ended,
    seed,
    nextProgress: () => next.promise,
    get progress() {
      return progress;
    },
    finish: () => {
      stop.abort();
      return ended;
    },
  };
}

/** What the webhook calls the target's schema: MySQL knows only databases. */
export function webhookPath(targetUrl: string): {
  path: string;
  schema: string;
} {
  const { protocol, pathname } = new URL(targetUrl);
  return protocol.startsWith('postgres')
    ? { path: `${pathname}/public`, schema: 'public' }
    : { path: pathname, schema: pathname.slice(1) };
}

export interface RunningWorkload {
  readonly ended: Promise<WorkloadReport>;
  /** Of what the source writes; shown when a test fails. */
  readonly seed: number;
  readonly progress: WorkloadProgress | null;
  /** The next of the reports that come five times a second. */
  nextProgress(): Promise<WorkloadProgress>;
  finish(): Promise<WorkloadReport>;
}

/** Waits for an observable outcome; the deadline only ends a hopeless wait. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  deadlineMs = 30_000,
): Promise<void> {
  const endAtMs = Date.now() + deadlineMs;
  while (!(await isSo())) {
    if (Date.now() > endAtMs) {
      throw new Error(`waited in vain until ${what}`);
    }
    await sleep(20);
  }
}

/** Two looks apart, so that what is seen was applied after this call began. */
export async function untilMoreIsApplied(
  workload: RunningWorkload,
  story: () => string,
  { count = 1, deadlineMs = 60_000 } = {},
): Promise<void> {
  const before = (await workload.nextProgress()).appliedTransactions;
  await until(
    'transactions are applied again',
    async () =>
      (await workload.nextProgress()).appliedTransactions >= before + count,
    deadlineMs,
  ).catch((error: unknown) => {
    throw new Error(`after ${story()}`, { cause: error });
  });
}
