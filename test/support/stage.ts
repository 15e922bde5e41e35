/** A database with tables, a daemon before it, and a hand that feeds it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, startDaemon } from './daemon.ts';
import { type TestDatabase, testDatabase } from './test-database.ts';

export interface Stage extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly dataDir: string;
  daemon: Daemon;
  start(args?: readonly string[], dataDir?: string): Promise<void>;
  kill(): Promise<void>;
  rows(...rows: readonly object[]): Promise<{ status: number; text: string }>;
  resolve(second: number): Promise<{ status: number; text: string }>;
  health(): Promise<string>;
}

const baseNanos = BigInt(Date.now()) * 1_000_000n;

export function timeOf(step: number): string {
  return `${baseNanos + BigInt(step) * 1_000_000n}.0000000000`;
}

export function row(
  topic: string,
  step: number,
  key: readonly unknown[],
  after: object | null,
): object {
  return { topic, updated: timeOf(step), key, after };
}

export async function openStage(tables: string): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await testDatabase());
  await database.query(tables);
  const dataDir = await mkdtemp(join(tmpdir(), 'stage-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  let daemon: Daemon | null = null;
  const post = async (
    body: object,
  ): Promise<{ status: number; text: string }> => {
    const response = await fetch(`${daemon!.url}/${database.name}/public`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };
  return {
    database,
    dataDir,
    get daemon() {
      return daemon!;
    },
    async start(args = [], otherDataDir = dataDir) {
      daemon = await startDaemon({
        args: [
          '--disableAuthentication',
          `--targetConn=${database.url}`,
          ...args,
        ],
        dataDir: otherDataDir,
        waitFor: 'listening',
      });
    },
    async kill() {
      daemon!.kill('SIGKILL');
      await daemon!.exited;
      await daemon![Symbol.asyncDispose]();
    },
    rows: (...rows) => post({ payload: rows, length: rows.length }),
    resolve: (step) => post({ resolved: timeOf(step) }),
    health: async () => (await fetch(`${daemon!.metricsUrl}/_/healthz`)).text(),
    async [Symbol.asyncDispose]() {
      await daemon?.[Symbol.asyncDispose]();
      await stack[Symbol.asyncDispose]();
    },
  };
}

/** The value once it is as wanted, or as it was when the time was over. */
export async function eventually<T>(
  look: () => Promise<T>,
  isWanted: (value: T) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const endsAtMs = Date.now() + timeoutMs;
  let value = await look();
  while (!isWanted(value) && Date.now() < endsAtMs) {
    await sleep(50);
    value = await look();
  }
  return value;
}
