import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

import type { TlsTexts } from './tls-files.ts';

/**
 * Forward secrecy and an authenticated cipher, or nothing: what every client
 * of the last ten years has, CockroachDB's among them.
 */
const ciphers = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/**
 * The whole of a TLS context, for the first certificates and each later
 * ones: a context that is exchanged inherits nothing from the one before.
 *
 * No session is ever taken up again. OpenSSL keeps with a session what its
 * first handshake found, and does not look at the certificate again: one
 * that has expired since, or whose authority is gone, would go on. Nor is one
 * negotiated anew (TLS 1.2): the caller could show another certificate then,
 * and Node would leave "authorized" as the first one had made it.
 */
export function secureContextOptions(tls: TlsTexts): SecureContextOptions {
  return {
    minVersion: 'TLSv1.2',
    ciphers,
    honorCipherOrder: true,
    secureOptions:
      constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    cert: tls.cert,
    key: tls.key,
    ...(tls.ca !== null && { ca: tls.ca }),
  };
}
