import { ReplicatorError } from '../../../failure/failure.ts';
import { schemaName } from '../../../mutation/schema-name.ts';
import type { Caller, CallerRequest, Callers } from './callers.ts';
import type { SamePart } from './same-schema.ts';
import { allowsSchema, type TokenClaims } from './token-claims.ts';

export interface TokenSource {
  /** Rejects with E1023, E3016 or E5017. */
  verify(token: string): Promise<TokenClaims>;
}

/** Known by a token that is signed by one of the keys in staging. */
export function identifyByToken(
  tokens: TokenSource,
  samePart: SamePart,
): Callers['identify'] {
  return async (request) => {
    const token = tokenOf(request);
    if (token === null) {
      throw new ReplicatorError('E1023', {
        detail: 'the caller shows no token',
        remedy:
          'give the changefeed one that replicator make-jwt made: webhook_auth_header, or access_token in its URL',
      });
    }
    return callerOf(await tokens.verify(token), samePart);
  };
}

function callerOf(claims: TokenClaims, samePart: SamePart): Caller {
  return {
    name: `token ${JSON.stringify(claims.id)}`,
    requireSchema(schema) {
      if (!allowsSchema(claims, schema, samePart)) {
        throw new ReplicatorError('E1024', {
          detail: `the token is not for the schema ${schemaName(schema)}`,
          remedy: `give the changefeed a token for it: replicator make-jwt --allow ${schemaName(schema)}`,
        });
      }
    },
  };
}

/** Of the header if it holds one, else of the URL, as at the peer. */
function tokenOf({ headers, accessToken }: CallerRequest): string | null {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '');
  return bearer?.[1] ?? (accessToken === '' ? null : accessToken);
}
