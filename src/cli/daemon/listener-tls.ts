import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';

import type { StartValues } from '../../config/options.ts';
import {
  checkTlsTexts,
  named,
  readCertificates,
  subjectOf,
} from '../../source/changefeed/server/certificate-check.ts';
import {
  expirySentence,
  servedCertificates,
} from '../../source/changefeed/server/certificate-expiry.ts';
import {
  readTlsFiles,
  type TlsFiles,
  type TlsTexts,
} from '../../source/changefeed/server/tls-files.ts';

/**
 * The listener's certificates as the options say; null serves cleartext.
 * Throws E5005 or E5018.
 */
export async function listenerTls(
  values: StartValues,
): Promise<TlsTexts | null> {
  const files = listenerFiles(values);
  if (files === null) {
    return null;
  }
  const own = values.tlsSelfSigned ? await selfSigned() : null;
  const texts = await readListenerTls(values, own);
  checkListenerTls(values, texts);
  return texts;
}

/** Made by 250 modules, which no other start need load. */
async function selfSigned(): Promise<Pick<TlsTexts, 'cert' | 'key'>> {
  const { createSelfSigned } = await import('../../lib/certificates.ts');
  return await createSelfSigned();
}

/**
 * What the files hold now; throws E5005. A certificate that signs itself
 * stays what it is: it is made once a start.
 */
export async function readListenerTls(
  values: StartValues,
  selfSigned: Pick<TlsTexts, 'cert' | 'key'> | null,
): Promise<TlsTexts> {
  const { cert, key, ca } = await readTlsFiles(listenerFiles(values)!);
  return cert === null || key === null
    ? { cert: selfSigned!.cert, key: selfSigned!.key, ca }
    : { cert, key, ca };
}

/** Throws E5018 for what cannot be served. */
export function checkListenerTls(values: StartValues, texts: TlsTexts): void {
  checkTlsTexts(texts, listenerFiles(values)!);
}

/** What does not keep the daemon from starting, but somebody should mend. */
export async function listenerTlsWarnings(
  values: StartValues,
  texts: TlsTexts,
): Promise<string[]> {
  const files = listenerFiles(values)!;
  const warnings = rootlessWarnings(texts, files.clientCA);
  const { certificate, privateKey } = files;
  if (certificate === null || privateKey === null) {
    return warnings;
  }
  const { mode } = await stat(privateKey);
  if (process.platform !== 'win32' && (mode & 0o007) !== 0) {
    warnings.push(
      `--tlsPrivateKey ${privateKey}: every account of this machine may read or write the key (mode ${(mode & 0o777).toString(8)}); chmod 600`,
    );
  }
  const [own] = readCertificates(
    named('tlsCertificate', certificate, texts.cert),
  );
  if (own!.subjectAltName === undefined) {
    warnings.push(
      `--tlsCertificate ${certificate}: the certificate has no alternative names, and CockroachDB looks at nothing else: it cannot verify this server`,
    );
  }
  // The extended ones, as OIDs: serverAuth.
  if (own!.keyUsage && !own!.keyUsage.includes('1.3.6.1.5.5.7.3.1')) {
    warnings.push(
      `--tlsCertificate ${certificate}: the certificate is not meant for servers (extended key usage serverAuth): CockroachDB cannot verify this server`,
    );
  }
  return warnings;
}

/** The first host name in the certificate that is no pattern; null without one. */
export function certifiedName(cert: string): string | null {
  const { subjectAltName = '' } = new X509Certificate(cert);
  return /(?:^|, )DNS:([\w.-]+)(?:,|$)/.exec(subjectAltName)?.[1] ?? null;
}

/** OpenSSL follows a chain to its root, or takes nobody for known. */
function rootlessWarnings(texts: TlsTexts, path: string | null): string[] {
  if (texts.ca === null) {
    return [];
  }
  const authorities = readCertificates(named('tlsClientCA', path, texts.ca));
  return authorities
    .filter((each) => !authorities.some((other) => each.checkIssued(other)))
    .map(
      (each) =>
        `--tlsClientCA ${path}: "${subjectOf(each)}" is not a root, and what signed it is not in the file: whoever it signed for is refused. Add its root, and say who may send with --tlsAllowedSubjects`,
    );
}

/** For preflight: which certificates are over, or soon will be. */
export function expiryWarnings(texts: TlsTexts, nowMs: number): string[] {
  return servedCertificates(texts)
    .map((each) => expirySentence(each, nowMs))
    .filter((sentence) => sentence !== null);
}

function listenerFiles(values: StartValues): TlsFiles | null {
  if (values.tlsCertificate === '' && !values.tlsSelfSigned) {
    return null;
  }
  return {
    certificate: values.tlsSelfSigned ? null : values.tlsCertificate,
    privateKey: values.tlsSelfSigned ? null : values.tlsPrivateKey,
    clientCA: values.tlsClientCA === '' ? null : values.tlsClientCA,
  };
}
