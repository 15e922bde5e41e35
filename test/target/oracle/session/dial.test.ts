import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  defaultTargetOptions,
  openTarget,
} from '../../../../src/target/open-target.ts';
import type { Target } from '../../../../src/target/target.ts';

interface SilentServer extends AsyncDisposable {
  readonly port: number;
  /** Resolves with the first connection. */
  readonly accepted: Promise<void>;
}

/** Takes connections and never says a word. */
async function silentServer(): Promise<SilentServer> {
  const sockets: Socket[] = [];
  const accepted = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
    accepted.resolve();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    accepted: accepted.promise,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) {
        socket.destroy();
      }
      await once(server, 'close');
    },
  };
}

function target(port: number, query = ''): Promise<Target> {
  return openTarget({
    url: `oracle://u:secret@127.0.0.1:${port}/S${query}`,
    ...defaultTargetOptions,
  });
}

describe('a dial of Oracle', () => {
  test('gives a server up that says nothing', async () => {
    await using server = await silentServer();
    await using mute = await target(server.port, '?connect_timeout=1');
    const failure = await mute.ping().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'E4001', disposition: 'retry' });
    expect(String(failure)).not.toContain('secret');
    expect(mute.poolCounts()).toMatchObject({ total: 0, dialErrorCount: 1 });
  });

  test('ends when it is told to', async () => {
    await using server = await silentServer();
    await using mute = await target(server.port, '?connect_timeout=60');
    const abort = new AbortController();
    const waiting = mute.begin(abort.signal).catch((error: unknown) => error);
    await server.accepted;
    abort.abort();
    expect(await waiting).toMatchObject({ name: 'AbortError' });
    expect(mute.poolCounts()).toMatchObject({ total: 0, waiting: 0 });
  });
});
