/**
 * Makes certificates for tests, the demo and --tlsSelfSigned. EC P-256, like
 * the peer's; a production daemon is given files by whoever runs the PKI.
 */
import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIP } from 'node:net';

import {
  bitString,
  booleanTrue,
  explicitTag,
  implicitTag,
  instant,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  unsignedInteger,
  utf8String,
} from './der.ts';

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

interface Issuer {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const dayMs = 86_400_000;
/** The other side's clock may be a little behind ours. */
const backdateMs = 5 * 60_000;

const ecdsaWithSha256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
const extendedKeyUsage = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;
/** First byte of the KeyUsage bit string, and its unused low bits. */
const keyUsage = {
  digitalSignature: { bits: 0x80, unusedBitCount: 7 },
  certificateSign: { bits: 0x04, unusedBitCount: 2 },
  both: { bits: 0x84, unusedBitCount: 2 },
} as const;

/** A private authority with one server and one client certificate. */
export async function createCertificates(options: {
  /** Names and addresses the server answers under. */
  readonly hosts: readonly string[];
  readonly days: number;
  /** Subject common name of the client certificate. */
  readonly clientName?: string;
}): Promise<Certificates> {
  const { hosts, days } = options;
  const authority = createIssuer('Replicator private authority');
  const ca = createCertificate(authority, authority, days, [
    basicConstraints(true),
    keyUsageExtension(keyUsage.certificateSign),
  ]);
  const server = createIssuer(hosts[0] ?? 'localhost');
  const client = createIssuer(options.clientName ?? 'changefeed');
  return {
    ca,
    server: createCertificate(server, authority, days, [
      basicConstraints(false),
      keyUsageExtension(keyUsage.digitalSignature),
      extendedKeyUsageExtension(extendedKeyUsage.serverAuth),
      alternativeNames(hosts),
    ]),
    client: createCertificate(client, authority, days, [
      basicConstraints(false),
      keyUsageExtension(keyUsage.digitalSignature),
      extendedKeyUsageExtension(extendedKeyUsage.clientAuth),
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
  const subject = createIssuer(hosts[0] ?? 'localhost');
  return createCertificate(subject, subject, 365, [
    basicConstraints(true),
    keyUsageExtension(keyUsage.both),
    extendedKeyUsageExtension(extendedKeyUsage.serverAuth),
    alternativeNames(hosts),
  ]);
}

function createIssuer(name: string): Issuer {
  return { name, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
}

/** RFC 5280 section 4.1. */
function createCertificate(
  subject: Issuer,
  issuer: Issuer,
  days: number,
  extensions: readonly Buffer[],
): CertificatePair {
  const nowMs = Date.now();
  const serial = randomBytes(16);
  // Neither zero nor negative, and minimal: DER readers refuse a leading zero.
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const body = sequence(
    explicitTag(0, unsignedInteger(Buffer.from([2]))),
    unsignedInteger(serial),
    ecdsaWithSha256,
    commonName(issuer.name),
    sequence(
      instant(new Date(nowMs - backdateMs)),
      instant(new Date(nowMs + days * dayMs)),
    ),
    commonName(subject.name),
    publicKeyInfo(subject),
    explicitTag(
      3,
      sequence(
        ...extensions,
        extension('2.5.29.14', octetString(keyIdentifier(subject))),
        extension('2.5.29.35', sequence(implicitTag(0, keyIdentifier(issuer)))),
      ),
    ),
  );
  const signature = sign('sha256', body, issuer.privateKey);
  const whole = sequence(body, ecdsaWithSha256, bitString(signature));
  const lines = whole
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: subject.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function publicKeyInfo(owner: Issuer): Buffer {
  return owner.publicKey.export({ type: 'spki', format: 'der' });
}

/** Only has to be the same in subject and issuer; RFC 7093 method 1. */
function keyIdentifier(owner: Issuer): Buffer {
  return createHash('sha256')
    .update(publicKeyInfo(owner))
    .digest()
    .subarray(0, 20);
}

function commonName(name: string): Buffer {
  return sequence(
    setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(name))),
  );
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(
    objectIdentifier(id),
    ...(critical ? [booleanTrue()] : []),
    octetString(value),
  );
}

function basicConstraints(isAuthority: boolean): Buffer {
  return extension(
    '2.5.29.19',
    isAuthority ? sequence(booleanTrue()) : sequence(),
    true,
  );
}

function keyUsageExtension(usage: {
  readonly bits: number;
  readonly unusedBitCount: number;
}): Buffer {
  return extension(
    '2.5.29.15',
    bitString(Buffer.from([usage.bits]), usage.unusedBitCount),
    true,
  );
}

function extendedKeyUsageExtension(purpose: string): Buffer {
  return extension('2.5.29.37', sequence(objectIdentifier(purpose)));
}

function alternativeNames(hosts: readonly string[]): Buffer {
  const names = hosts.map((host) =>
    isIP(host) === 0
      ? implicitTag(2, Buffer.from(host, 'ascii'))
      : implicitTag(7, addressBytes(host)),
  );
  return extension('2.5.29.17', sequence(...names));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) {
    return Buffer.from(address.split('.').map(Number));
  }
  // The URL parser writes IPv6 in its canonical form, hexadecimal only.
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname
    .slice(1, -1)
    .split('::');
  const groupsOf = (text: string) => (text === '' ? [] : text.split(':'));
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array.from(
    { length: 8 - before.length - after.length },
    () => '0',
  );
  return Buffer.from(
    [...before, ...zeros, ...after].map((g) => g.padStart(4, '0')).join(''),
    'hex',
  );
}
