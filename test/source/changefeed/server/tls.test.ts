import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseAllowedSubjects } from '../../../../src/config/allowed-subjects.ts';
import { askCallers } from '../../../../src/source/changefeed/callers/ask-callers.ts';
import { identifyByCertificate } from '../../../../src/source/changefeed/callers/certificate-caller.ts';
import type { TlsTexts } from '../../../../src/source/changefeed/server/tls-files.ts';
import {
  type Made,
  makeAuthority,
  makeCertificate,
  makeServer,
} from '../../../support/made-certificates.ts';
import { body, serve, type Served, waitUntil } from './served.ts';

const hourMs = 3_600_000;
let authority: Made;
let otherAuthority: Made;
let server: Made;
let client: Made;
let otherClient: Made;
beforeAll(async () => {
  authority = await makeAuthority();
  // Of the same name: only keys tell them apart.
  otherAuthority = await makeAuthority();
  server = await makeServer(authority);
  client = await makeCertificate({ issuer: authority });
  otherClient = await makeCertificate({ issuer: otherAuthority });
});

function texts(...authorities: Made[]): TlsTexts {
  return {
    cert: server.cert,
    key: server.key,
    ca: authorities.map(({ cert }) => cert).join(''),
  };
}

async function serveTls(
  tls: TlsTexts = texts(authority),
  rules: string | null = null,
): Promise<Served> {
  return await serve({
    tls,
    callers: askCallers({
      certificate: identifyByCertificate({
        rules: rules === null ? null : parseAllowedSubjects(rules),
      }),
    }),
  });
}

type Shown = { readonly cert: string; readonly key: string } | null;
interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(
  port: number,
  shown: Shown,
  { agent, path = '/db/public' }: { agent?: https.Agent; path?: string } = {},
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const request = https.request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: 'POST',
        ca: authority.cert,
        agent: agent ?? false,
        ...shown,
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

function join(port: number, shown: Shown): http2.ClientHttp2Session {
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    ca: authority.cert,
    ...shown,
  });
  onTestFinished(() => session.destroy());
  session.on('error', () => {});
  return session;
}

async function ask2(session: http2.ClientHttp2Session): Promise<Answer> {
  const stream = session.request({ ':path': '/db/public', ':method': 'POST' });
  stream.setEncoding('utf8');
  stream.end(body);
  let status = 0;
  let text = '';
  stream.on('response', (headers) => (status = Number(headers[':status'])));
  stream.on('data', (chunk: string) => (text += chunk));
  await once(stream, 'end');
  return { status, text };
}

async function askBoth(port: number, shown: Shown): Promise<Answer> {
  const answer = await ask(port, shown);
  expect(await ask2(join(port, shown))).toEqual(answer);
  return answer;
}

describe('over HTTP/1.1 and HTTP/2 alike, a caller is let in', () => {
  test('with a certificate of the authority, with a usage or without any', async () => {
    const { port } = await serveTls();
    const plain = await makeCertificate({ issuer: authority, usage: null });
    for (const shown of [client, plain]) {
      expect(await askBoth(port, shown)).toEqual({ status: 200, text: 'OK\n' });
    }
  });

  test('with a certificate that leads to the authority over another one', async () => {
    const between = await makeAuthority('between', authority);
    const leaf = await makeCertificate({ issuer: between });
    const chained = { cert: leaf.cert + between.cert, key: leaf.key };
    const { port } = await serveTls();
    expect(await askBoth(port, chained)).toMatchObject({ status: 200 });
    expect(await askBoth(port, leaf)).toMatchObject({ status: 401 });
    const knowsBetween = await serveTls(texts(authority, between));
    expect(await askBoth(knowsBetween.port, leaf)).toMatchObject({
      status: 200,
    });
  });

  test('of either authority while two of one name are trusted', async () => {
    const { port } = await serveTls(texts(authority, otherAuthority));
    for (const shown of [client, otherClient]) {
      expect(await askBoth(port, shown)).toMatchObject({ status: 200 });
    }
  });
});

