/**
 * The names in a client certificate. Read from the parsed certificate, field
 * by field: a printed subject holds commas, line ends and NULs of whoever
 * asked for it, and must never be taken apart again.
 */
import type { PeerCertificate } from 'node:tls';

export interface ShownCertificate {
  /** Null where there is none, or several: then none of them is meant. */
  readonly commonName: string | null;
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly email: readonly string[];
  readonly notAfterMs: number;
  /** For people: all that it shows, of bounded length, every odd sign escaped. */
  readonly printed: string;
}

const maxPrintedNames = 6;
const maxPrintedLength = 80;

/** The certificate was verified before; this only reads it. */
export async function readShownCertificate(
  certificate: Pick<PeerCertificate, 'raw' | 'subject' | 'valid_to'>,
): Promise<ShownCertificate> {
  // OpenSSL's own reading: an array where there are several.
  const typed = certificate.subject?.CN as unknown;
  const commonNames = Array.isArray(typed)
    ? (typed as string[])
    : typeof typed === 'string'
      ? [typed]
      : [];
  const alternatives = await alternativeNames(certificate.raw);
  const names = [
    ...commonNames.map((name) => `cn:${printName(name)}`),
    ...(['dns', 'uri', 'email'] as const).flatMap((kind) =>
      alternatives[kind].map((name) => `${kind}:${printName(name)}`),
    ),
  ];
  const more = names.length - maxPrintedNames;
  return {
    commonName: commonNames.length === 1 ? commonNames[0]! : null,
    ...alternatives,
    notAfterMs: Date.parse(certificate.valid_to),
    printed:
      names.length === 0
        ? 'no name'
        : names.slice(0, maxPrintedNames).join(' ') +
          (more > 0 ? ` and ${more} more` : ''),
  };
}

async function alternativeNames(
  der: Buffer,
): Promise<Pick<ShownCertificate, 'dns' | 'uri' | 'email'>> {
  // 90 ms of loading that a start need not wait for.
  await import('reflect-metadata');
  const { SubjectAlternativeNameExtension, X509Certificate } =
    await import('@peculiar/x509');
  let found: ReadonlyArray<ReadonlyArray<{ type: string; value: string }>>;
  try {
    found = new X509Certificate(der)
      .getExtensions(SubjectAlternativeNameExtension)
      .map(({ names }) => names.items);
  } catch {
    // Names that cannot be read are nobody's.
    found = [];
  }
  // RFC 5280 knows one. Of two nobody can say which one was vouched for.
  const items = found.length === 1 ? found[0]! : [];
  const ofType = (type: string): string[] =>
    items.filter((item) => item.type === type).map(({ value }) => value);
  return { dns: ofType('dns'), uri: ofType('url'), email: ofType('email') };
}

/**
 * A look-alike of another script shows as what it is, and no sign turns the
 * line around or ends it.
 */
export function printName(name: string): string {
  const cut =
    name.length > maxPrintedLength
      ? `${name.slice(0, maxPrintedLength)}…`
      : name;
  return JSON.stringify(cut).replace(
    /[^\x20-\x7e…]/gu,
    (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`,
  );
}
