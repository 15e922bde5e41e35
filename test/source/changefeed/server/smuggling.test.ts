import { describe, expect, test } from 'vitest';
import { bytesOf, dial } from './raw-talk.ts';
import { body, post, refusedCount, serve } from './served.ts';

const start = 'POST /db/public HTTP/1.1\r\nhost: x\r\n';
const size = body.length;
const hexSize = size.toString(16);
const chunked = `${hexSize}\r\n${body}\r\n0\r\n\r\n`;
const coded = `${start}transfer-encoding: chunked\r\n\r\n`;

describe('a request whose end is in doubt is refused, and its connection with it', () => {
  test.each([
    [
      'a length and chunks',
      `${start}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nX`,
    ],
    [
      'chunks and a length',
      `${start}transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\nX`,
    ],
    [
      'two lengths',
      `${start}content-length: 0\r\ncontent-length: ${size}\r\n\r\n${body}`,
    ],
    [
      'one length said twice',
      `${start}content-length: ${size}\r\ncontent-length: ${size}\r\n\r\n${body}`,
    ],
    ['a list of lengths', `${start}content-length: 0, 0\r\n\r\n`],
    ['a negative length', `${start}content-length: -1\r\n\r\n`],
    ['a length with a sign', `${start}content-length: +0\r\n\r\n`],
    [
      'a length beyond 64 bits',
      `${start}content-length: ${'9'.repeat(26)}\r\n\r\n`,
    ],
    ['a hexadecimal length', `${start}content-length: 0x10\r\n\r\n`],
    ['a blank before the colon', `${start}content-length : 0\r\n\r\n`],
    [
      'a folded header',
      `${start}x-a: b\r\n c\r\ncontent-length: ${size}\r\n\r\n${body}`,
    ],
    [
      'a folded coding',
      `${start}transfer-encoding:\r\n chunked\r\n\r\n${chunked}`,
    ],
    [
      'bare line feeds',
      `${start}content-length: ${size}\r\n\r\n${body}`.replaceAll('\r', ''),
    ],
    [
      'one bare line feed',
      `${start.slice(0, -2)}\ncontent-length: ${size}\r\n\r\n${body}`,
    ],
    [
      'a bare carriage return',
      `${start}x: a\rcontent-length: 3\r\ncontent-length: ${size}\r\n\r\n${body}`,
    ],
    ['the coding identity', `${start}transfer-encoding: identity\r\n\r\n`],
    [
      'an unknown coding',
      `${start}transfer-encoding: xchunked\r\n\r\n${chunked}`,
    ],
    [
      'a coding behind chunked',
      `${start}transfer-encoding: chunked, identity\r\n\r\n${chunked}`,
    ],
    [
      'a coding before chunked',
      `${start}transfer-encoding: gzip, chunked\r\n\r\n${chunked}`,
    ],
    [
      'chunked twice',
      `${start}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n${chunked}`,
    ],
    [
      'a coding behind a control character',
      `${start}transfer-encoding: \x0bchunked\r\n\r\n${chunked}`,
    ],
    [
      'chunks of HTTP/1.0',
      `POST /db/public HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n${chunked}`,
    ],
    [
      'a line feed behind the size of a chunk',
      `${coded}${hexSize}\n${body}\r\n0\r\n\r\n`,
    ],
    [
      'a line feed in the extension of a chunk',
      `${coded}${hexSize};a\nb\r\n${body}\r\n0\r\n\r\n`,
    ],
    ['line feeds behind a chunk', `${coded}${hexSize}\r\n${body}\n0\n\n`],
    ['a negative chunk', `${coded}-1\r\n\r\n`],
    ['a chunk beyond 64 bits', `${coded}${'f'.repeat(19)}\r\n\r\n`],
    ['a chunk with 0x', `${coded}0x1\r\na\r\n0\r\n\r\n`],
    ['no host', 'POST /db/public HTTP/1.1\r\ncontent-length: 0\r\n\r\n'],
    ['two hosts', `${start}host: y\r\ncontent-length: 0\r\n\r\n`],
    ['NUL in the path', 'POST /db/pub\0lic HTTP/1.1\r\nhost: x\r\n\r\n'],
    [
      'bytes beyond ASCII in the path',
      'POST /db/\xff HTTP/1.1\r\nhost: x\r\n\r\n',
    ],
    ['HTTP/0.9', 'GET /\r\n\r\n'],
    ['HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS without TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['no HTTP at all', '\x00\x00\x00\x08\x04\xd2\x16\x2f'],
  ])('%s', async (_what, bytes) => {
    const served = await serve();
    const { feed, server, port } = served;
    const { socket, closed } = dial(port);
    // What would be a request of its own if the first one ended early.
    socket.write(
      bytesOf(`${bytes}${start}content-length: ${size}\r\n\r\n${body}`),
    );
    const heard = await closed;
    expect(new Set(heard.match(/HTTP\/1.1 \d+/g))).toEqual(
      new Set(['HTTP/1.1 400']),
    );
    expect(feed.rowCount).toBe(0);
    expect(server.heldBytes).toBe(0);
    expect((await post(port, '/db/public', body)).status).toBe(200);
    expect(feed.rowCount).toBe(1);
  });
});

test('a chunk of 64 bits is not waited for beyond --maxBodyBytes', async () => {
  const { feed, server, port } = await serve();
  const { socket, closed } = dial(port);
  socket.write(`${coded}ffffffffffffffff\r\n${' '.repeat(200_000)}`);
  expect(await closed).toMatch(/^HTTP\/1.1 413 [^]+E1005 /);
  expect(server.heldBytes).toBe(0);
  expect(feed.rowCount).toBe(0);
});

test('a chunk with an extension is a chunk', async () => {
  const { feed, port } = await serve();
  const { socket, closed } = dial(port);
  socket.end(`${coded}${hexSize};a=b\r\n${body}\r\n0\r\n\r\n`);
  expect(await closed).toMatch(/^HTTP\/1.1 200 /);
  expect(feed.rowCount).toBe(1);
});

test('the body of a refused request is never taken for the next one', async () => {
  const { feed, port } = await serve();
  const inner = `${start}content-length: ${size}\r\n\r\n${body}`;
  const { socket, closed } = dial(port);
  socket.end(
    `POST /db HTTP/1.1\r\nhost: x\r\ncontent-length: ${inner.length}\r\n\r\n${inner}${inner}`,
  );
  const statuses = (await closed).match(/HTTP\/1.1 \d+/g);
  expect(statuses).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200']);
  expect(feed.rowCount).toBe(1);
});

test('requests that are sent without waiting are answered in their order', async () => {
  const { feed, port } = await serve();
  const { socket, closed } = dial(port);
  const one = `${start}content-length: ${size}\r\n\r\n${body}`;
  socket.end(`${one}GET /db/public HTTP/1.1\r\nhost: x\r\n\r\n${one}`);
  expect((await closed).match(/HTTP\/1.1 \d+/g)).toEqual([
    'HTTP/1.1 200',
    'HTTP/1.1 405',
    'HTTP/1.1 200',
  ]);
  expect(feed.rowCount).toBe(2);
});

test.each([
  ['CONNECT', 'CONNECT db:80 HTTP/1.1\r\nhost: x\r\n\r\n', /^$/],
  ['TRACE', 'TRACE /db/public HTTP/1.1\r\nhost: x\r\n\r\n', /^HTTP\/1.1 4/],
  [
    'another host',
    'POST http://y/db/public HTTP/1.1\r\nhost: x\r\n\r\n',
    /^HTTP\/1.1 404 /,
  ],
  [
    'an expectation',
    `${start}expect: pudding\r\ncontent-length: 0\r\n\r\n`,
    /^HTTP\/1.1 417 /,
  ],
])('%s does nothing', async (_what, bytes, answer) => {
  const { feed, port } = await serve();
  const { socket, closed } = dial(port);
  socket.end(bytes);
  expect(await closed).toMatch(answer);
  expect(feed.rowCount).toBe(0);
});

test('a refusal of what is no request names its code, and is counted', async () => {
  const served = await serve();
  const { socket, closed } = dial(served.port);
  socket.write('nonsense\r\n\r\n');
  expect(await closed).toMatch(
    /^HTTP\/1.1 400 Bad Request\r\n[^]+\r\n\r\nE1025 .+: .+\n$/,
  );
  expect(await refusedCount(served, 'request')).toBe(1);
});
