/** `replicator pglogical` as a child process. */
import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startUndertaker } from '../../test/support/undertaker.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/replicator', import.meta.url));

/** A process that reads a slot. */
export interface SlotReader extends AsyncDisposable {
  readonly pid: number;
  /** Its exit code; null after a signal. */
  readonly exited: Promise<number | null>;
  /** Standard output so far. */
  output(): string;
  /** Rejects with what it has said when the work does, or when it ends. */
  during<T>(work: (ended: AbortSignal) => Promise<T>): Promise<T>;
}

export async function startSlotDaemon(
  args: readonly string[],
  program: string = PROGRAM,
): Promise<SlotReader> {
  const dataDir = await mkdtemp(join(tmpdir(), 'replicator-bench-data-'));
  return startSlotReader({
    command: program,
    args: [
      'pglogical',
      '--metricsAddr=127.0.0.1:0',
      `--dataDir=${dataDir}`,
      ...args,
    ],
    folder: dataDir,
  });
}

export function startSlotReader({
  command,
  args,
  env = {},
  folder = '',
}: {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Goes when the process does. */
  readonly folder?: string;
}): SlotReader {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    // A group of its own: its CPU is counted, and ended, with its children's.
    detached: true,
  });
  let output = '';
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (log += text));
  const ended = new AbortController();
  const exited = new Promise<number | null>((resolve) => {
    const end = (code: number | null): void => {
      ended.abort(new Error(`ended with code ${code}`));
      resolve(code);
    };
    child.on('error', (error) => {
      log += `${error.message}\n`;
      end(null);
    });
    // `close`, not `exit`: by then what it said is complete.
    child.on('close', end);
  });
  const pid = child.pid ?? 0;
  const undertaker = startUndertaker(
    '[ "$1" = 0 ] || kill -KILL "-$1" 2>/dev/null; [ -z "$2" ] || rm -rf "$2"',
    [String(pid), folder],
  );
  return {
    pid,
    exited,
    output: () => output,
    async during(work) {
      try {
        return await work(ended.signal);
      } catch (error) {
        const said = `${output}${log}`.slice(-10_000);
        throw new Error(`${String(error)}\n${said}`, {
          cause: error,
        });
      }
    },
    async [Symbol.asyncDispose]() {
      if (pid > 0 && !ended.signal.aborted) process.kill(-pid, 'SIGKILL');
      await exited;
      await undertaker[Symbol.asyncDispose]();
    },
  };
}
