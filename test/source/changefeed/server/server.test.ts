import http2 from 'node:http2';
import https from 'node:https';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import {
  type Certificates,
  createCertificates,
} from '../../../../src/lib/certificates.ts';
import { askCallers } from '../../../../src/source/changefeed/callers/ask-callers.ts';
import { identifyByCertificate } from '../../../../src/source/changefeed/callers/certificate-caller.ts';
import type { WebhookServerOptions } from '../../../../src/source/changefeed/server/server.ts';
import { plainShape } from '../../../support/recording-feed.ts';
import { body, post, row, serve, time, waitUntil } from './served.ts';

let certificates: Certificates;
let otherAuthority: Certificates;
beforeAll(async () => {
  [certificates, otherAuthority] = await Promise.all([
    createCertificates({ hosts: ['localhost', '127.0.0.1'], days: 1 }),
    createCertificates({ hosts: ['localhost', '127.0.0.1'], days: 1 }),
  ]);
});

test('rows are handed over and answered 200 OK', async () => {
  const { feed, port } = await serve();
  expect(await post(port, '/db/public', body)).toMatchObject({
    status: 200,
    text: 'OK\n',
  });
  expect(feed.accepted).toEqual([
    [
      {
        table: 'account',
        keyColumns: ['id'],
        mutations: [
          { key: '[1]', time, after: '{"id":1,"name":"a"}', before: null },
        ],
      },
    ],
  ]);
});

test.each(['//db/public', '/db//public/', '/%64b/public?x=1'])(
  'the path %s names the same schema',
  async (path) => {
    const { feed, port } = await serve();
    expect((await post(port, path, body)).status).toBe(200);
    expect(feed.rowCount).toBe(1);
  },
);

test('where nobody is asked, a page in a browser of this machine writes nothing all the same', async () => {
  const { feed, port } = await serve();
  // What any site may send without asking first.
  for (const origin of ['https://example.com', 'null', 'http://localhost']) {
    const headers = { 'content-type': 'text/plain', origin };
    expect(await post(port, '/db/public', body, headers)).toMatchObject({
      status: 403,
      text: expect.stringMatching(/^E1024 a web page asks/),
    });
  }
  expect(feed.accepted).toEqual([]);
});

test('a resolved message and an empty body are answered 200', async () => {
  const { feed, port } = await serve();
  expect(
    (await post(port, '/db/public', `{"resolved":"${time}"}`)).status,
  ).toBe(200);
  expect((await post(port, '/db/public', '')).status).toBe(200);
  expect(
    (await post(port, '/db/public', '{"payload":[],"length":0}')).status,
  ).toBe(200);
  expect(feed.resolved).toEqual([time]);
  expect(feed.accepted).toEqual([]);
});

test('gzip and zstd bodies are taken', async () => {
  const { feed, port } = await serve();
  for (const [encoding, compressed] of [
    ['gzip', await promisify(gzip)(body)],
    ['zstd', await promisify(zstdCompress)(body)],
  ] as const) {
    const reply = await post(
      port,
      '/db/public',
      compressed as Buffer<ArrayBuffer>,
      {
        'content-type': 'application/json',
        'content-encoding': encoding,
      },
    );
    expect(reply).toMatchObject({ status: 200 });
  }
  expect(feed.rowCount).toBe(2);
});