describe('over HTTP/1.1 and HTTP/2 alike, a caller is refused with 401 and told why', () => {
  test.each<[string, () => Promise<Shown>, string]>([
    ['without a certificate', async () => null, 'shows no client certificate'],
    [
      'with one of another authority of the same name',
      async () => otherClient,
      'is not signed by an authority in --tlsClientCA',
    ],
    [
      'with one that has expired',
      async () =>
        await makeCertificate({
          issuer: authority,
          notBefore: new Date(Date.now() - 2 * hourMs),
          notAfter: new Date(Date.now() - hourMs),
        }),
      'has expired',
    ],
    [
      'with one of tomorrow',
      async () =>
        await makeCertificate({
          issuer: authority,
          notBefore: new Date(Date.now() + hourMs),
          notAfter: new Date(Date.now() + 2 * hourMs),
        }),
      'is not valid yet',
    ],
    [
      'with one for servers',
      async () =>
        await makeCertificate({ issuer: authority, usage: ['server'] }),
      'is not meant for clients',
    ],
    [
      'with one that signs itself',
      async () => await makeCertificate({ issuer: null }),
      'is signed by itself',
    ],
    [
      "with the authority's name, signed by itself",
      async () => await makeAuthority(),
      'is signed by itself',
    ],
    [
      'with one that a client of the authority has signed',
      async () => {
        const leaf = await makeCertificate({ issuer: client });
        return { cert: leaf.cert + client.cert, key: leaf.key };
      },
      'or what signed it is no authority',
    ],
    [
      'with one of an authority in between that has expired',
      async () => {
        const between = await makeAuthority('between', authority, {
          notBefore: new Date(Date.now() - 2 * hourMs),
          notAfter: new Date(Date.now() - hourMs),
        });
        const leaf = await makeCertificate({ issuer: between });
        return { cert: leaf.cert + between.cert, key: leaf.key };
      },
      'has expired, or its authority has',
    ],
  ])('%s', async (_, shown, cause) => {
    const { feed, port } = await serveTls();
    const answer = await askBoth(port, await shown());
    expect(answer).toEqual({
      status: 401,
      text: expect.stringMatching(/^E1023 /),
    });
    expect(answer.text).toContain(cause);
    expect(feed.rowCount).toBe(0);
  });

  test('when every authority has expired', async () => {
    const past = await makeAuthority('past', null, {
      notBefore: new Date(Date.now() - 2 * hourMs),
      notAfter: new Date(Date.now() - hourMs),
    });
    const { port } = await serveTls(texts(past));
    const leaf = await makeCertificate({ issuer: past });
    expect((await askBoth(port, leaf)).text).toContain('its authority has');
  });
});

describe('--tlsAllowedSubjects', () => {
  test('lets a certificate into its schemas, and refuses it with 403 elsewhere', async () => {
    const rules = 'db.public=cn:feed-shop, db.secret=cn:feed-secret';
    const { feed, port } = await serveTls(texts(authority), rules);
    expect(await askBoth(port, client)).toMatchObject({ status: 200 });
    const rows = feed.rowCount;
    const refused = await ask(port, client, { path: '/db/secret' });
    expect(refused.status).toBe(403);
    expect(refused.text).toMatch(
      /^E1024 the client certificate shows cn:"feed-shop", which --tlsAllowedSubjects does not let send to db\.secret: /,
    );
    expect(refused.text).not.toContain('feed-secret');
    const other = await makeCertificate({
      issuer: authority,
      subject: [{ CN: ['feed-shop'] }, { CN: ['feed-secret'] }],
    });
    expect(await askBoth(port, other)).toMatchObject({ status: 403 });
    expect(feed.rowCount).toBe(rows);
  });

  test('asks for a verified certificate first: a right name of a wrong authority is 401', async () => {
    const { port } = await serveTls(texts(authority), '*=cn:feed-shop');
    expect(await askBoth(port, otherClient)).toMatchObject({ status: 401 });
  });
});

/** Ends with the protocol and cipher agreed on; rejects where none was. */
async function handshake(
  port: number,
  options: ConnectionOptions,
): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca: authority.cert,
    ...client,
    ...options,
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

