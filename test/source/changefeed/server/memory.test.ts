import { connect } from 'node:net';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { expect, test } from 'vitest';
import { body, post, serve, waitUntil } from './served.ts';

test('beyond the bytes in flight a request is answered 503, and room is given back', async () => {
  const { server, feed, port } = await serve({ inFlightLimitBytes: 300 });
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const first = post(port, '/db/public', body);
  await waitUntil(() => server.heldBytes > 0);
  expect((await post(port, '/db/public', body)).status).toBe(503);
  gate.resolve();
  expect((await first).status).toBe(200);
  await waitUntil(() => server.heldBytes === 0);
  expect((await post(port, '/db/public', body)).status).toBe(200);
});

test('work that goes on after its 503 keeps its room until it has settled', async () => {
  const { server, feed, port } = await serve({ responseTimeoutMs: 50 });
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const zipped = (await promisify(gzip)(body)) as Buffer<ArrayBuffer>;
  const reply = await post(port, '/db/public', zipped, {
    'content-encoding': 'gzip',
  });
  expect(reply.text).toMatch(/^E1026 /);
  await waitUntil(() => server.inFlightCount === 0);
  // As it came, inflated, and as text.
  const heldBytes = zipped.length + 2 * body.length;
  await waitUntil(() => server.heldBytes >= heldBytes);
  expect(server.heldBytes).toBe(heldBytes);
  gate.resolve();
  await waitUntil(() => server.heldBytes === 0);
  expect(feed.rowCount).toBe(1);
});

test('a body that finds no room to inflate until its time is over is answered 503, and not handed over', async () => {
  const { server, feed, port } = await serve({
    inFlightLimitBytes: 400,
    responseTimeoutMs: 100,
  });
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const zipped = (await promisify(gzip)(body)) as Buffer<ArrayBuffer>;
  const replies = await Promise.all(
    [1, 2, 3].map(() =>
      post(port, '/db/public', zipped, { 'content-encoding': 'gzip' }),
    ),
  );
  const codes = replies.map(({ text }) => text.slice(0, 5)).toSorted();
  expect(new Set(codes)).toEqual(new Set(['E1026', 'E3006']));
  gate.resolve();
  await waitUntil(() => server.heldBytes === 0);
  expect(feed.rowCount).toBe(codes.filter((code) => code === 'E1026').length);
});

test('chunked bodies are counted as they come', async () => {
  const { server, feed, port } = await serve({ inFlightLimitBytes: 300_000 });
  const head =
    'POST /db/public HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n';
  const chunk = `${(90_000).toString(16)}\r\n${' '.repeat(90_000)}\r\n`;
  const first = connect(port, '127.0.0.1');
  first.write(head + chunk);
  await waitUntil(() => server.heldBytes >= 180_000);
  const second = connect(port, '127.0.0.1');
  const answer = new Promise((done) =>
    second.once('data', (bytes: Buffer) => done(bytes.toString())),
  );
  second.write(head + chunk);
  expect(await answer).toMatch(/^HTTP\/1.1 503 [^]+E3006 /);
  first.destroy();
  await waitUntil(() => server.heldBytes === 0);
  expect(feed.accepted).toEqual([]);
});

test('a sender that dawdles over a body that fills the room gives way to the others', async () => {
  const { server, feed, port } = await serve({ inFlightLimitBytes: 100_000 });
  const slow = connect(port, '127.0.0.1');
  let heard = '';
  slow.on('data', (bytes: Buffer) => (heard += bytes.toString()));
  slow.write(
    'POST /db/public HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n{',
  );
  const drip = setInterval(() => slow.write(' '), 50);
  await waitUntil(() => server.heldBytes === 180_000);
  expect((await post(port, '/db/public', body)).text).toMatch(/^E3006 /);
  await expect
    .poll(async () => (await post(port, '/db/public', body)).status)
    .toBe(200);
  await waitUntil(() => heard.includes('\r\n\r\nE3006 '));
  expect(heard).toMatch(/^HTTP\/1.1 503 [^]+retry-after: 1\r\n/);
  clearInterval(drip);
  slow.destroy();
  await waitUntil(() => server.heldBytes === 0);
  expect(feed.rowCount).toBe(1);
});
