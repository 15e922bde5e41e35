/**
 * The certificates of an address in the form that the driver takes: one PEM
 * text, whole or not at all.
 */
import type { OracleTls } from '../../../config/address/oracle.ts';
import { createSelfSigned } from '../../../lib/certificates.ts';

/**
 * The driver hands one and the same text to TLS as certificate, key and
 * authorities, and TLS refuses it when there is no key in it. Where the
 * address has none a throw-away pair fills the place: a server that asks for
 * no certificate never sees it, and one that asks refuses it.
 */
export async function walletText(tls: OracleTls): Promise<string> {
  const { cert, key } = tls.identity ?? (await throwAwayPair());
  return [key, cert, tls.roots].map((pem) => pem.trim()).join('\n');
}

let pair: ReturnType<typeof createSelfSigned> | null = null;

async function throwAwayPair(): ReturnType<typeof createSelfSigned> {
  pair ??= createSelfSigned(['replicator']);
  return await pair;
}
