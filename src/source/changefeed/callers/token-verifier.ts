import { hash } from 'node:crypto';

import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
} from 'jose';

import { ReplicatorError } from '../../../failure/failure.ts';
import {
  leewaySeconds,
  readClaims,
  refusedToken,
  requireInForce,
  type TokenClaims,
} from './token-claims.ts';
import type { VerifyingKey } from './verifying-key.ts';

/** Far above what any issuer makes; HTTP/1.1 takes 16 KiB of headers. */
export const maxTokenLength = 8192;
/** Of about 300 bytes each. Whoever has no good token puts nothing in. */
const maxCached = 1000;

export interface VerifierOptions {
  readonly keys: readonly VerifyingKey[];
  readonly revokedIds: ReadonlySet<string>;
  /** Who we are for `aud`; null: a token for anybody in particular is not for us. */
  readonly audience: string | null;
  readonly nowMs?: () => number;
}

/**
 * Verifies tokens with one set of keys, which never changes: other keys are
 * another verifier, so that nothing verified with a key outlives it.
 *
 * What is kept of a good token is what was signed. Time and revocation are
 * asked each time.
 */
export class TokenVerifier {
  readonly #options: VerifierOptions;
  readonly #nowMs: () => number;
  readonly #verified = new Map<string, TokenClaims>();

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
  }

  get keyCount(): number {
    return this.#options.keys.length;
  }

  /** Tokens whose signature need not be verified again. */
  get keptCount(): number {
    return this.#verified.size;
  }

  get revokedCount(): number {
    return this.#options.revokedIds.size;
  }

  /** Rejects with E1023 for any token that is not good at this moment. */
  async verify(token: string): Promise<TokenClaims> {
    if (token.length > maxTokenLength) {
      throw refusedToken(`it is longer than ${maxTokenLength} characters`);
    }
    // The digest, so that neither memory nor comparison depend on the text.
    const digest = hash('sha256', token, 'base64');
    let claims = this.#verified.get(digest);
    if (claims === undefined) {
      claims = readClaims(await this.#verifySigned(token));
      this.#keep(digest, claims);
    }
    if (this.#options.revokedIds.has(claims.id)) {
      throw refusedToken('it is revoked');
    }
    requireInForce(claims, this.#nowMs());
    return claims;
  }

  #keep(digest: string, claims: TokenClaims): void {
    if (this.#verified.size >= maxCached) {
      this.#verified.delete(this.#verified.keys().next().value!);
    }
    this.#verified.set(digest, claims);
  }

  async #verifySigned(token: string): Promise<JWTPayload> {
    requireCanonical(token);
    const { alg, kid } = readHeader(token);
    const { keys, audience } = this.#options;
    const fitting = keys.filter(({ algorithms }) => algorithms.includes(alg));
    const named = fitting.filter(({ id }) => id === kid);
    // An issuer may have names of its own for keys: those say nothing here.
    for (const { key } of named.length > 0 ? named : fitting) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [alg],
          clockTolerance: leewaySeconds,
          currentDate: new Date(this.#nowMs()),
          requiredClaims: ['jti'],
          ...(audience !== null && { audience }),
        });
        if (audience === null && payload.aud !== undefined) {
          throw refusedToken(
            'it is for somebody else (aud), as long as --jwtAudience is not given',
          );
        }
        return payload;
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) {
          throw asRefusal(error);
        }
      }
    }
    throw refusedToken('it is not signed by an active key');
  }
}

/**
 * Three parts, each in the one spelling that its bytes have. Base64 leaves bits
 * over that decoders pass by: two texts would be one token.
 */
function requireCanonical(token: string): void {
  const parts = token.split('.');
  if (
    parts.length !== 3 ||
    !parts.every(
      (part) =>
        part !== '' &&
        Buffer.from(part, 'base64url').toString('base64url') === part,
    )
  ) {
    throw refusedToken('it does not have the form of one');
  }
}

function readHeader(token: string): { alg: string; kid: unknown } {
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    return { alg: String(alg), kid };
  } catch {
    throw refusedToken('it does not have the form of one');
  }
}

/** The words are ours: what the token holds does not get into them. */
function asRefusal(error: unknown): Error {
  if (error instanceof errors.JWTExpired) {
    return refusedToken('it has expired');
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    switch (error.claim) {
      case 'nbf':
        return refusedToken('it is not valid yet (nbf)');
      case 'aud':
        return refusedToken('it is not for the --jwtAudience of this daemon');
      case 'jti':
        return refusedToken('it has no id (jti), by which it could be revoked');
      default:
        return refusedToken('one of its claims is not understood');
    }
  }
  return error instanceof ReplicatorError
    ? error
    : refusedToken('it is not understood');
}
