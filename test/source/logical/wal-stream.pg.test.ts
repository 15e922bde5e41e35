import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parsePostgresAddress } from '../../../src/config/address/postgres.ts';
import { WalStream } from '../../../src/source/logical/wal-stream.ts';
import { startSource, type TestSource } from './source-fixture.ts';

let source: TestSource;
beforeAll(async () => {
  source = await startSource();
  await source.run('create publication pub');
  for (const name of ['split', 'silent']) {
    await source.run(
      `select pg_create_logical_replication_slot('${name}', 'pgoutput')`,
    );
  }
});
afterAll(() => source[Symbol.asyncDispose]());

const copyBothResponse = 0x57;

type Forward = (chunk: Buffer, client: Socket) => Promise<void>;

/** In front of the source; what the source says is handed to `forward`. */
async function proxied(
  forward: Forward,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const url = new URL(source.server.url());
    const server = connect({ host: '127.0.0.1', port: Number(url.port) });
    let forwarding = Promise.resolve();
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
    }
    client.pipe(server);
    server.on('data', (chunk) => {
      forwarding = forwarding.then(() => forward(chunk, client));
    });
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = new URL(source.server.url());
  url.hostname = '127.0.0.1';
  url.port = String((listener.address() as AddressInfo).port);
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const socket of sockets) {
        socket.destroy();
      }
    },
  };
}

function open(url: string, slotName: string, signal: AbortSignal) {
  return WalStream.open(
    {
      address: parsePostgresAddress(url, '--sourceConn'),
      slotName,
      from: 0n,
      plugin: { proto_version: '1', publication_names: '"pub"' },
      standbyTimeoutMs: 100,
    },
    signal,
  );
}

test('a stream starts though the answer to its start comes in two pieces', async () => {
  let splitCount = 0;
  await using proxy = await proxied(async (chunk, client) => {
    if (chunk[0] !== copyBothResponse) {
      client.write(chunk);
      return;
    }
    splitCount += 1;
    client.write(chunk.subarray(0, 3));
    await sleep(100);
    client.write(chunk.subarray(3));
  });
  await using stream = await open(
    proxy.url,
    'split',
    new AbortController().signal,
  );

  const walEnd = Promise.withResolvers<bigint>();
  const running = stream.run({
    message: () => undefined,
    keepalive(end) {
      walEnd.resolve(end);
      return undefined;
    },
    paused() {},
  });

  expect(await walEnd.promise).toBeGreaterThan(0n);
  expect(splitCount).toBe(1);
  stream.stop();
  await running;
});

test('a source that never answers to the start of a stream is taken for dead', async () => {
  await using proxy = await proxied(async (chunk, client) => {
    if (chunk[0] !== copyBothResponse) {
      client.write(chunk);
    }
  });

  await expect(
    open(proxy.url, 'silent', new AbortController().signal),
  ).rejects.toMatchObject({
    code: 'E6010',
    message: expect.stringContaining('silent'),
  });
});

test('a source that falls silent behind the login is taken for dead', async () => {
  await using proxy = await proxied(async (chunk, client) => {
    // The answer to the first SET.
    if (!chunk.includes('SET\0')) {
      client.write(chunk);
    }
  });

  await expect(
    open(proxy.url, 'silent', new AbortController().signal),
  ).rejects.toMatchObject({ code: 'E6010' });
});

test('an abort ends a start that the source does not answer', async () => {
  const controller = new AbortController();
  await using proxy = await proxied(async (chunk, client) => {
    if (chunk.includes('SET\0')) {
      controller.abort();
    } else {
      client.write(chunk);
    }
  });

  await expect(
    open(proxy.url, 'silent', controller.signal),
  ).rejects.toMatchObject({ name: 'AbortError' });
});
