/** Keys and tokens for tests, good and bad. */
import {
  generateKeyPairSync,
  type KeyObject,
  type KeyPairKeyObjectResult,
  randomUUID,
} from 'node:crypto';
import { SignJWT } from 'jose';

export interface TestKey {
  readonly id: string;
  readonly algorithm: string;
  readonly privateKey: KeyObject;
  readonly privatePem: string;
  readonly publicPem: string;
}

export function ecKey(curve = 'P-256', algorithm = 'ES256'): TestKey {
  return testKey(generateKeyPairSync('ec', { namedCurve: curve }), algorithm);
}

export function rsaKey(modulusLength = 2048, algorithm = 'RS256'): TestKey {
  return testKey(generateKeyPairSync('rsa', { modulusLength }), algorithm);
}

export function testKey(
  { privateKey, publicKey }: KeyPairKeyObjectResult,
  algorithm: string,
): TestKey {
  return {
    id: randomUUID(),
    algorithm,
    privateKey,
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  };
}

export const claimName = 'https://github.com/cockroachdb/replicator';

/** Claims for `schemas`; those of `changed` win, undefined leaves one out. */
export function claimsFor(
  schemas: readonly (readonly string[])[],
  changed: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    jti: 'token-1',
    iss: 'replicator',
    [claimName]: { schemas },
    ...changed,
  };
}

export async function signed(
  key: TestKey,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  const payload = Object.fromEntries(
    Object.entries(claims).filter(([, value]) => value !== undefined),
  );
  return await new SignJWT(payload)
    .setProtectedHeader({ alg: key.algorithm, ...header })
    .sign(key.privateKey);
}

export function base64Json(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
