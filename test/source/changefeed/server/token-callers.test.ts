import http2 from 'node:http2';
import { connect } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type Certificates,
  createCertificates,
} from '../../../../src/lib/certificates.ts';
import { askCallers } from '../../../../src/source/changefeed/callers/ask-callers.ts';
import type { Callers } from '../../../../src/source/changefeed/callers/callers.ts';
import { identifyByCertificate } from '../../../../src/source/changefeed/callers/certificate-caller.ts';
import { sameExactly } from '../../../../src/source/changefeed/callers/same-schema.ts';
import { identifyByToken } from '../../../../src/source/changefeed/callers/token-caller.ts';
import { TokenVerifier } from '../../../../src/source/changefeed/callers/token-verifier.ts';
import { readVerifyingKey } from '../../../../src/source/changefeed/callers/verifying-key.ts';
import {
  claimsFor,
  ecKey,
  signed,
  type TestKey,
} from '../../../support/tokens.ts';
import { body, serve, type Served } from './served.ts';

let key: TestKey;
let certificates: Certificates;
/** By what it allows. */
let exact: string;
let wildcard: string;
let elsewhere: string;
let forged: string;
beforeAll(async () => {
  key = ecKey();
  certificates = await createCertificates({
    hosts: ['localhost', '127.0.0.1'],
    days: 1,
  });
  const make = (...schemas: string[][]): Promise<string> =>
    signed(key, claimsFor(schemas));
  [exact, wildcard, elsewhere] = (await Promise.all([
    make(['db', 'public']),
    make(['*', 'public']),
    make(['db', 'other'], ['_', 'diag']),
  ])) as [string, string, string];
  forged = await signed(ecKey(), claimsFor([['*', '*']]));
});

function byToken(): Callers['identify'] {
  return identifyByToken(
    new TokenVerifier({
      keys: [readVerifyingKey(key.id, key.publicPem)],
      revokedIds: new Set(),
      audience: null,
    }),
    sameExactly,
  );
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly challenge: string | null;
}

type Post = (
  port: number,
  path: string,
  authorization: string | null,
) => Promise<Answer>;

const post1: Post = async (port, path, authorization) => {
  const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    body,
    headers: authorization === null ? {} : { authorization },
  });
  return {
    status: reply.status,
    text: await reply.text(),
    challenge: reply.headers.get('www-authenticate'),
  };
};

const post2: Post = async (port, path, authorization) => {
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    ca: certificates.ca.cert,
  });
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      ...(authorization !== null && { authorization }),
    });
    const head = new Promise<http2.IncomingHttpHeaders>((resolve, reject) => {
      stream.once('response', resolve);
      stream.once('error', reject);
    });
    stream.end(body);
    const headers = await head;
    return {
      status: Number(headers[':status']),
      text: await readText(stream),
      challenge: headers['www-authenticate'] ?? null,
    };
  } finally {
    session.destroy();
  }
};

