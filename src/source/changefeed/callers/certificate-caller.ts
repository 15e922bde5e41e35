import type { PeerCertificate, TLSSocket } from 'node:tls';

import type { SubjectRule } from '../../../config/allowed-subjects.ts';
import { ReplicatorError } from '../../../failure/failure.ts';
import { schemaName } from '../../../mutation/schema-name.ts';
import type { Caller, Callers } from './callers.ts';
import { type ConnectionState, connectionState } from './connection.ts';
import {
  readShownCertificate,
  type ShownCertificate,
} from './shown-certificate.ts';
import { sameExactly, type SamePart } from './same-schema.ts';
import { isSubjectAllowed } from './subject-rules.ts';

export interface CertificateCallerOptions {
  /** Null lets every certificate of the authority send to every schema. */
  readonly rules: readonly SubjectRule[] | null;
  readonly samePart?: SamePart;
  /** Told of each request whose certificate is good, for what ends soon. */
  readonly seen?: (shown: ShownCertificate) => void;
}

/** What OpenSSL finds, in words; all else is a chain that leads nowhere. */
const refusals: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired, or its authority has',
  CERT_NOT_YET_VALID: 'is not valid yet',
  INVALID_PURPOSE:
    'is not meant for clients (extended key usage clientAuth), or what signed it is no authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is signed by itself',
};

/**
 * Known by a client certificate that the authority in `--tlsClientCA` signed.
 * Verified in the handshake; here it is asked how that went, for every
 * request anew, for a connection may outlive what it was let in by.
 */
export function identifyByCertificate({
  rules,
  samePart = sameExactly,
  seen,
}: CertificateCallerOptions): Callers['identify'] {
  const callers = new WeakMap<ShownCertificate, Caller>();
  const letIn = (state: ConnectionState, shown: ShownCertificate): Caller => {
    refuseOutdated(state, shown);
    seen?.(shown);
    let caller = callers.get(shown);
    if (caller === undefined) {
      caller = callerOf(shown, rules, samePart);
      callers.set(shown, caller);
    }
    return caller;
  };
  return ({ socket }) => {
    const state = connectionState(socket);
    // Over cleartext there is no certificate.
    if (state === null) {
      throw unknown('the caller shows no client certificate');
    }
    return state.shown === null
      ? readShown(state, socket as TLSSocket).then((shown) =>
          letIn(state, shown),
        )
      : letIn(state, state.shown);
  };
}

function callerOf(
  shown: ShownCertificate,
  rules: CertificateCallerOptions['rules'],
  samePart: SamePart,
): Caller {
  return {
    name: `certificate ${shown.printed}`,
    requireSchema(schema) {
      if (rules !== null && !isSubjectAllowed(rules, shown, schema, samePart)) {
        throw new ReplicatorError('E1024', {
          detail: `the client certificate shows ${shown.printed}, which --tlsAllowedSubjects does not let send to ${schemaName(schema)}`,
          remedy:
            'give the changefeed the certificate that belongs to this schema, or allow this one in --tlsAllowedSubjects',
        });
      }
    },
  };
}

async function readShown(
  state: ConnectionState,
  socket: TLSSocket,
): Promise<ShownCertificate> {
  state.reading ??= readShownCertificate(handshakeCertificate(socket));
  state.shown = await state.reading;
  return state.shown;
}

/** Asked when it was read, not before: meanwhile the authority may have gone. */
function refuseOutdated(
  { isOutdated }: ConnectionState,
  { notAfterMs }: ShownCertificate,
): void {
  if (isOutdated) {
    throw unknown(
      'the authorities of clients have changed since this connection was opened: connect again',
    );
  }
  if (!(Date.now() <= notAfterMs)) {
    throw unknown(`the client certificate ${refusals['CERT_HAS_EXPIRED']!}`);
  }
}

function handshakeCertificate(socket: TLSSocket): PeerCertificate {
  const certificate = socket.getPeerCertificate();
  if (!certificate?.raw) {
    throw unknown('the caller shows no client certificate');
  }
  // A session that is taken up again was judged by nobody this time.
  if (
    socket.authorized !== true ||
    socket.authorizationError ||
    socket.isSessionReused()
  ) {
    const code = String(socket.authorizationError ?? '');
    throw unknown(
      `the client certificate ${refusals[code] ?? 'is not signed by an authority in --tlsClientCA; certificates in between must be sent along with it'}`,
    );
  }
  return certificate;
}

function unknown(detail: string): ReplicatorError {
  return new ReplicatorError('E1023', { detail });
}
