/**
 * What a token says, once its signature is verified. The form is the peer's:
 *
 *     { "jti": "…", "exp": …, "nbf": …, "aud": …,
 *       "https://github.com/cockroachdb/replicator":
 *         { "schemas": [["shop", "public"], ["shop", "*"]] } }
 */
import { ReplicatorError } from '../../../failure/failure.ts';
import { matchesSchema, type SamePart } from './same-schema.ts';

export const schemasClaim = 'https://github.com/cockroachdb/replicator';
const legacySchemasClaim = 'https://github.com/cockroachdb/cdc-sink';

/** The schema that stands for /_/diag, as at the peer. */
export const diagnosticsSchema: readonly string[] = ['_', 'diag'];

export interface TokenClaims {
  /** `jti`: by this it is revoked. */
  readonly id: string;
  /** Each a list of parts; `*` is any one part. Never empty. */
  readonly schemas: readonly (readonly string[])[];
  /** Seconds since 1970; null is no limit. */
  readonly expiresAt: number | null;
  readonly notBefore: number | null;
}

/** Clocks differ; `exp` and `nbf` are judged with this leeway. */
export const leewaySeconds = 30;

/** Throws E1023 for claims that let nobody in. */
export function readClaims(
  payload: Readonly<Record<string, unknown>>,
): TokenClaims {
  const { jti } = payload;
  if (typeof jti !== 'string' || jti === '') {
    throw refusedToken('it has no id (jti), by which it could be revoked');
  }
  const schemas = [schemasClaim, legacySchemasClaim].flatMap((name) =>
    readSchemas(payload[name]),
  );
  if (schemas.length === 0) {
    throw refusedToken(`it names no schema (${schemasClaim})`);
  }
  return {
    id: jti,
    schemas,
    expiresAt: readTime(payload['exp']),
    notBefore: readTime(payload['nbf']),
  };
}

/** Throws E1023 where the claims are not in force at this moment. */
export function requireInForce(claims: TokenClaims, nowMs: number): void {
  const now = nowMs / 1000;
  if (claims.expiresAt !== null && now >= claims.expiresAt + leewaySeconds) {
    throw refusedToken('it has expired');
  }
  if (claims.notBefore !== null && now < claims.notBefore - leewaySeconds) {
    throw refusedToken('it is not valid yet (nbf)');
  }
}

/** The parts requested are those of the path, as they came. */
export function allowsSchema(
  claims: TokenClaims,
  requested: readonly string[],
  samePart: SamePart,
): boolean {
  return claims.schemas.some((allowed) =>
    matchesSchema(
      allowed.map((part) => (part === '*' ? null : part)),
      requested,
      samePart,
    ),
  );
}

/** E1023; the reason holds nothing of the token itself. */
export function refusedToken(
  reason: string,
  remedy = 'give the changefeed a new one (replicator make-jwt)',
): ReplicatorError {
  return new ReplicatorError('E1023', {
    detail: `the token is refused: ${reason}`,
    remedy,
  });
}

function readSchemas(claim: unknown): (readonly string[])[] {
  if (claim === undefined) {
    return [];
  }
  const schemas = (claim as { schemas?: unknown } | null)?.schemas ?? [];
  if (
    !Array.isArray(schemas) ||
    !schemas.every(
      (schema) =>
        Array.isArray(schema) &&
        schema.length > 0 &&
        schema.every((part) => typeof part === 'string' && part !== ''),
    )
  ) {
    throw refusedToken('its list of schemas is not understood');
  }
  return schemas as string[][];
}

function readTime(claim: unknown): number | null {
  if (claim === undefined) {
    return null;
  }
  if (typeof claim !== 'number' || !Number.isFinite(claim)) {
    throw refusedToken('a time in it is not a number');
  }
  return claim;
}
