import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

/** Answers every chunk with the same bytes and remembers what it received. */
async function startEcho(): Promise<{ port: number; received: () => string }> {
  const sockets = new Set<Socket>();
  let received = '';
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received += chunk.toString();
      socket.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    received: () => received,
  };
}

async function open(proxy: FaultProxy): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  await once(socket, 'connect');
  onTestFinished(() => void socket.destroy());
  return socket;
}

async function answer(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  return String((await once(socket, 'data'))[0]);
}

async function errorOf(socket: Socket): Promise<unknown> {
  const [error] = (await once(socket, 'error').catch((e: unknown) => [e])) as [
    NodeJS.ErrnoException,
  ];
  return error.code;
}

test('bytes pass both ways until a cut resets, and new connections pass again', async () => {
  const echo = await startEcho();
  await using proxy = await startFaultProxy(echo);
  const first = await open(proxy);
  expect(await answer(first, 'one')).toBe('one');
  proxy.cut();
  expect(await errorOf(first)).toBe('ECONNRESET');
  expect(await answer(await open(proxy), 'two')).toBe('two');
});

test('refused means connection refused, open connections live, resume listens on the same port', async () => {
  const echo = await startEcho();
  await using proxy = await startFaultProxy(echo);
  const early = await open(proxy);
  expect(await answer(early, 'before')).toBe('before');
  await proxy.refuse();
  await expect(open(proxy)).rejects.toThrow('ECONNREFUSED');
  expect(await answer(early, 'still')).toBe('still');
  await proxy.resume();
  expect(await answer(await open(proxy), 'again')).toBe('again');
});

test('held bytes arrive in order after resume and not before', async () => {
  const echo = await startEcho();
  await using proxy = await startFaultProxy(echo);
  const socket = await open(proxy);
  expect(await answer(socket, 'a')).toBe('a');
  proxy.hold();
  socket.write('b');
  await sleep(50);
  expect(echo.received()).toBe('a');
  await proxy.resume();
  expect(String((await once(socket, 'data'))[0])).toBe('b');
});

test('a slow link delivers everything', async () => {
  const echo = await startEcho();
  await using proxy = await startFaultProxy(echo);
  proxy.slow({ bytesPerSecond: 20_000, delayMs: 1 });
  const socket = await open(proxy);
  const startedAtMs = performance.now();
  socket.write('x'.repeat(4000));
  for (let count = 0; count < 4000;) {
    count += ((await once(socket, 'data')) as [Buffer])[0].length;
  }
  // 4000 bytes at 20 000 a second cannot take less.
  expect(performance.now() - startedAtMs).toBeGreaterThan(150);
});

test.each([
  ['a predicate', (chunk: Buffer) => chunk.includes('commit')],
  ['a byte count', 12],
] as const)(
  'with %s the server hears the request and the client no answer',
  async (_, match) => {
    const echo = await startEcho();
    await using proxy = await startFaultProxy(echo);
    const socket = await open(proxy);
    const dropped = proxy.dropAnswerAfter(match);
    expect(await answer(socket, 'insert')).toBe('insert');
    const answers: string[] = [];
    socket.on('data', (chunk) => answers.push(String(chunk)));
    const failed = errorOf(socket);
    socket.write('commit');
    await dropped;
    expect(await failed).toBe('ECONNRESET');
    expect(echo.received()).toBe('insertcommit');
    expect(answers).toEqual([]);
    expect(await answer(await open(proxy), 'commit')).toBe('commit');
  },
);

test('an orderly end reaches the other side', async () => {
  const echo = await startEcho();
  await using proxy = await startFaultProxy(echo);
  const socket = await open(proxy);
  expect(await answer(socket, 'last')).toBe('last');
  socket.end();
  await once(socket, 'close');
  expect(proxy.url('postgres://u:p@db:5432/x')).toBe(
    `postgres://u:p@127.0.0.1:${proxy.port}/x`,
  );
});
