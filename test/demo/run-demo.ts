import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./demo.ts', import.meta.url));

export interface DemoRun {
  readonly exitCode: number | null;
  readonly text: string;
  /** What it left in its temporary folder. */
  readonly left: readonly string[];
}

export async function runDemo(
  args: readonly string[],
  onText: (
    text: string,
    kill: (signal: NodeJS.Signals) => void,
    stopReading: () => void,
  ) => void = () => {},
): Promise<DemoRun> {
  const folder = await mkdtemp(join(tmpdir(), 'demo-test-'));
  try {
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        onText(
          text,
          (signal) => child.kill(signal),
          () => child.stdout.destroy(),
        );
      });
    }
    const [exitCode] = (await once(child, 'close')) as [number | null];
    return { exitCode, text, left: await readdir(folder) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
