import { isLoopback } from '../../../config/listen-address.ts';
import {
  asReplicatorError,
  ReplicatorError,
} from '../../../failure/failure.ts';
import type { CallerRequest, Callers } from './callers.ts';
import { diagnosticsSchema } from './token-claims.ts';

/** Throws E1024 for one who may not see `/_/diag`, E5017 where nobody can say. */
export type DiagnosticsGuard = (request: CallerRequest) => Promise<void>;

/**
 * `/_/diag` holds the options and the names of tables: it is shown to those who
 * may send to the schema `_.diag`, by any one of the ways. 403 for all others,
 * whatever they lack, as at the peer.
 */
export function guardDiagnostics(
  ways: readonly Callers['identify'][],
): DiagnosticsGuard {
  return async (request) => {
    let reason = 'nobody is';
    for (const identify of ways) {
      try {
        (await identify(request)).requireSchema(diagnosticsSchema);
        return;
      } catch (error) {
        const failure = asReplicatorError(error);
        if (failure.code !== 'E1023' && failure.code !== 'E1024') {
          throw failure;
        }
        reason = failure.message;
      }
    }
    throw new ReplicatorError('E1024', {
      detail: `this caller may not see /_/diag: ${reason}`,
      remedy:
        'show a token for the schema _.diag as Authorization: Bearer (replicator jwt add-key, then make-jwt --allow _.diag); without --metricsAddr a client certificate that --tlsAllowedSubjects lets send to _.diag does, too',
    });
  };
}

/**
 * `--disableAuthentication` on a listener that only this machine reaches. Its
 * browser does too, for any site whose name is made to lead here: whoever asks
 * must have meant this machine.
 */
export const showDiagnostics: DiagnosticsGuard = async ({ headers }) => {
  const authority = headers[':authority'] ?? headers.host ?? '';
  const [, host] = /^\[?(.*?)\]?(?::\d+)?$/.exec(String(authority))!;
  if (headers.origin !== undefined || !isLoopback({ host: host!, port: 0 })) {
    throw new ReplicatorError('E1024', {
      detail: 'this caller may not see /_/diag: the request names another host',
      remedy:
        'ask for http://127.0.0.1 and the port, without a browser between',
    });
  }
};