describe.each([
  ['at first', async () => await serveTls()],
  [
    'after new certificates were taken over',
    async () => {
      const served = await serveTls(texts(otherAuthority));
      served.server.reloadTls(texts(authority));
      return served;
    },
  ],
])('%s', (_, start) => {
  test.each<[string, ConnectionOptions]>([
    ['TLS 1.0', { minVersion: 'TLSv1', maxVersion: 'TLSv1' }],
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }],
    ...[
      'ECDHE-ECDSA-AES128-SHA',
      'ECDHE-ECDSA-AES256-SHA384',
      'ECDHE-ECDSA-AES128-CCM8',
      'AES128-GCM-SHA256',
      'AES128-SHA',
      'NULL-SHA256',
      'AECDH-AES128-SHA',
    ].map((cipher): [string, ConnectionOptions] => [
      cipher,
      { maxVersion: 'TLSv1.2', ciphers: cipher },
    ]),
  ])('%s is refused', async (_name, options) => {
    const { port } = await start();
    const weak = {
      ...options,
      ciphers: `${options.ciphers ?? 'ALL'}:@SECLEVEL=0`,
    };
    // The server's alert: the client itself was ready to speak it.
    await expect(handshake(port, weak)).rejects.toMatchObject({
      code: expect.stringMatching(
        /^ERR_SSL_(SSL\/TLS_ALERT_HANDSHAKE_FAILURE|TLSV1_ALERT_PROTOCOL_VERSION|SSLV3_ALERT_HANDSHAKE_FAILURE)$/,
      ),
    });
  });

  test('TLS 1.2 and 1.3 agree on a cipher that is authenticated and forward secret', async () => {
    const { port } = await start();
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await handshake(port, {
        minVersion: version,
        maxVersion: version,
      });
      expect(socket.getProtocol()).toBe(version);
      expect(socket.getCipher().name).toMatch(
        /^(ECDHE-ECDSA|TLS)[-_](AES|CHACHA).*(GCM|POLY1305)/,
      );
    }
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a session of %s is not taken up again, with a certificate or without',
    async (version) => {
      const { port, server: listener } = await start();
      const versions = { minVersion: version, maxVersion: version };
      for (const shown of [client, { cert: '', key: '' }]) {
        const who = shown.cert === '' ? { cert: [], key: [] } : shown;
        const options = { ...versions, ...who } as ConnectionOptions;
        const session = await sessionOf(port, options);
        const again = await handshake(port, { ...options, session });
        expect(again.isSessionReused()).toBe(false);
        expect(await answerOn(again)).toContain(
          shown.cert === '' ? 'HTTP/1.1 401' : 'HTTP/1.1 200',
        );
        // Nor when the authority is another one by then.
        listener.reloadTls(texts(otherAuthority));
        const later = await handshake(port, { ...options, session });
        expect(later.isSessionReused()).toBe(false);
        expect(await answerOn(later)).toContain('HTTP/1.1 401');
        listener.reloadTls(texts(authority));
      }
    },
  );
});

test('a connection of TLS 1.2 cannot be negotiated anew, with another certificate say', async () => {
  const { port } = await serveTls();
  const socket = await handshake(port, { maxVersion: 'TLSv1.2' });
  const ended = new Promise((done) => {
    socket.on('error', done).on('close', done);
    // Refused by an alert, or by the end of the connection.
    socket.renegotiate({}, (error) => done(error ?? 'negotiated anew'));
  });
  expect(await ended).not.toBe('negotiated anew');
});

const head = `POST /db/public HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n`;

async function answerOn(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  socket.write(`${head}connection: close\r\n\r\n${body}`);
  await once(socket, 'close');
  return text;
}

async function sessionOf(
  port: number,
  options: ConnectionOptions,
): Promise<NonNullable<ConnectionOptions['session']>> {
  const socket = await handshake(port, options);
  let session: ConnectionOptions['session'] = socket.getSession();
  socket.on('session', (ticket: Buffer) => (session = ticket));
  await answerOn(socket);
  expect(session).toBeInstanceOf(Buffer);
  return session!;
}

