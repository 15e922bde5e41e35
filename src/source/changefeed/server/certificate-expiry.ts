/** How long certificates still last, and when to say so. */
import type { X509Certificate } from 'node:crypto';

import { readCertificates, subjectOf } from './certificate-check.ts';
import type { TlsTexts } from './tls-files.ts';

export interface ServedCertificate {
  readonly role: 'server' | 'client_ca';
  readonly subject: string;
  /** The first 16 digits of its SHA-256: two may have one subject. */
  readonly fingerprint: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const dayMs = 86_400_000;
/** Days ahead at which it is said, the nearest first. */
const warningDays = [1, 7, 30] as const;

/** Those in --tlsCertificate and in --tlsClientCA, in their order. */
export function servedCertificates(texts: TlsTexts): ServedCertificate[] {
  const of = (
    role: ServedCertificate['role'],
    text: string | null,
  ): ServedCertificate[] =>
    text === null
      ? []
      : readCertificates({ name: role, text }).map((each) =>
          served(role, each),
        );
  return [...of('server', texts.cert), ...of('client_ca', texts.ca)];
}

function served(
  role: ServedCertificate['role'],
  certificate: X509Certificate,
): ServedCertificate {
  return {
    role,
    subject: subjectOf(certificate),
    fingerprint: certificate.fingerprint256
      .replaceAll(':', '')
      .slice(0, 16)
      .toLowerCase(),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  };
}

/**
 * Which of {@link warningDays} has come; 0 when it is over, null when there
 * is time.
 */
export function expiryStage(notAfterMs: number, nowMs: number): number | null {
  const leftMs = notAfterMs - nowMs;
  return leftMs < 0
    ? 0
    : (warningDays.find((days) => leftMs <= days * dayMs) ?? null);
}

/** One sentence; null when there is nothing to say. */
export function expirySentence(
  { role, subject, notBeforeMs, notAfterMs }: ServedCertificate,
  nowMs: number,
): string | null {
  const [what, harm] =
    role === 'server'
      ? [
          `the certificate "${subject}" in --tlsCertificate`,
          'changefeeds that verify this server cannot send',
        ]
      : [
          `the authority "${subject}" in --tlsClientCA`,
          'whoever it signed for is refused',
        ];
  if (notBeforeMs > nowMs) {
    return `${what} is valid only from ${isoTime(notBeforeMs)} on: until then ${harm}; is the clock of this machine right?`;
  }
  const stage = expiryStage(notAfterMs, nowMs);
  if (stage === null) {
    return null;
  }
  return stage === 0
    ? `${what} has expired on ${isoTime(notAfterMs)}: ${harm}. New files are taken over as soon as they are there`
    : `${what} expires on ${isoTime(notAfterMs)}, within ${stage === 1 ? 'a day' : `${stage} days`}: then ${harm}. New files are taken over as soon as they are there`;
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
