import { once } from 'node:events';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createSelfSigned } from '../../../../src/lib/certificates.ts';
import { usualLimits } from '../../../../src/source/changefeed/server/listener-limits.ts';
import { dial } from './raw-talk.ts';
import { body, post, refusedCount, serve, waitUntil } from './served.ts';

const { cert, key } = await createSelfSigned();
const tls = { cert, key, ca: null };
const head = `POST /db/public HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`;

/** One request on a connection that is open already. */
async function asked(socket: Socket, heard: () => string): Promise<string> {
  const before = heard().length;
  socket.write(head + body);
  await waitUntil(() => heard().slice(before).includes('\r\n\r\nOK\n'));
  return heard().slice(before, before + 12);
}

describe.each([
  ['in clear', null],
  ['over TLS', tls],
])('%s', (_how, texts) => {
  const alpn = texts ? { alpn: ['http/1.1'] } : undefined;

  test.each([
    ['address', { ...usualLimits, maxConnectionsPerAddress: 3 }],
    ['connections', { ...usualLimits, maxConnections: 3 }],
  ])(
    'a connection beyond the limit (%s) is closed, the others are served, and one that ends makes room',
    async (reason, limits) => {
      const served = await serve({ tls: texts, limits });
      const { feed, port } = served;
      const open = Array.from({ length: 3 }, () => dial(port, alpn));
      await Promise.all(
        open.map(({ socket }) =>
          once(socket, texts ? 'secureConnect' : 'connect'),
        ),
      );
      for (let left = 20; left > 0; left -= 1) {
        expect(await dial(port, alpn).closed).toBe('');
      }
      expect(await refusedCount(served, reason)).toBe(20);
      expect(await refusedCount(served, 'handshake')).toBe(0);
      for (const { socket, heard } of open) {
        expect(await asked(socket, heard)).toBe('HTTP/1.1 200');
      }
      expect(feed.rowCount).toBe(3);
      open[0]!.socket.end();
      await open[0]!.closed;
      const next = dial(port, alpn);
      expect(await asked(next.socket, next.heard)).toBe('HTTP/1.1 200');
      [...open, next].forEach(({ socket }) => socket.destroy());
    },
  );

  test('0 is no limit', async () => {
    const limits = {
      ...usualLimits,
      maxConnections: 0,
      maxConnectionsPerAddress: 0,
      maxRequestsInFlight: 0,
    };
    const { feed, port } = await serve({ tls: texts, limits });
    const open = Array.from({ length: 30 }, () => dial(port, alpn));
    for (const { socket, heard } of open) {
      expect(await asked(socket, heard)).toBe('HTTP/1.1 200');
      socket.destroy();
    }
    expect(feed.rowCount).toBe(30);
  });

  test('whoever says nothing, or a byte now and then, is cut off after the time for a head', async () => {
    const timeouts = {
      headersMs: 2_000,
      requestMs: 4_000,
      keepAliveMs: 60_000,
    };
    const served = await serve({ tls: texts, timeouts });
    const silent = Array.from({ length: 20 }, () => dial(served.port));
    const slow = Array.from({ length: 20 }, () => dial(served.port, alpn));
    const drips = slow.map(({ socket }) => {
      socket.write('POST /db/public HTTP/1.1\r\nhost: x\r\n');
      return setInterval(() => socket.write('x-a: b\r\n'), 20);
    });
    const one = dial(served.port, alpn);
    expect(await asked(one.socket, one.heard)).toBe('HTTP/1.1 200');
    const heard = await Promise.all(slow.map(({ closed }) => closed));
    await Promise.all(silent.map(({ closed }) => closed));
    drips.forEach((drip) => clearInterval(drip));
    for (const text of heard) {
      expect(text).toMatch(/^HTTP\/1.1 408 [^]+E1025 /);
    }
    expect(served.feed.rowCount).toBe(1);
    expect(await refusedCount(served, 'slow')).toBeGreaterThanOrEqual(20);
    one.socket.destroy();
  });

  test('a head beyond its limit is answered 431, one within is read', async () => {
    const served = await serve({ tls: texts });
    const long = dial(served.port, alpn);
    long.socket.write(
      head.replace('host', `x: ${'a'.repeat(33 * 1_024)}\r\nhost`),
    );
    expect(await long.closed).toMatch(/^HTTP\/1.1 431 [^]+E1025 /);
    expect(await refusedCount(served, 'headers')).toBe(1);
    const within = dial(served.port, alpn);
    within.socket.write(
      head.replace(
        'host',
        `connection: close\r\nx: ${'a'.repeat(30 * 1_024)}\r\nhost`,
      ) + body,
    );
    expect(await within.closed).toMatch(/^HTTP\/1.1 200 /);
    expect(served.feed.rowCount).toBe(1);
  });

  test('one who does not read the answers is cut off, and is not read any more meanwhile', async () => {
    const timeouts = {
      headersMs: 4_000,
      requestMs: 4_000,
      keepAliveMs: 60_000,
    };
    const served = await serve({
      tls: texts,
      timeouts,
      responseTimeoutMs: 1_000,
    });
    const { socket, closed } = dial(served.port, alpn);
    await once(socket, texts ? 'secureConnect' : 'connect');
    socket.pause();
    const one = 'GET /db/public HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(500);
    let sentBytes = 0;
    const push = (): void => {
      while (!socket.destroyed && sentBytes < 1 << 28) {
        sentBytes += one.length;
        if (!socket.write(one)) {
          socket.once('drain', push);
          return;
        }
      }
    };
    push();
    expect(await postOnce(served.port, texts !== null)).toMatch(
      /^HTTP\/1.1 200 /,
    );
    const { server } = served.server.app;
    await expect
      .poll(() => promisify(server.getConnections.bind(server))())
      .toBe(0);
    socket.destroy();
    await closed;
    // Had it been read on and on, all of it would have gone.
    expect(sentBytes).toBeLessThan(1 << 28);
    expect(served.server.inFlightCount).toBe(0);
  });
});

async function postOnce(port: number, isSecure: boolean): Promise<string> {
  const { socket, closed } = dial(
    port,
    isSecure ? { alpn: ['http/1.1'] } : undefined,
  );
  socket.write(head.replace('host', 'connection: close\r\nhost') + body);
  return await closed;
}

test('requests beyond --maxRequestsInFlight are answered 503 with Retry-After, and the others go on', async () => {
  const { server, feed, port } = await serve({
    limits: { ...usualLimits, maxRequestsInFlight: 2 },
  });
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const first = [
    post(port, '/db/public', body),
    post(port, '/db/public', body),
  ];
  await waitUntil(() => server.inFlightCount === 2);
  for (let left = 20; left > 0; left -= 1) {
    const refused = await post(port, '/db/public', body);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(refused.text).toMatch(/^E3016 /);
  }
  gate.resolve();
  expect((await Promise.all(first)).map(({ status }) => status)).toEqual([
    200, 200,
  ]);
  await waitUntil(() => server.inFlightCount === 0);
  expect((await post(port, '/db/public', body)).status).toBe(200);
  expect(server.heldBytes).toBe(0);
});
