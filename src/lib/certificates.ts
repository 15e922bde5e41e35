/**
 * Makes certificates for tests, the demo and --tlsSelfSigned. EC P-256, like
 * the peer's; a production daemon is given files by whoever runs the PKI.
 */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** Both as PEM text. The key is PKCS #8, unencrypted. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  readonly ca: CertificatePair;
  readonly server: CertificatePair;
  readonly client: CertificatePair;
}

interface Identity {
  readonly name: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

const algorithm = {
  name: 'ECDSA',
  namedCurve: 'P-256',
  hash: 'SHA-256',
} as const;
const dayMs = 86_400_000;
/** The other side's clock may be a little behind ours. */
const backdateMs = 5 * 60_000;

/** A private authority with one server and one client certificate. */
export async function createCertificates(options: {
  /** Names and addresses the server answers under. */
  readonly hosts: readonly string[];
  readonly days: number;
  /** Subject common name of the client certificate. */
  readonly clientName?: string;
}): Promise<Certificates> {
  const { hosts, days, clientName = 'changefeed' } = options;
  const authority = await createIdentity('Replicator private authority');
  const server = await createIdentity(hosts[0] ?? 'localhost');
  const client = await createIdentity(clientName);
  return {
    ca: await certify(authority, authority, days, [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ]),
    server: await certify(server, authority, days, [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      alternativeNames(hosts),
    ]),
    client: await certify(client, authority, days, [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
    ]),
  };
}

/**
 * One certificate that signs itself, for --tlsSelfSigned: valid one year. It
 * is its own authority, so that a changefeed may be given it as `ca_cert`.
 */
export async function createSelfSigned(
  hosts: readonly string[] = ['localhost', '127.0.0.1', '::1'],
): Promise<CertificatePair> {
  const subject = await createIdentity(hosts[0] ?? 'localhost');
  return await certify(subject, subject, 365, [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(
      KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign,
      true,
    ),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    alternativeNames(hosts),
  ]);
}

async function createIdentity(name: string): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ]);
  return { name, keys };
}

async function certify(
  subject: Identity,
  issuer: Identity,
  days: number,
  extensions: Extension[],
): Promise<CertificatePair> {
  const nowMs = Date.now();
  const certificate: X509Certificate = await X509CertificateGenerator.create(
    {
      subject: [{ CN: [subject.name] }],
      issuer: [{ CN: [issuer.name] }],
      notBefore: new Date(nowMs - backdateMs),
      notAfter: new Date(nowMs + days * dayMs),
      publicKey: subject.keys.publicKey,
      signingKey: issuer.keys.privateKey,
      signingAlgorithm: algorithm,
      // They tell apart authorities of one name: after a change of
      // authority both stand in one file for a while.
      extensions: [
        ...extensions,
        await SubjectKeyIdentifierExtension.create(
          subject.keys.publicKey,
          false,
          webcrypto,
        ),
        await AuthorityKeyIdentifierExtension.create(
          issuer.keys.publicKey,
          false,
          webcrypto,
        ),
      ],
    },
    webcrypto,
  );
  const key = await webcrypto.subtle.exportKey(
    'pkcs8',
    subject.keys.privateKey,
  );
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: `${PemConverter.encode(key, 'PRIVATE KEY')}\n`,
  };
}

function alternativeNames(
  hosts: readonly string[],
): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension(
    hosts.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value })),
  );
}
