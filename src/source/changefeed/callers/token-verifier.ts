import { hash } from 'node:crypto';

import type { JWTPayload } from 'jose';

import { ReplicatorError } from '../../../failure/failure.ts';
import {
  leewaySeconds,
  readClaims,
  refusedToken,
  requireInForce,
  type TokenClaims,
} from './token-claims.ts';
import type { VerifyingKey } from './verifying-key.ts';

/** Far above what any issuer makes, and within what `--maxHeaderBytes` is by default. */
export const maxTokenLength = 8192;
/** Of about 300 bytes each. Whoever has no good token puts nothing in. */
const maxKept = 1000;
/**
 * At once; the others are sent away. A signature takes 0.05 to 2 ms for each
 * key, of threads that read files too, and whoever is not known may ask.
 */
const maxVerifying = 64;

/** 46 modules, of which a start without tokens need not know. */
const loadJose = () => import('jose');
type Jose = Awaited<ReturnType<typeof loadJose>>;

export interface VerifierOptions {
  readonly keys: readonly VerifyingKey[];
  readonly revokedIds: ReadonlySet<string>;
  /** Who we are for `aud`; null: a token for anybody in particular is not for us. */
  readonly audience: string | null;
  readonly nowMs?: () => number;
}

/**
 * Verifies tokens with one set of keys, which never changes: other keys are
 * another verifier, so that nothing verified with a key outlives it. Those who
 * are known already never wait for those who are not.
 *
 * What is kept of a good token is what was signed. Time and revocation are
 * asked each time.
 */
export class TokenVerifier {
  readonly #options: VerifierOptions;
  readonly #nowMs: () => number;
  readonly #verified: Map<string, TokenClaims>;
  /** By the digest of the token. */
  readonly #verifying = new Map<string, Promise<TokenClaims>>();

  constructor(
    options: VerifierOptions,
    verified: Map<string, TokenClaims> = new Map(),
  ) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#verified = verified;
  }

  /** The same keys, and what was verified with them; other revoked ids. */
  withRevoked(revokedIds: ReadonlySet<string>): TokenVerifier {
    return new TokenVerifier({ ...this.#options, revokedIds }, this.#verified);
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

  /**
   * Rejects with E1023 for any token that is not good at this moment, with
   * E3016 for one that is not known while too many are being verified.
   */
  async verify(token: string): Promise<TokenClaims> {
    if (token.length > maxTokenLength) {
      throw refusedToken(`it is longer than ${maxTokenLength} characters`);
    }
    // The digest, so that neither memory nor comparison depend on the text.
    const digest = hash('sha256', token, 'base64');
    const claims =
      this.#verified.get(digest) ?? (await this.#verifyOnce(digest, token));
    if (this.#options.revokedIds.has(claims.id)) {
      throw refusedToken('it is revoked');
    }
    requireInForce(claims, this.#nowMs());
    return claims;
  }

  #keep(digest: string, claims: TokenClaims): void {
    if (this.#verified.size >= maxKept) {
      this.#verified.delete(this.#verified.keys().next().value!);
    }
    this.#verified.set(digest, claims);
  }

  /** Of many who show the same token at once one is verified. */
  #verifyOnce(digest: string, token: string): Promise<TokenClaims> {
    let running = this.#verifying.get(digest);
    if (running === undefined) {
      if (this.#verifying.size >= maxVerifying) {
        throw new ReplicatorError('E3016', {
          detail: `${maxVerifying} other tokens are being verified`,
          remedy:
            'nothing, if it passes; else look who sends so many unknown tokens (http_status_codes_total)',
        });
      }
      running = this.#verifyAndKeep(digest, token).finally(() =>
        this.#verifying.delete(digest),
      );
      this.#verifying.set(digest, running);
    }
    return running;
  }

  async #verifyAndKeep(digest: string, token: string): Promise<TokenClaims> {
    const claims = readClaims(await this.#verifySigned(token));
    this.#keep(digest, claims);
    return claims;
  }

  async #verifySigned(token: string): Promise<JWTPayload> {
    requireCanonical(token);
    const jose = await loadJose();
    const { alg, kid } = readHeader(jose, token);
    const { keys, audience } = this.#options;
    const fitting = keys.filter(({ algorithms }) => algorithms.includes(alg));
    const named = fitting.filter(({ id }) => id === kid);
    // An issuer may have names of its own for keys: those say nothing here.
    for (const { key } of named.length > 0 ? named : fitting) {
      try {
        const { payload } = await jose.jwtVerify(token, key, {
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
        if (!(error instanceof jose.errors.JWSSignatureVerificationFailed)) {
          throw asRefusal(jose, error);
        }
      }
    }
    throw refusedToken(
      'it is not signed by an active key',
      'give the changefeed one that is signed with a key that replicator jwt list shows in force; a key that was just added is known within a minute, at once on SIGHUP',
    );
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

function readHeader(jose: Jose, token: string): { alg: string; kid: unknown } {
  try {
    const { alg, kid } = jose.decodeProtectedHeader(token);
    return { alg: String(alg), kid };
  } catch {
    throw refusedToken('it does not have the form of one');
  }
}

/** The words are ours: what the token holds does not get into them. */
function asRefusal({ errors }: Jose, error: unknown): Error {
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
