/**
 * TLS ends before Oracle's own protocol begins, so a server that speaks TLS
 * and nothing behind it shows whom the driver trusts.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TlsOptions, createServer } from 'node:tls';
import { describe, expect, test } from 'vitest';
import {
  type CertificatePair,
  createCertificates,
} from '../../../../src/lib/certificates.ts';
import { OracleConnection } from '../../../../src/target/oracle/session/driver.ts';
import type { OracleTls } from '../../../../src/config/address/oracle.ts';

interface Listener extends AsyncDisposable {
  readonly port: number;
  /** What the handshakes ended in: the client's name, or why it was refused. */
  readonly handshakes: string[];
}

async function listener(
  { cert, key }: CertificatePair,
  more: TlsOptions = {},
): Promise<Listener> {
  const handshakes: string[] = [];
  const server = createServer({ cert, key, ...more }, (socket) => {
    const { subject } = socket.getPeerCertificate();
    handshakes.push(
      `done ${(subject as { CN?: string } | undefined)?.CN ?? ''}`.trim(),
    );
    socket.on('error', () => {});
    socket.destroy();
  });
  server.on('tlsClientError', () => handshakes.push('refused'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    handshakes,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

async function dialFailure(
  port: number,
  tls: OracleTls | null,
  host = 'localhost',
): Promise<string> {
  try {
    await OracleConnection.dial(
      {
        host,
        port,
        tls,
        service: 'S',
        user: 'u',
        password: 'p',
        connectTimeoutMs: 20_000,
        applicationName: 'replicator',
        display: 'there',
      },
      {
        applyTimeoutMs: 0,
        statementCacheSize: 0,
        statementCounts: { hitCount: 0, missCount: 0, dropCount: 0 },
      },
    );
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message}`;
  }
  throw new Error('there is no Oracle behind it');
}

describe('a dial of Oracle by TLS', () => {
  const made = createCertificates({ hosts: ['localhost'], days: 1 });
  const strangers = createCertificates({ hosts: ['localhost'], days: 1 });
  const trusting = async (
    matchesName: boolean,
    more: Partial<OracleTls> = {},
  ): Promise<OracleTls> => ({
    roots: (await made).ca.cert,
    identity: null,
    matchesName,
    ...more,
  });

  test('gets through to a certificate of the CA with the right name', async () => {
    await using server = await listener((await made).server);
    expect(await dialFailure(server.port, await trusting(true))).toMatch(
      /^E4001 /,
    );
    expect(server.handshakes).toEqual(['done']);
  });

  test('with verify-full refuses another name, which verify-ca takes', async () => {
    const other = await createCertificates({ hosts: ['elsewhere'], days: 1 });
    await using server = await listener(other.server);
    const roots = other.ca.cert;
    expect(
      await dialFailure(server.port, await trusting(true, { roots })),
    ).toMatch(/^E4015 the certificate of the target there is not accepted/);
    expect(
      await dialFailure(server.port, await trusting(false, { roots })),
    ).toMatch(/^E4001 /);
    expect(server.handshakes).toContain('done');
  });

  test('refuses a certificate of another CA, whatever its name', async () => {
    await using server = await listener((await strangers).server);
    for (const matchesName of [true, false]) {
      expect(
        await dialFailure(server.port, await trusting(matchesName)),
      ).toMatch(/^E4015 the certificate/);
    }
  });

  test('shows its own certificate to a server that asks', async () => {
    const { ca, server: pair, client } = await made;
    await using server = await listener(pair, {
      requestCert: true,
      rejectUnauthorized: true,
      ca: ca.cert,
    });
    await dialFailure(server.port, await trusting(true, { identity: client }));
    expect(server.handshakes).toEqual(['done changefeed']);
  });

  test('says so when the port speaks cleartext', async () => {
    const { createServer: createPlainServer } = await import('node:net');
    const server = createPlainServer((socket) => {
      socket.on('error', () => {});
      socket.end('no TLS here\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await dialFailure(port, await trusting(true))).toMatch(
      /^E4001 the target there does not answer with TLS/,
    );
    server.close();
  });
});
