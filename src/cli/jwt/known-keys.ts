/** What the commands `jwt …` have in common. */
import { shownWord } from '../../config/shown-word.ts';
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';

import { asReplicatorError, ReplicatorError } from '../../failure/failure.ts';
import { readVerifyingKey } from '../../source/changefeed/callers/verifying-key.ts';
import type { PublicKeyRow, TokenRegister } from '../../staging/tokens.ts';
import type { OptionTable } from '../../config/options.ts';

export const dryRunOption = {
  'dry-run': {
    type: 'boolean',
    default: false,
    group: 'Command',
    about: 'Only say what would be changed.',
  },
} as const satisfies OptionTable;

/** When a running daemon knows of a change. */
export const whenNoticed =
  'Daemons notice within a minute, or at once on SIGHUP.';

export interface KnownKey extends PublicKeyRow {
  /** `EC P-256`; null for a row that is no key. */
  readonly kind: string | null;
  /** Of the key itself, however its PEM text is written; null likewise. */
  readonly fingerprint: string | null;
  readonly complaint: string | null;
}

export async function knownKeys(
  tokens: TokenRegister,
  signal: AbortSignal,
): Promise<KnownKey[]> {
  return (await tokens.keys(signal)).map(describeKey);
}

export function describeKey(row: PublicKeyRow): KnownKey {
  try {
    const { key, kind } = readVerifyingKey(row.id, row.publicKey);
    return { ...row, kind, fingerprint: fingerprintOf(key), complaint: null };
  } catch (error) {
    const complaint = asReplicatorError(error).message;
    return { ...row, kind: null, fingerprint: null, complaint };
  }
}

/** Rows of the same key: whoever takes one back means the key. */
export function rowsOfKey(
  keys: readonly KnownKey[],
  key: KnownKey,
): readonly KnownKey[] {
  return keys.filter(
    (each) =>
      each === key ||
      (key.fingerprint !== null && each.fingerprint === key.fingerprint),
  );
}

function fingerprintOf(key: KeyObject): string {
  // A point of a curve has two forms, and DER keeps the one that it came in.
  const der = createPublicKey({
    key: key.export({ format: 'jwk' }),
    format: 'jwk',
  }).export({ type: 'spki', format: 'der' });
  return `SHA256:${createHash('sha256').update(der).digest('base64url')}`;
}

/** An id as the database keeps it; throws E5002. */
export function parseKeyId(text: string): string {
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)) {
    throw new ReplicatorError('E5002', {
      detail: `${shownWord(text)} is not the id of a key`,
      remedy:
        'give one that replicator jwt list prints; a new one may be any UUID',
    });
  }
  return text.toLowerCase();
}
