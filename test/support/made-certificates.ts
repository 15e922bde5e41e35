/** Certificates of every kind, also such as nobody should be let in by. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralName,
  type JsonName,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const algorithm = {
  name: 'ECDSA',
  namedCurve: 'P-256',
  hash: 'SHA-256',
} as const;
const hourMs = 3_600_000;

export interface Made {
  readonly cert: string;
  readonly key: string;
  readonly name: JsonName;
  readonly keys: webcrypto.CryptoKeyPair;
}

/** Also names that the library's own type does not spell. */
export type OddName = readonly Record<
  string,
  readonly (string | { readonly utf8String: string })[]
>[];

export interface MakeOptions {
  /** One RDN each, so that odd ones can be made; default `CN=feed-shop`. */
  readonly subject?: OddName;
  /** Null signs itself. */
  readonly issuer: Made | null;
  readonly isAuthority?: boolean;
  /** Null leaves the extension out. */
  readonly usage?: readonly ('client' | 'server')[] | null;
  readonly names?: readonly JsonGeneralName[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Beside those above, perhaps a second of their kind. */
  readonly extensions?: readonly Extension[];
}

export async function makeCertificate(options: MakeOptions): Promise<Made> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ]);
  const { issuer, isAuthority = false, names = [] } = options;
  const usage = options.usage === undefined ? ['client'] : options.usage;
  const name = (options.subject ?? [{ CN: ['feed-shop'] }]) as JsonName;
  const issuerKeys = issuer?.keys ?? keys;
  const now = Date.now();
  const certificate = await X509CertificateGenerator.create(
    {
      subject: name,
      issuer: issuer?.name ?? name,
      notBefore: options.notBefore ?? new Date(now - hourMs),
      notAfter: options.notAfter ?? new Date(now + hourMs),
      publicKey: keys.publicKey,
      signingKey: issuerKeys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(isAuthority, undefined, true),
        ...(usage === null || isAuthority
          ? []
          : [
              new ExtendedKeyUsageExtension(
                usage.map((each) =>
                  each === 'client'
                    ? ExtendedKeyUsage.clientAuth
                    : ExtendedKeyUsage.serverAuth,
                ),
              ),
            ]),
        ...(names.length === 0
          ? []
          : [new SubjectAlternativeNameExtension([...names])]),
        await SubjectKeyIdentifierExtension.create(
          keys.publicKey,
          false,
          webcrypto,
        ),
        await AuthorityKeyIdentifierExtension.create(
          issuerKeys.publicKey,
          false,
          webcrypto,
        ),
        ...(options.extensions ?? []),
      ],
    },
    webcrypto,
  );
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: `${PemConverter.encode(key, 'PRIVATE KEY')}\n`,
    name,
    keys,
  };
}

export async function makeAuthority(
  name = 'authority',
  issuer: Made | null = null,
  changed: Partial<MakeOptions> = {},
): Promise<Made> {
  return await makeCertificate({
    subject: [{ CN: [name] }],
    issuer,
    isAuthority: true,
    ...changed,
  });
}

/** For a listener on 127.0.0.1. */
export async function makeServer(
  issuer: Made,
  changed: Partial<MakeOptions> = {},
): Promise<Made> {
  return await makeCertificate({
    subject: [{ CN: ['localhost'] }],
    issuer,
    usage: ['server'],
    names: [
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
    ],
    ...changed,
  });
}
