import { once } from 'node:events';
import http2 from 'node:http2';
import { describe, expect, test } from 'vitest';
import { createSelfSigned } from '../../../../src/lib/certificates.ts';
import { dial, type Talk } from './raw-talk.ts';
import { body, type Served, serve, waitUntil } from './served.ts';

const { cert, key } = await createSelfSigned();
const tls = { cert, key, ca: null };

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const types = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** One frame, as RFC 9113 has it. */
function frame(
  type: keyof typeof types,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = types[type];
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A field of HPACK, spelled out and not to be remembered. */
function field(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

const head = Buffer.concat([
  field(':method', 'POST'),
  field(':scheme', 'https'),
  field(':path', '/db/public'),
  field(':authority', 'x'),
]);

async function http2Talk(port: number): Promise<Talk> {
  const talk = dial(port, { alpn: ['h2'] });
  await once(talk.socket, 'secureConnect');
  talk.socket.write(Buffer.concat([preface, frame('settings', 0, 0)]));
  return talk;
}

/** Another caller is served as ever. */
async function servesOthers({ port, feed }: Served): Promise<void> {
  const before = feed.rowCount;
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
  });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/db/public',
    'content-length': body.length,
  });
  stream.resume();
  stream.end(body);
  const [headers] = (await once(stream, 'response')) as [
    http2.IncomingHttpHeaders & { ':status'?: number },
  ];
  expect(headers[':status']).toBe(200);
  expect(feed.rowCount).toBe(before + 1);
  session.destroy();
}

/** Sends until the other side closes, or so many bytes have gone. */
async function flood(
  { socket, closed }: Talk,
  next: (index: number) => Buffer,
  maxBytes: number,
): Promise<'closed' | 'endured'> {
  let isClosed = false;
  void closed.then(() => (isClosed = true));
  let sentBytes = 0;
  for (let index = 0; !isClosed && sentBytes < maxBytes; index += 1) {
    const bytes = next(index);
    sentBytes += bytes.length;
    if (!socket.write(bytes)) {
      await Promise.race([once(socket, 'drain').catch(() => {}), closed]);
    }
    if (index % 16 === 0) {
      await new Promise((done) => setImmediate(done));
    }
  }
  return isClosed ? 'closed' : 'endured';
}

describe('a peer that floods HTTP/2 loses its connection, and nobody else notices', () => {
  test.each([
    [
      'streams that are opened and reset at once',
      (index: number) =>
        Buffer.concat([
          frame('headers', 4, 2 * index + 1, head),
          frame('reset', 0, 2 * index + 1, Buffer.from([0, 0, 0, 8])),
        ]),
    ],
    [
      'a head that never ends',
      (index: number) =>
        index === 0
          ? frame('headers', 0, 1, head)
          : frame('continuation', 0, 1, field('x-a', 'b'.repeat(100))),
    ],
    [
      'a head of empty pieces',
      (index: number) =>
        index === 0
          ? frame('headers', 0, 1, head)
          : frame('continuation', 0, 1),
    ],
    [
      'streams that break the protocol',
      (index: number) =>
        frame('headers', 4, 2 * index + 1, field('UPPER', 'case')),
    ],
    [
      'frames for streams that never were',
      () => frame('data', 0, 9_999, Buffer.from('x')),
    ],
    [
      'settings without end',
      () =>
        frame(
          'settings',
          0,
          0,
          Buffer.from(
            [0, 3, 0, 0, 0, 1, 0, 4, 0, 0, 0, 1].concat(
              Array.from({ length: 600 }, () => 0),
            ),
          ),
        ),
    ],
  ])('%s', async (_what, next) => {
    const served = await serve({ tls });
    const talk = await http2Talk(served.port);
    expect(await flood(talk, next, 1 << 27)).toBe('closed');
    expect(served.feed.accepted).toEqual([]);
    await servesOthers(served);
    await waitUntil(() => served.server.inFlightCount === 0);
    expect(served.server.heldBytes).toBe(0);
  });
});

