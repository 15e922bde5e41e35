import { once } from 'node:events';
import { onTestFinished, expect, test } from 'vitest';
import { OperatorServer } from '../../src/console/operator-server.ts';
import { sharedAnswer } from '../../src/console/shared-answer.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { freePort } from '../support/postgres-server.ts';
import { dial } from '../source/changefeed/server/raw-talk.ts';

async function listen(): Promise<number> {
  const port = await freePort();
  const server = await OperatorServer.listen(
    { host: '127.0.0.1', port },
    {
      metrics: createMetrics(),
      house: () => 'waiting',
      healthCheckTimeoutMs: 1_000,
      requireDiagnostics: async () => {},
      authentication: () => null,
      options: {},
      version: '0',
      startedAtMs: 0,
    },
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  return port;
}

const ask = 'GET /_/healthz HTTP/1.1\r\nhost: x\r\n';

test.each([
  ['a head beyond 32 KiB', `${ask}x: ${'a'.repeat(33 * 1_024)}\r\n\r\n`, 431],
  ['two lengths', `${ask}content-length: 0\r\ncontent-length: 1\r\n\r\n`, 400],
  ['what is no HTTP', 'nonsense\r\n\r\n', 400],
])('%s costs the caller the connection', async (_what, bytes, status) => {
  const port = await listen();
  const { socket, closed } = dial(port);
  socket.write(bytes);
  expect(await closed).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]+E1025 `));
  const other = dial(port);
  other.socket.write(`${ask}connection: close\r\n\r\n`);
  expect(await other.closed).toMatch(/^HTTP\/1.1 200 [^]+OK/);
});

test('connections beyond two hundred are closed', async () => {
  const port = await listen();
  const open = Array.from({ length: 200 }, () => dial(port));
  await Promise.all(open.map(({ socket }) => once(socket, 'connect')));
  expect(await dial(port).closed).toBe('');
  open[0]!.socket.write(`${ask}connection: close\r\n\r\n`);
  expect(await open[0]!.closed).toMatch(/^HTTP\/1.1 200 /);
  open.forEach(({ socket }) => socket.destroy());
});

test('those who ask at once share one answer, and the next one is new', async () => {
  let asked = 0;
  const answer = sharedAnswer(async () => {
    asked += 1;
    await new Promise((done) => setImmediate(done));
    return asked;
  });
  expect(await Promise.all([answer(), answer(), answer()])).toEqual([1, 1, 1]);
  expect(await answer()).toBe(2);
});

test('a failure is shared, and forgotten', async () => {
  const outcomes = [Promise.reject(new Error('no')), Promise.resolve(1)];
  const answer = sharedAnswer(() => outcomes.shift()!);
  const both = [answer(), answer()];
  await expect(Promise.allSettled(both)).resolves.toMatchObject([
    { status: 'rejected' },
    { status: 'rejected' },
  ]);
  expect(await answer()).toBe(1);
});
