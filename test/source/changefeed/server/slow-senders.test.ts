import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createSelfSigned } from '../../../../src/lib/certificates.ts';
import { body, serve, waitUntil } from './served.ts';

const { cert, key } = await createSelfSigned();
const tls = { cert, key, ca: null };
const timeouts = { headersMs: 1_500, requestMs: 3_000, keepAliveMs: 2_000 };
const head = `POST /db/public HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`;

describe.each([
  ['in clear', null],
  ['over TLS', tls],
])('HTTP/1.1 %s', (_how, texts) => {
  const dial = async (port: number): Promise<Talk> => {
    const socket = texts
      ? connectTls({ port, rejectUnauthorized: false })
      : connect(port, '127.0.0.1');
    return talk(socket);
  };

  test.each([
    ['head', head.slice(0, 30)],
    ['body', head + body.slice(0, 20)],
  ])(
    'a sender that falls silent in the %s is cut off, and nothing is accepted',
    async (_where, sent) => {
      const { server, feed, port } = await serve({ tls: texts, timeouts });
      const { socket, closed } = await dial(port);
      socket.write(sent);
      expect(await closed).toMatch(/^HTTP\/1.1 4\d\d /);
      await waitUntil(() => server.inFlightCount === 0);
      expect(feed.accepted).toEqual([]);
      expect(server.heldBytes).toBe(0);
    },
  );

  test('an upload that trickles within the limits is accepted', async () => {
    const { feed, port } = await serve({
      tls: texts,
      timeouts: { ...timeouts, requestMs: 20_000 },
    });
    const { socket, closed } = await dial(port);
    const whole = head.replace('host', 'connection: close\r\nhost') + body;
    for (let at = 0; at < whole.length; at += 40) {
      socket.write(whole.slice(at, at + 40));
      await pause(10);
    }
    expect(await closed).toMatch(/^HTTP\/1.1 200 /);
    expect(feed.rowCount).toBe(1);
  });
});

describe('HTTP/2', () => {
  const dial = (port: number): http2.ClientHttp2Session =>
    http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  const post = {
    ':method': 'POST',
    ':path': '/db/public',
    'content-length': body.length,
  };

  test('an upload that falls silent is refused and gives its room back', async () => {
    const { server, feed, port } = await serve({ tls, timeouts });
    const session = dial(port);
    const stream = session.request(post);
    const answer = statusOf(stream);
    stream.resume();
    stream.write(body.slice(0, 20));
    await waitUntil(() => server.inFlightCount === 1);
    const streamClosed = new Promise((done) => stream.once('close', done));
    expect(await answer).toBe(400);
    await streamClosed;
    await waitUntil(() => server.inFlightCount === 0);
    expect(server.heldBytes).toBe(0);
    expect(feed.accepted).toEqual([]);
    session.destroy();
  });

  test('an upload that never ends is refused however busy it is', async () => {
    const { server, feed, port } = await serve({ tls, timeouts });
    const session = dial(port);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/db/public',
    });
    const answer = statusOf(stream);
    stream.resume();
    const drip = setInterval(() => stream.write(' '), 20);
    stream.once('close', () => clearInterval(drip));
    expect(await answer).toBe(400);
    await waitUntil(() => server.inFlightCount === 0);
    expect(server.heldBytes).toBe(0);
    expect(feed.accepted).toEqual([]);
    session.destroy();
  });

  test('a refusal before the body ends the stream of a silent upload', async () => {
    const { server, port } = await serve({ tls, timeouts });
    const session = dial(port);
    const stream = session.request({ ...post, ':path': '/db' });
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (piece: string) => (text += piece));
    const closed = new Promise((done) => stream.once('close', done));
    stream.write(body.slice(0, 20));
    await closed;
    expect(text).toMatch(/^E1013 .+\n$/);
    expect(server.inFlightCount).toBe(0);
    session.destroy();
  });

  test('a body that tells neither its length nor its type is read', async () => {
    const { feed, port } = await serve({ tls, timeouts });
    const session = dial(port);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/db/public',
    });
    stream.resume();
    stream.end(body);
    expect(await statusOf(stream)).toBe(200);
    expect(feed.rowCount).toBe(1);
    session.destroy();
  });

  test('an idle session is closed, one that waits for its answer is not', async () => {
    const { feed, port } = await serve({ tls, timeouts });
    const gate = Promise.withResolvers<void>();
    feed.gate = gate.promise;
    const idle = dial(port);
    const idleClosed = new Promise((done) => idle.once('close', done));
    const busy = dial(port);
    const stream = busy.request(post);
    stream.resume();
    stream.end(body);
    const answer = statusOf(stream);
    await idleClosed;
    await pause(2 * timeouts.keepAliveMs);
    gate.resolve();
    expect(await answer).toBe(200);
    busy.destroy();
  });
});

interface Talk {
  readonly socket: Socket;
  /** Resolves to all that was heard, once the other side has closed. */
  readonly closed: Promise<string>;
}

function talk(socket: Socket): Talk {
  let heard = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => (heard += text));
  socket.on('error', () => {});
  return {
    socket,
    closed: new Promise((resolve) =>
      socket.once('close', () => resolve(heard)),
    ),
  };
}

function statusOf(stream: http2.ClientHttp2Stream): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.on('response', (headers) => resolve(Number(headers[':status'])));
    stream.on('error', reject);
  });
}