describe('when an authority is taken away', () => {
  test('an idle HTTP/1.1 connection ends, and its caller is judged again', async () => {
    const { server: listener, port } = await serveTls();
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    expect(await ask(port, client, { agent })).toMatchObject({ status: 200 });
    const [idle] = Object.values(agent.freeSockets)[0]!;
    const closed = once(idle!, 'close');
    listener.reloadTls(texts(otherAuthority));
    await closed;
    expect(await ask(port, client, { agent })).toMatchObject({ status: 401 });
  });

  test('an HTTP/1.1 request under way is answered, and its connection ends behind it', async () => {
    const { server: listener, feed, port } = await serveTls();
    const gate = Promise.withResolvers<void>();
    feed.gate = gate.promise;
    const socket = await handshake(port, {});
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const closed = once(socket, 'close');
    socket.write(`${head}\r\n${body}`);
    await waitUntil(() => listener.inFlightCount === 1);
    listener.reloadTls(texts(otherAuthority));
    gate.resolve();
    await closed;
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/i);
    expect(feed.rowCount).toBe(1);
  });

  test('a second request behind one under way is not let in any more', async () => {
    const { server: listener, feed, port } = await serveTls();
    const gate = Promise.withResolvers<void>();
    feed.gate = gate.promise;
    const socket = await handshake(port, {});
    socket.on('data', () => {});
    const closed = once(socket, 'close');
    socket.write(`${head}\r\n${body}`);
    await waitUntil(() => listener.inFlightCount === 1);
    listener.reloadTls(texts(otherAuthority));
    socket.write(`${head}\r\n${body}`);
    // Long enough on the loopback for it to arrive.
    await ask(port, otherClient, { path: '/nowhere' });
    gate.resolve();
    await closed;
    expect(feed.rowCount).toBe(1);
  });

  test('HTTP/2 streams under way are answered, no new ones begin, and the connection ends', async () => {
    const { server: listener, feed, port } = await serveTls();
    const gate = Promise.withResolvers<void>();
    const session = join(port, client);
    const closed = new Promise((done) => session.once('close', done));
    expect(await ask2(session)).toMatchObject({ status: 200 });
    feed.gate = gate.promise;
    const underWay = [ask2(session), ask2(session)];
    await waitUntil(() => listener.inFlightCount === 2);
    const toldToGo = new Promise((done) => session.once('goaway', done));
    listener.reloadTls(texts(otherAuthority));
    await toldToGo;
    gate.resolve();
    expect(await Promise.all(underWay)).toEqual([
      { status: 200, text: 'OK\n' },
      { status: 200, text: 'OK\n' },
    ]);
    await closed;
    expect(await ask2(join(port, client))).toMatchObject({ status: 401 });
    expect(feed.rowCount).toBe(3);
  });

  test('a handshake that began before comes to no end', async () => {
    const { server: listener, port } = await serveTls();
    // TCP alone: the certificates for its handshake are chosen already.
    const tcp = net.connect(port, '127.0.0.1');
    await once(tcp, 'connect');
    await ask(port, client);
    listener.reloadTls(texts(otherAuthority));
    const late = connect({ socket: tcp, ca: authority.cert, ...client });
    await expect(once(late, 'secureConnect')).rejects.toThrow();
    expect(await ask(port, otherClient)).toMatchObject({ status: 200 });
  });
});

test('when an authority is added or the server certificate changes, open connections go on and none of many requests is dropped', async () => {
  const { server: listener, feed, port } = await serveTls();
  const agent = new https.Agent({ keepAlive: true, maxSockets: 3 });
  onTestFinished(() => agent.destroy());
  const session = join(port, client);
  const renewed = await makeServer(authority);
  const rounds = [
    texts(authority, otherAuthority),
    {
      ...texts(authority, otherAuthority),
      cert: renewed.cert,
      key: renewed.key,
    },
    texts(authority, otherAuthority),
  ];
  for (const round of rounds) {
    const gate = Promise.withResolvers<void>();
    feed.gate = gate.promise;
    const answers = Array.from({ length: 20 }, (_, at) =>
      at % 2 === 0 ? ask(port, client, { agent }) : ask2(session),
    );
    // Three over HTTP/1.1 and ten over HTTP/2 are let in, the others queue.
    await waitUntil(() => listener.inFlightCount === 13);
    listener.reloadTls(round);
    gate.resolve();
    for (const { status } of await Promise.all(answers)) {
      expect(status).toBe(200);
    }
  }
  expect(session.closed).toBe(false);
  expect(feed.rowCount).toBe(60);
  // New connections see the newest certificate.
  listener.reloadTls(rounds[1]!);
  const socket = await handshake(port, {});
  expect(socket.getPeerX509Certificate()!.toString().trim()).toBe(
    renewed.cert.trim(),
  );
});

test('a certificate that expires while its connection is open is refused from then on', async () => {
  const { port } = await serveTls();
  const session = join(port, client);
  expect(await ask2(session)).toMatchObject({ status: 200 });
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * hourMs });
  onTestFinished(() => void vi.useRealTimers());
  expect(await ask2(session)).toEqual({
    status: 401,
    text: expect.stringContaining('has expired'),
  });
});
