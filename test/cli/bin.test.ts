import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const bin = fileURLToPath(new URL('../../bin/replicator', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'replicator bin '));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(
  command: string,
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
) {
  const child = spawn(command, argv, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    exited,
  ]);
  return { stdout, stderr, exitCode };
}

/** A folder for PATH in which `node` is this script. */
function fakeNode(name: string, script: string): NodeJS.ProcessEnv {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'node'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(path, 'node'), 0o755);
  return { PATH: [path, '/usr/bin', '/bin'].join(delimiter) };
}

test('it runs from any folder, through symbolic links, and says nothing but the answer', async () => {
  const absolute = join(folder, 'absolute link');
  symlinkSync(bin, absolute);
  const relative = join(folder, 'relative link');
  symlinkSync('absolute link', relative);
  const { stdout, stderr, exitCode } = await run(relative, ['version']);
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^replicator \d/);
});

test('arguments arrive as they were given, and the exit code is that of main', async () => {
  const odd = `a  b"$HOME"'*`;
  const missing = await run(bin, ['version', '--config', odd, '']);
  expect([missing.exitCode, missing.stdout]).toEqual([1, '']);
  expect(missing.stderr).toContain(`--config ${odd} cannot be read`);
  const unknown = await run(bin, ['nonsense', '']);
  expect(unknown).toEqual({
    exitCode: 2,
    stdout: '',
    stderr:
      'replicator: E5001 there is no command "nonsense": see replicator help\n',
  });
});

test('with an older Node on the PATH it takes the one that npm ci brought', async () => {
  const env = fakeNode(
    'old',
    'case $1 in --version) echo v20.20.2 ;; *) echo too old; exit 9 ;; esac',
  );
  const { stdout, exitCode } = await run(bin, ['version'], env);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^replicator \d.*\nnode (2[4-9]|[3-9]\d)\./);
});

test('a Node on the PATH that is new enough is taken', async () => {
  const env = fakeNode(
    'new',
    'case $1 in --version) echo v26.1.0 ;; *) echo "$@" ;; esac',
  );
  const { stdout } = await run(bin, ['version'], env);
  expect(stdout).toMatch(/src\/cli\/process\.ts version\n$/);
});

test('a signal reaches the command, which ends with 130', async () => {
  const connected = Promise.withResolvers<Socket>();
  await using server = createServer((socket) => connected.resolve(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const child = spawn(
    bin,
    [
      'preflight',
      `--targetConn=postgresql://u@127.0.0.1:${port}/db?sslmode=disable`,
    ],
    { cwd: folder, stdio: 'ignore' },
  );
  const exited = once(child, 'exit');
  const socket = await connected.promise;
  child.kill('SIGTERM');
  expect(await exited).toEqual([130, null]);
  socket.destroy();
});

test('a reader that has gone ends it quietly, by the code of SIGPIPE', async () => {
  const child = spawn(bin, ['help', 'start'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  const [stderr, exit] = await Promise.all([
    text(child.stderr),
    once(child, 'exit'),
  ]);
  expect([stderr, exit]).toEqual(['', [141, null]]);
});