test.each([
  ['invalid JSON', '/db/public', '{"payload":[', {}, 400, 'E1001'],
  [
    'invalid UTF-8',
    '/db/public',
    Buffer.from([0x7b, 0xff, 0x7d]),
    {},
    400,
    'E1002',
  ],
  [
    'NUL in a value',
    '/db/public',
    body.replace('"a"', '"\\u0000"'),
    {},
    422,
    'E1003',
  ],
  [
    'depth',
    '/db/public',
    `{"payload":${'['.repeat(100)}${']'.repeat(100)}}`,
    {},
    400,
    'E1004',
  ],
  ['size', '/db/public', ' '.repeat(100_001), {}, 413, 'E1005'],
  [
    'an unknown encoding',
    '/db/public',
    body,
    { 'content-encoding': 'br' },
    415,
    'E1007',
  ],
  ['csv', '/db/public', body, { 'content-type': 'text/csv' }, 415, 'E1008'],
  [
    'no media type',
    '/db/public',
    body,
    { 'content-type': 'json' },
    415,
    'E1008',
  ],
  [
    'a wrong length',
    '/db/public',
    body.replace('"length":1', '"length":2'),
    {},
    400,
    'E1009',
  ],
  [
    'no updated',
    '/db/public',
    body.replace('updated', 'later'),
    {},
    400,
    'E1010',
  ],
  [
    'no topic',
    '/db/public',
    body.replace('topic', 'subject'),
    {},
    400,
    'E1011',
  ],
  ['a path of one part', '/db', body, {}, 404, 'E1013'],
  ['a path of nine parts', '/a/b/c/d/e/f/g/h/i', body, {}, 404, 'E1013'],
  ['a malformed path', '/db/%ff', body, {}, 404, 'E1013'],
  ['an unknown schema', '/db/other', body, {}, 404, 'E1014'],
  [
    'an unknown table',
    '/db/public',
    body.replace('account', 'accounts'),
    {},
    404,
    'E1015',
  ],
  [
    'an unknown column',
    '/db/public',
    body.replace('name', 'nick'),
    {},
    422,
    'E1016',
  ],
  [
    'a key that does not fit',
    '/db/public',
    body.replace('[1]', '[1,2]'),
    {},
    422,
    'E1017',
  ],
  [
    'a bad timestamp',
    '/db/public',
    body.replace(time, 'now'),
    {},
    400,
    'E1018',
  ],
  [
    'a row from the future',
    '/db/public',
    body.replace(time, '4102444800000000000.0000000000'),
    {},
    400,
    'E1028',
  ],
  [
    'a resolved file from the future',
    '/db/public/2100-01-01/210001010000000000000000000000000.RESOLVED',
    '',
    {},
    400,
    'E1028',
  ],
  [
    'a cut gzip body',
    '/db/public',
    Buffer.from([0x1f, 0x8b, 8]),
    { 'content-encoding': 'gzip' },
    400,
    'E1021',
  ],
])(
  '%s is refused with its own code and a remedy, and nothing is handed over',
  async (_what, path, content, headers, status, code) => {
    const { feed, port } = await serve();
    const reply = await post(port, path, content as string, {
      'content-type': 'application/json',
      ...headers,
    });
    expect(reply.status).toBe(status);
    expect(reply.text).toMatch(new RegExp(`^${code} .+: .+\\n$`));
    expect(feed.accepted).toEqual([]);
  },
);

test('a body that inflates beyond the limit is refused with 413', async () => {
  const { feed, port } = await serve();
  const bomb = await promisify(gzip)(Buffer.alloc(5_000_000, ' '));
  const reply = await post(port, '/db/public', bomb as Buffer<ArrayBuffer>, {
    'content-type': 'application/json',
    'content-encoding': 'gzip',
  });
  expect(reply).toMatchObject({ status: 413 });
  expect(reply.text).toMatch(/^E1006 /);
  expect(feed.accepted).toEqual([]);
});

test('a request with one bad row is refused whole', async () => {
  const { feed, port } = await serve();
  const mixed = JSON.stringify({
    payload: [row, { ...row, after: { id: 2, name: 'b', extra: 1 }, key: [2] }],
    length: 2,
  });
  expect((await post(port, '/db/public', mixed)).status).toBe(422);
  expect(feed.accepted).toEqual([]);
});

test('a table made after the last look at the catalog is found by the request that needs it', async () => {
  const { feed, port } = await serve();
  feed.nextShape = plainShape({
    account: ['id', 'name'],
    fresh: ['id', 'name'],
  });
  const reply = await post(
    port,
    '/db/public',
    body.replace('account', 'fresh'),
  );
  expect(reply).toMatchObject({ status: 200 });
  expect(feed.accepted.flat().map(({ table }) => table)).toEqual(['fresh']);
});

test('GET on a webhook path is answered 405 with the method to use', async () => {
  const { port } = await serve();
  const reply = await post(port, '/db/public', '', {}, 'GET');
  expect(reply.status).toBe(405);
  expect(reply.headers.get('allow')).toBe('POST');
});

test('work that takes too long is answered 503 with Retry-After', async () => {
  const { feed, port } = await serve({ responseTimeoutMs: 50 });
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const reply = await post(port, '/db/public', body);
  expect(reply.status).toBe(503);
  expect(reply.headers.get('retry-after')).toBe('1');
  gate.resolve();
});

test('an upload that is cut off hands nothing over and gives its room back', async () => {
  const { server, feed, port } = await serve();
  const socket = connect(port, '127.0.0.1');
  await new Promise((done) => socket.once('connect', done));
  socket.write(
    `POST /db/public HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 20)}`,
  );
  await waitUntil(() => server.inFlightCount === 1);
  socket.destroy();
  await waitUntil(() => server.inFlightCount === 0);
  expect(feed.accepted).toEqual([]);
});

