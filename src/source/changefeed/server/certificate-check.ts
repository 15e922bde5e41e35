/** Whether PEM files serve: read before anything is opened, and on reload. */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import { createSecureContext } from 'node:tls';

import { ReplicatorError } from '../../../failure/failure.ts';
import { printName } from '../callers/shown-certificate.ts';
import { secureContextOptions } from './secure-context.ts';
import type { TlsFiles, TlsTexts } from './tls-files.ts';

/** A text with the words that say where it came from: `--option path`. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

const pemBlock = /-----BEGIN ([A-Z0-9 ]+)-----[^]*?-----END \1-----/g;

/**
 * Every certificate of a PEM text, in its order. Throws E5018 for a text
 * without one, and for one that was cut short or altered.
 */
export function readCertificates({ name, text }: NamedText): X509Certificate[] {
  const blocks = [...text.matchAll(pemBlock)];
  const begun = text.match(/-----BEGIN /g)?.length ?? 0;
  const certificates = blocks.filter(([, label]) =>
    /^(X509 |TRUSTED )?CERTIFICATE$/.test(label!),
  );
  if (begun !== blocks.length) {
    throw unfit(`${name} is cut short, or was not written to its end yet`);
  }
  if (certificates.length === 0) {
    throw unfit(`${name} holds no certificate in PEM form`);
  }
  return certificates.map(([block], index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw unfit(
        `certificate ${index + 1} in ${name} cannot be read`,
        undefined,
        cause,
      );
    }
  });
}

/**
 * A certificate and the key that it needs; throws E5018. Returns the chain,
 * the certificate itself first.
 */
export function readPair(
  certificate: NamedText,
  key: NamedText,
): X509Certificate[] {
  const chain = readCertificates(certificate);
  const privateKey = readPrivateKey(key);
  const at = chain.findIndex((each) => isKeyOf(each, privateKey));
  if (at === -1) {
    throw unfit(
      `${key.name} is not the key of ${certificate.name}`,
      'give the two files that were made together',
    );
  }
  if (at > 0) {
    throw unfit(
      `the certificate that belongs to ${key.name} is not the first in ${certificate.name}`,
      'put it first, and behind it those in between',
    );
  }
  return chain;
}

/** The listener's three; throws E5018. Never opens anything. */
export function checkTlsTexts(texts: TlsTexts, files: TlsFiles): void {
  readPair(
    named('tlsCertificate', files.certificate, texts.cert),
    named('tlsPrivateKey', files.privateKey, texts.key),
  );
  if (texts.ca !== null) {
    readCertificates(named('tlsClientCA', files.clientCA, texts.ca));
  }
  try {
    createSecureContext(secureContextOptions(texts));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw unfit(
      `TLS cannot use --tlsCertificate ${files.certificate ?? ''} (${code ?? 'unknown'})`,
      'make a key of a usual kind: EC P-256, or RSA of 2048 bits or more',
      cause,
    );
  }
}

function readPrivateKey({ name, text }: NamedText): KeyObject {
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: *4, *ENCRYPTED/.test(text)) {
    throw unfit(
      `${name} is encrypted, and there is nobody to ask for its pass phrase`,
      'decrypt it into a file that only its owner may read: (umask 077; openssl pkey -in <encrypted> -out <file>)',
    );
  }
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw unfit(`${name} holds no private key in PEM form`, undefined, cause);
  }
}

function isKeyOf(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return (
      certificate.checkPrivateKey(key) &&
      createPublicKey(key).equals(certificate.publicKey)
    );
  } catch {
    return false;
  }
}

/** PEM text with the option, and the file where there is one, as messages name it. */
export function named(
  option: string,
  path: string | null,
  text: string,
): NamedText {
  return { name: path === null ? `--${option}` : `--${option} ${path}`, text };
}

/** Whether an authority that was trusted before is not any more. */
export function hasLostAuthority(before: TlsTexts, after: TlsTexts): boolean {
  const fingerprints = (text: string | null): string[] =>
    text === null
      ? []
      : readCertificates({ name: 'tlsClientCA', text }).map(
          ({ fingerprint512 }) => fingerprint512,
        );
  const kept = new Set(fingerprints(after.ca));
  return fingerprints(before.ca).some((each) => !kept.has(each));
}

/** Its common name, else its last one; for the log and as a label. */
export function subjectOf(certificate: X509Certificate): string {
  const subject: unknown = certificate.toLegacyObject().subject;
  const fields = Object.entries((subject ?? {}) as Record<string, unknown>);
  const name = fields.find(([field]) => field === 'CN') ?? fields.at(-1);
  return name === undefined
    ? 'no name'
    : printName([name[1]].flat().join(' ')).slice(1, -1);
}

function unfit(
  detail: string,
  remedy?: string,
  cause?: unknown,
): ReplicatorError {
  return new ReplicatorError('E5018', {
    detail,
    ...(remedy !== undefined && { remedy }),
    ...(cause !== undefined && { cause }),
  });
}
