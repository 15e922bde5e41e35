/**
 * The third door of `staging/`: the public keys that tokens are verified with,
 * and the ids of those that are revoked. Names and columns are the peer's
 * (`jwt_public_keys`, `jwt_revoked_ids`), so that its own statements work.
 *
 * Nothing here is secret. What stands in the tables may have been typed by
 * hand: whoever reads a key must be ready for one that is none.
 */
import { ReplicatorError } from '../failure/failure.ts';

/** A row of `jwt_public_keys`. */
export interface PublicKeyRow {
  /** A UUID in lower case. */
  readonly id: string;
  /** PEM text. */
  readonly publicKey: string;
  readonly isActive: boolean;
}

/** What `addKey` throws. */
export function takenKeyId(id: string): ReplicatorError {
  return new ReplicatorError('E5002', {
    detail: `there is a key with the id ${id} already`,
    remedy: 'give another id, or leave it out: a new one is made',
  });
}

/** Contract (test/contract/staging-tokens.ts). */
export interface TokenRegister {
  /** All of them, active or not, in the order of their ids. */
  keys(signal?: AbortSignal): Promise<PublicKeyRow[]>;
  /** Adds an active key; E5002 where the id is taken. */
  addKey(id: string, publicKey: string, signal?: AbortSignal): Promise<void>;
  /** False where there is no such key. */
  setKeyActive(
    id: string,
    isActive: boolean,
    signal?: AbortSignal,
  ): Promise<boolean>;
  /** False where there is no such key. */
  removeKey(id: string, signal?: AbortSignal): Promise<boolean>;
  revokedIds(signal?: AbortSignal): Promise<string[]>;
  /** For ever; false where it was revoked before. */
  revoke(tokenId: string, signal?: AbortSignal): Promise<boolean>;
}
