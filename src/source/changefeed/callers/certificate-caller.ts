import type { TLSSocket } from 'node:tls';

import { ReplicatorError } from '../../../failure/failure.ts';
import type { Caller, CallerRequest } from './callers.ts';

/**
 * Known by a client certificate that the authority in `--tlsClientCA` signed.
 * Verified in the handshake; here it is only asked how that went.
 */
export function identifyByCertificate({ socket }: CallerRequest): Caller {
  const tls = socket as TLSSocket;
  // Over cleartext there is neither.
  const subject = tls.getPeerCertificate?.()?.subject;
  if (tls.authorized !== true) {
    throw new ReplicatorError('E1023', {
      detail: subject
        ? 'the client certificate is not signed by the authority in --tlsClientCA, or has expired'
        : 'the caller shows no client certificate',
    });
  }
  return {
    name: `certificate CN=${JSON.stringify(subject?.CN ?? '')}`,
    // Any certificate of the authority may write to any schema.
    requireSchema() {},
  };
}
