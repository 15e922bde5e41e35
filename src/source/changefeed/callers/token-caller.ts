import { ReplicatorError } from '../../../failure/failure.ts';
import type { Caller, CallerRequest } from './callers.ts';

/** Known by a token. No key is trusted yet, so that no token is. */
export function identifyByToken({
  headers,
  accessToken,
}: CallerRequest): Caller {
  const isGiven = headers.authorization !== undefined || accessToken !== null;
  throw new ReplicatorError('E1023', {
    detail: isGiven
      ? 'the token is not signed by an active key'
      : 'the caller shows no token',
    remedy:
      'give the changefeed a token: webhook_auth_header, or access_token in its URL',
  });
}
