import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('./demo.ts', import.meta.url));

interface DemoRun {
  readonly exitCode: number | null;
  readonly text: string;
  /** What it left in its temporary folder. */
  readonly left: readonly string[];
}

async function runDemo(
  args: readonly string[],
  onText: (
    text: string,
    kill: (signal: NodeJS.Signals) => void,
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
        onText(text, (signal) => child.kill(signal));
      });
    }
    const [exitCode] = (await once(child, 'close')) as [number | null];
    return { exitCode, text, left: await readdir(folder) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

test('the demo says what it shows, where to look, and ends with every row verified', async () => {
  const { exitCode, text, left } = await runDemo([
    '--seconds',
    '2',
    '--rate',
    '500',
  ]);
  const lines = text.trimEnd().split('\n');
  expect(lines[0]).toMatch(/^This shows a CockroachDB changefeed/);
  const address = /curl (http:\S+)\/_\/varz/.exec(text)?.[1];
  expect(address).toBeDefined();
  expect(text).toMatch(
    /^\d+s writing, \d+ rows at source, .* applied .* errors 0/m,
  );
  expect(lines.at(-1)).toMatch(/^verified: \d+ rows in 5 tables are equal$/);
  expect(exitCode).toBe(0);
  expect(await answers(address!)).toBe(false);
  expect(left).toEqual([]);
});

test('Ctrl-C ends the writing, not the verification, and nothing stays behind', async () => {
  let interrupted = false;
  const { exitCode, text, left } = await runDemo(
    ['--rate', '300'],
    (soFar, kill) => {
      if (!interrupted && soFar.includes('2s writing')) {
        interrupted = true;
        kill('SIGINT');
      }
    },
  );
  expect(text).toMatch(/\nverified: \d+ rows in 5 tables are equal\n$/);
  expect(exitCode).toBe(0);
  expect(left).toEqual([]);
});

test('a mistyped flag is one line and exit code 1, before anything is started', async () => {
  const { exitCode, text } = await runDemo(['--second', '2']);
  expect(text).toMatch(/^demo: E5001 .*second.*\n$/);
  expect(exitCode).toBe(1);
});
