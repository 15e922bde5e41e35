import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  connect,
  createServer,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';

import { expect, test } from 'vitest';

import {
  createCertificates,
  createSelfSigned,
} from '../../src/lib/certificates.ts';

/** Greets each client by the common name of its verified certificate. */
async function greeter(
  options: TlsOptions,
): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer(options, (socket) => {
    socket.on('error', () => {});
    const { subject } = socket.getPeerCertificate();
    socket.end(`hello ${subject?.CN ?? 'stranger'}`);
  });
  // A refused handshake is the subject of these tests, seen from the client.
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

async function greeting(socket: TLSSocket): Promise<string> {
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
  }
  return text;
}

test('a server that demands client certificates accepts the pair made together', async () => {
  const { ca, server, client } = await createCertificates({
    hosts: ['localhost', '127.0.0.1'],
    days: 1,
    clientName: 'feed one',
  });
  await using listening = await greeter({
    ...server,
    ca: ca.cert,
    requestCert: true,
    rejectUnauthorized: true,
  });
  for (const host of ['localhost', '127.0.0.1']) {
    const socket = connect({
      port: listening.port,
      host: '127.0.0.1',
      ...(host === 'localhost' ? { servername: host } : {}),
      ca: ca.cert,
      ...client,
    });
    expect(await greeting(socket)).toBe('hello feed one');
  }
});

test('a client of another authority, one without a certificate and one with the server certificate are refused', async () => {
  const ours = await createCertificates({ hosts: ['127.0.0.1'], days: 1 });
  const theirs = await createCertificates({ hosts: ['127.0.0.1'], days: 1 });
  await using listening = await greeter({
    ...ours.server,
    ca: ours.ca.cert,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const address = { port: listening.port, host: '127.0.0.1', ca: ours.ca.cert };
  // TLS 1.3 clients learn of the refusal late: as an alert, a reset or silence.
  for (const pair of [theirs.client, {}, ours.server]) {
    const heard = await greeting(connect({ ...address, ...pair })).catch(
      () => '',
    );
    expect(heard).toBe('');
  }
  expect(await greeting(connect({ ...address, ...ours.client }))).toBe(
    'hello changefeed',
  );
});

test('a client refuses the server under a name that is not in its certificate', async () => {
  const { ca, server } = await createCertificates({
    hosts: ['replicator.example'],
    days: 1,
  });
  await using listening = await greeter(server);
  const socket = connect({
    port: listening.port,
    host: '127.0.0.1',
    ca: ca.cert,
  });
  await expect(greeting(socket)).rejects.toMatchObject({
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
});

test('a self-signed certificate serves clients that were given that very certificate', async () => {
  const pair = await createSelfSigned();
  await using listening = await greeter(pair);
  const address = { port: listening.port, host: '127.0.0.1' };
  expect(await greeting(connect({ ...address, ca: pair.cert }))).toBe(
    'hello stranger',
  );
  await expect(greeting(connect(address))).rejects.toMatchObject({
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  });
});

test('every name and address, IPv6 in any spelling, stands in the certificate', async () => {
  const { ca, server } = await createCertificates({
    hosts: ['replicator.example', '10.1.2.3', '::1', '2001:db8::aaaa:0:1'],
    days: 10_000,
  });
  const certificate = new X509Certificate(server.cert);
  expect(certificate.subjectAltName).toBe(
    'DNS:replicator.example, IP Address:10.1.2.3, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:AAAA:0:1',
  );
  expect(certificate.verify(new X509Certificate(ca.cert).publicKey)).toBe(true);
  expect(certificate.checkIssued(new X509Certificate(ca.cert))).toBe(true);
  expect(new Date(certificate.validTo).getUTCFullYear()).toBe(
    new Date(Date.now() + 10_000 * 86_400_000).getUTCFullYear(),
  );
});