test('draining finishes the request in flight, refuses new ones and closes idle connections', async () => {
  const { server, feed, port } = await serve();
  const gate = Promise.withResolvers<void>();
  feed.gate = gate.promise;
  const idle = connect(port, '127.0.0.1');
  const idleClosed = new Promise((done) => idle.once('close', done));
  const reply = post(port, '/db/public', body);
  await waitUntil(() => server.inFlightCount === 1);
  const drained = server.drain();
  gate.resolve();
  expect((await reply).status).toBe(200);
  await drained;
  await idleClosed;
  await expect(post(port, '/db/public', body)).rejects.toThrow();
  expect(feed.rowCount).toBe(1);
});

function tlsOptions(): Partial<WebhookServerOptions> {
  return {
    tls: {
      cert: certificates.server.cert,
      key: certificates.server.key,
      ca: certificates.ca.cert,
    },
    callers: askCallers({
      certificate: identifyByCertificate({ rules: null }),
    }),
  };
}

async function postTls(
  port: number,
  client: { cert: string; key: string } | null,
  maxVersion: 'TLSv1.3' | 'TLSv1.1' = 'TLSv1.3',
): Promise<{ status: number; text: string }> {
  return await new Promise((resolve, reject) => {
    const request = https.request(
      {
        host: '127.0.0.1',
        port,
        path: '/db/public',
        method: 'POST',
        ca: certificates.ca.cert,
        agent: false,
        maxVersion,
        minVersion: maxVersion === 'TLSv1.1' ? 'TLSv1.1' : 'TLSv1.2',
        headers: { 'content-type': 'application/json' },
        ...client,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

test('over TLS a caller with a certificate of the client authority is let in', async () => {
  const { feed, port } = await serve(tlsOptions());
  expect(await postTls(port, certificates.client)).toEqual({
    status: 200,
    text: 'OK\n',
  });
  expect(feed.rowCount).toBe(1);
});

test('a caller without a certificate, or with one of another authority, is told so with 401', async () => {
  const { feed, port } = await serve(tlsOptions());
  for (const client of [null, otherAuthority.client]) {
    const reply = await postTls(port, client);
    expect(reply.status).toBe(401);
    expect(reply.text).toMatch(/^E1023 /);
  }
  expect(feed.accepted).toEqual([]);
});

test('TLS below 1.2 is refused in the handshake', async () => {
  const { port } = await serve(tlsOptions());
  await expect(postTls(port, certificates.client, 'TLSv1.1')).rejects.toThrow();
});

test('certificates are exchanged without closing the listener', async () => {
  const { server, port } = await serve(tlsOptions());
  server.reloadTls({
    cert: certificates.server.cert,
    key: certificates.server.key,
    ca: otherAuthority.ca.cert,
  });
  expect((await postTls(port, otherAuthority.client)).status).toBe(200);
  expect((await postTls(port, certificates.client)).status).toBe(401);
});

test.each([
  ['post', 405],
  ['FOO', 405],
  ['PROPFIND', 404],
  ['TRACE', 404],
])(
  'the method %s, which HTTP/2 lets through, is answered %d, not to be sent again',
  async (method, expected) => {
    const { feed, port } = await serve(tlsOptions());
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      ca: certificates.ca.cert,
      ...certificates.client,
    });
    try {
      const stream = session.request({
        ':method': method,
        ':path': '/db/public',
      });
      const status = await new Promise((resolve, reject) => {
        stream.on('response', (headers) => resolve(headers[':status']));
        stream.on('error', reject);
        stream.end();
      });
      expect(status).toBe(expected);
      expect(feed.accepted).toEqual([]);
    } finally {
      session.destroy();
    }
  },
);

test('HTTP/2 requests run side by side on one connection, and draining ends it', async () => {
  const { server, feed, port } = await serve(tlsOptions());
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    ca: certificates.ca.cert,
    ...certificates.client,
  });
  const closed = new Promise((done) => session.once('close', done));
  const statuses = await Promise.all(
    Array.from(
      { length: 20 },
      () =>
        new Promise((resolve, reject) => {
          const stream = session.request({
            ':method': 'POST',
            ':path': '/db/public',
            'content-type': 'application/json',
          });
          stream.on('response', (headers) => resolve(headers[':status']));
          stream.on('error', reject);
          stream.resume();
          stream.end(body);
        }),
    ),
  );
  expect(statuses).toEqual(Array.from({ length: 20 }, () => 200));
  expect(feed.rowCount).toBe(20);
  await server.drain();
  await closed;
});