test('pings and settings that are answered to a peer who does not read end its connection', async () => {
  const served = await serve({ tls });
  for (const one of [
    frame('ping', 0, 0, Buffer.alloc(8)),
    frame('settings', 0, 0),
  ]) {
    const talk = await http2Talk(served.port);
    talk.socket.pause();
    const many = Buffer.concat(Array.from({ length: 500 }, () => one));
    const before = process.memoryUsage().rss;
    const outcome = await flood(talk, () => many, 1 << 26);
    await servesOthers(served);
    // Either it was cut off, or the socket was not read any more.
    expect(['closed', 'endured']).toContain(outcome);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20);
    talk.socket.destroy();
  }
});

test('more streams than allowed are refused, and those that are open go on', async () => {
  const served = await serve({ tls });
  const { feed, server, port } = served;
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
  });
  await once(session, 'remoteSettings');
  expect(session.remoteSettings.maxConcurrentStreams).toBe(250);
  expect(session.remoteSettings.maxHeaderListSize).toBe(32 * 1_024);
  const statuses = Array.from({ length: 300 }, async () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/db/public',
    });
    stream.resume();
    stream.end(body);
    const [headers] = (await once(stream, 'response')) as [
      { ':status'?: number },
    ];
    return headers[':status'];
  });
  await waitUntil(() => server.inFlightCount === 250);
  gate.resolve();
  expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]));
  expect(feed.rowCount).toBe(300);
  session.destroy();
});

test('a head beyond its limit is refused, and the connection goes on', async () => {
  const { feed, port } = await serve({ tls });
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
  });
  session.on('error', () => {});
  await once(session, 'remoteSettings');
  const stream = session.request({
    ':method': 'POST',
    ':path': '/db/public',
    'x-a': 'a'.repeat(40 * 1_024),
  });
  stream.resume();
  stream.end(body);
  const outcome = await Promise.race([
    once(stream, 'response').then(([headers]) =>
      String((headers as { ':status'?: number })[':status']),
    ),
    once(stream, 'error').then(() => 'error'),
    once(stream, 'close').then(() => 'closed'),
  ]).catch(() => 'error');
  expect(outcome).not.toBe('200');
  expect(feed.rowCount).toBe(0);
  session.destroy();
});

test('a peer that never opens its window for the answer is cut off in time', async () => {
  const timeouts = { headersMs: 500, requestMs: 500, keepAliveMs: 60_000 };
  const { feed, server, port } = await serve({
    tls,
    timeouts,
    responseTimeoutMs: 500,
  });
  const talk = await http2Talk(port);
  talk.socket.write(
    Buffer.concat([
      // No byte of any answer may be sent.
      frame('settings', 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])),
      frame('headers', 4, 1, head),
      frame('data', 1, 1, Buffer.from(body)),
    ]),
  );
  await waitUntil(() => feed.rowCount === 1);
  // Busy all the while, so that its session is no idle one.
  const pings = setInterval(
    () => talk.socket.write(frame('ping', 0, 0, Buffer.alloc(8))),
    50,
  );
  expect(server.inFlightCount).toBe(1);
  await expect.poll(() => server.inFlightCount).toBe(0);
  clearInterval(pings);
  talk.socket.destroy();
});

test.each([
  ['a length that the body exceeds', '3'],
  ['a length that the body falls short of', '99999'],
  ['a length that is none', '-1'],
])('%s is refused in HTTP/2 too', async (_what, length) => {
  const served = await serve({ tls });
  const talk = await http2Talk(served.port);
  talk.socket.write(
    Buffer.concat([
      frame(
        'headers',
        4,
        1,
        Buffer.concat([head, field('content-length', length)]),
      ),
      frame('data', 1, 1, Buffer.from(body)),
    ]),
  );
  await servesOthers(served);
  expect(served.feed.rowCount).toBe(1);
  await waitUntil(() => served.server.inFlightCount === 0);
  expect(served.server.heldBytes).toBe(0);
  talk.socket.destroy();
});
