/**
 * From `bin/replicator start` to the first 200 of /_/healthz, with a target
 * on loopback and embedded staging; and how long `replicator help` takes.
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { once } from 'node:events';
import { startDaemon } from '../../test/support/daemon.ts';
import type { BenchCase, CaseSample, SampleOptions } from '../case.ts';
import { processGroupUsage } from '../process-usage.ts';
import { median } from '../statistics.ts';
import { postgresTarget } from '../targets/postgres.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/replicator', import.meta.url));
const STARTS = 7;
const LOOK_PAUSE_MS = 1;
const READY_TIMEOUT_MS = 30_000;

interface StartCase {
  /** Cold: nothing compiled, nothing staged. Warm: the daemon was here. */
  readonly isWarm: boolean;
}

async function measure(
  { environment }: SampleOptions,
  program: string | undefined,
  { isWarm }: StartCase,
): Promise<CaseSample> {
  await using target = await postgresTarget.fresh(environment);
  const readyMs: number[] = [];
  const cpuMs: number[] = [];
  const rssMiB: number[] = [];
  let folder = await environment.freshFolder();
  for (let start = isWarm ? -1 : 0; start < STARTS; start++) {
    if (!isWarm) folder = await environment.freshFolder();
    const dataDir = join(folder, 'data');
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const startedAtMs = performance.now();
    await using daemon = await startDaemon({
      args: [...environment.tlsFlags, `--targetConn=${target.url}`],
      env: { NODE_COMPILE_CACHE: join(folder, 'compile') },
      dataDir,
      waitFor: 'nothing',
      ...(program !== undefined && { program }),
    });
    await untilHealthy(daemon.metricsPort);
    // The first start of the warm ones is what warms them.
    if (start >= 0) {
      readyMs.push(performance.now() - startedAtMs);
      const usage = processGroupUsage(daemon.pid);
      cpuMs.push(usage.cpuMicros / 1000);
      rssMiB.push(usage.peakRssMiB);
    }
    // Node keeps what it has compiled when it ends in order.
    daemon.kill('SIGTERM');
    const code = await daemon.exited;
    if (code !== 0) throw new Error(`ended with ${code}: ${daemon.logs()}`);
  }
  return {
    rowsPerSecond: null,
    cpuMicrosPerRow: null,
    rssMiB: median(rssMiB),
    p50Ms: null,
    p99Ms: null,
    figures: {
      readyMs: median(readyMs),
      slowestReadyMs: Math.max(...readyMs),
      readyCpuMs: median(cpuMs),
      helpMs: await clockHelp(program ?? PROGRAM, join(folder, 'compile')),
    },
  };
}

/** By raw sockets: an HTTP client would take its share of the start. */
async function untilHealthy(port: number): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await isHealthy(port))) {
    if (performance.now() > deadline) throw new Error('does not get healthy');
    await sleep(LOOK_PAUSE_MS);
  }
}

async function isHealthy(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.write(
        'GET /_/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
      );
    });
    socket.once('data', (chunk: Buffer) => {
      socket.destroy();
      resolve(chunk.toString('latin1').startsWith('HTTP/1.1 200'));
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

async function clockHelp(program: string, cache: string): Promise<number> {
  const elapsedMs: number[] = [];
  for (let turn = -1; turn < STARTS; turn++) {
    const startedAtMs = performance.now();
    const child = spawn(program, ['help'], {
      stdio: 'ignore',
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    });
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`help ended with ${code}`);
    if (turn >= 0) elapsedMs.push(performance.now() - startedAtMs);
  }
  return median(elapsedMs);
}

export function startTimeCase(name: string, parts: StartCase): BenchCase {
  return {
    name,
    measure: (options, program) => measure(options, program, parts),
    floors: [],
  };
}