describe.each([
  ['HTTP/1.1', post1],
  ['HTTP/2', post2],
] as const)('over %s', (version, post) => {
  async function served(): Promise<Served & { refusals: string[] }> {
    const refusals: string[] = [];
    const callers = askCallers({ token: byToken() });
    const here = await serve(
      {
        callers,
        tls: version === 'HTTP/2' ? { ...certificates.server, ca: null } : null,
      },
      {},
      (failure) => refusals.push(failure.line),
    );
    return { ...here, refusals };
  }

  test('a token for the schema is let in, by the header or by the URL', async () => {
    const { port, feed } = await served();
    for (const token of [exact, wildcard]) {
      for (const [path, authorization] of [
        ['/db/public', `Bearer ${token}`],
        ['/db/public', `bearer  ${token}`],
        [`/db/public?access_token=${token}`, null],
        [`/db/public?x=1&access_token=${token}&y`, 'Basic eDp5'],
      ] as const) {
        expect(await post(port, path, authorization)).toMatchObject({
          status: 200,
        });
      }
    }
    expect(feed.rowCount).toBe(8);
  });

  test('one who is not known hears 401, whatever is asked for, and nothing else', async () => {
    const { port, feed, refusals } = await served();
    for (const [path, authorization] of [
      ['/db/public', null],
      ['/db/public', 'Bearer'],
      ['/db/public', `Basic ${exact}`],
      ['/db/public', `Bearer ${exact} ${exact}`],
      ['/db/public', `Bearer ${forged}`],
      ['/db/public?access_token=', null],
      [`/db/public?access_token=${forged}`, null],
      [`/db/public?access_token=${exact}&access_token=${exact}`, null],
      [`/db/public;access_token=${exact}`, null],
      // A good token in the URL does not mend a bad one in the header.
      [`/db/public?access_token=${exact}`, `Bearer ${forged}`],
      ['/no', null],
      ['/', null],
    ] as const) {
      const reply = await post(port, path, authorization);
      expect([path, reply.status]).toEqual([path, 401]);
      expect(reply.text).toMatch(/^E1023 .+: give the changefeed /);
      expect(reply.challenge).toBe('Bearer');
    }
    expect(feed.accepted).toEqual([]);
    expect(refusals).toHaveLength(12);
    const signatures = [exact, forged].map((token) => token.split('.')[2]!);
    for (const line of refusals) {
      for (const signature of signatures) {
        expect(line).not.toContain(signature);
      }
    }
  });

  test('a good token without the schema hears 403, and how to get one', async () => {
    const { port, feed } = await served();
    for (const [path, token, name] of [
      ['/db/public', elsewhere, 'db.public'],
      ['/DB/public', exact, '"DB".public'],
      ['/db/Public', wildcard, 'db."Public"'],
    ] as const) {
      expect(await post(port, path, `Bearer ${token}`)).toEqual({
        status: 403,
        text: `E1024 the token is not for the schema ${name}: give the changefeed a token for it: replicator make-jwt --allow ${name}\n`,
        challenge: null,
      });
    }
    expect(feed.accepted).toEqual([]);
  });
});

test('the answer comes before the body does', async () => {
  const { port } = await serve({ callers: askCallers({ token: byToken() }) });
  const socket = connect(port, '127.0.0.1');
  socket.write(
    `POST /db/public HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\nauthorization: Bearer ${forged}\r\n\r\n`,
  );
  socket.setEncoding('utf8');
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once('data', resolve);
  expect(await promise).toMatch(/^HTTP\/1\.1 401 /);
  socket.destroy();
});

test('a caller that goes while it is looked at leaves nothing open behind it', async () => {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<unknown>();
  const identify = byToken();
  const refused = Promise.withResolvers<string>();
  const callers = askCallers({
    async token(request) {
      request.socket.once('close', closed.resolve);
      asked.resolve();
      await gate.promise;
      return await identify(request);
    },
  });
  const { port, server } = await serve({ callers }, {}, (failure) =>
    refused.resolve(`${failure.code} ${failure.message}`),
  );
  const socket = connect(port, '127.0.0.1');
  socket.write(
    `POST /db/public HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\nauthorization: Bearer ${exact}\r\n\r\n`,
  );
  await asked.promise;
  socket.destroy();
  await closed.promise;
  gate.resolve();
  expect(await refused.promise).toBe('E1021 the caller has gone');
  expect(server.inFlightCount).toBe(0);
  expect(server.heldBytes).toBe(0);
  await server.drain();
});

test('asked for both, a good token without a certificate is not known', async () => {
  const { port, feed } = await serve({
    callers: askCallers({
      certificate: identifyByCertificate({ rules: null }),
      token: byToken(),
    }),
    tls: { ...certificates.server, ca: certificates.ca.cert },
  });
  expect(await post2(port, '/db/public', `Bearer ${exact}`)).toMatchObject({
    status: 401,
    text: expect.stringContaining('shows no client certificate'),
  });
  expect(feed.accepted).toEqual([]);
});
